//! Networks, and whether a peer is in them.

use std::net::IpAddr;

/// The networks that count as local.
#[derive(Clone, Debug)]
pub enum Peers {
    /// Those of the interfaces, looked up each time: clusters connect a running registry to their networks.
    OfInterfaces,
    /// These.
    Fixed(Networks),
}

/// Some networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<(IpAddr, u8)>);

impl Peers {
    /// Whether an address is in one of the networks, or this machine's own.
    pub fn include(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let networks = match self {
            _ if address.is_loopback() => return true,
            Self::OfInterfaces => &Networks::of_interfaces(),
            Self::Fixed(networks) => networks,
        };
        networks.contain(address)
    }
}

impl Networks {
    /// Reads `172.18.0.0/16`.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let read = |text: &str| {
            let (address, length) = text.split_once('/')?;
            let (address, length): (IpAddr, u8) = (address.parse().ok()?, length.parse().ok()?);
            let longest = if address.is_ipv4() { 32 } else { 128 };
            (length <= longest).then_some((address, length))
        };
        texts.into_iter().map(read).collect::<Option<_>>().map(Self)
    }

    /// The networks of this machine's, or this container's, interfaces. None when they cannot be read: then nobody is local.
    fn of_interfaces() -> Self {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
            tracing::warn!(%error, "failed to read the addresses of the network interfaces; no peer counts as local");
            Vec::new()
        });
        Self(
            interfaces
                .into_iter()
                .map(|interface| network(&interface.addr))
                .collect(),
        )
    }

    fn contain(&self, address: IpAddr) -> bool {
        self.0
            .iter()
            .any(|(network, length)| shares(*network, address, *length))
    }
}

fn network(interface: &if_addrs::IfAddr) -> (IpAddr, u8) {
    match interface {
        if_addrs::IfAddr::V4(v4) => (IpAddr::V4(v4.ip), ones(u128::from(u32::from(v4.netmask)))),
        if_addrs::IfAddr::V6(v6) => (IpAddr::V6(v6.ip), ones(u128::from(v6.netmask))),
    }
}

fn ones(mask: u128) -> u8 {
    // At most 128.
    u8::try_from(mask.count_ones()).unwrap_or(128)
}

/// Whether two addresses of one family have the first bits in common.
fn shares(network: IpAddr, address: IpAddr, length: u8) -> bool {
    let (network, address, bits) = match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (u128::from(u32::from(a)), u128::from(u32::from(b)), 32_u32)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a), u128::from(b), 128),
        _ => return false,
    };
    let shift = bits.saturating_sub(u32::from(length));
    // Every network holds every address when no bit counts; a default route is no network of ours.
    length > 0 && network.checked_shr(shift) == address.checked_shr(shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_are_read_strictly() {
        assert!(Networks::parse(["10.0.0.0/8", "fd00::/8"]).is_some());
        for text in ["10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/x", "fd00::/129"] {
            assert!(Networks::parse([text]).is_none(), "{text}");
        }
    }

    #[test]
    fn a_network_without_bits_holds_nobody() {
        let networks = Networks::parse(["0.0.0.0/0", "::/0"]).unwrap();
        assert!(!networks.contain("10.0.0.1".parse().unwrap()));
        assert!(!networks.contain("fd00::1".parse().unwrap()));
    }

    #[test]
    fn own_addresses_are_local() {
        let own = if_addrs::get_if_addrs().unwrap();
        assert!(!own.is_empty());
        for interface in own {
            assert!(
                Peers::OfInterfaces.include(interface.ip()),
                "{}",
                interface.ip()
            );
        }
    }

    proptest! {
        #[test]
        fn only_the_first_bits_count(a in any::<u32>(), b in any::<u32>(), length in 1_u8..=32) {
            let mask = u32::MAX << (32 - u32::from(length));
            let networks = Networks(vec![(IpAddr::V4(a.into()), length)]);
            prop_assert_eq!(networks.contain(IpAddr::V4(b.into())), a & mask == b & mask);
        }
    }
}
