//! What a cluster as a whole must keep to: its name, its numbers of nodes, its network, its host aliases.

use std::net::{IpAddr, Ipv4Addr};

use super::Build;
use crate::cluster::HostAlias;
use crate::config::problem::Wrong;
use crate::config::schema::is_hostname;
use crate::names;

impl Build<'_> {
    pub(super) fn check(&mut self) {
        self.check_name();
        self.check_counts();
        self.check_network();
    }

    fn check_name(&mut self) {
        let name = &self.merged.simple.metadata.name;
        if name.is_empty() {
            names::DEFAULT_CLUSTER.clone_into(&mut self.name);
            return;
        }
        self.name.clone_from(name);
        let place = self.place("metadata.name");
        let limit = names::CLUSTER_NAME_LIMIT;
        if !is_hostname(name) {
            let wrong = Wrong::new(format!("{name:?} cannot name a cluster"))
                .mend("write letters, digits, hyphens and dots, starting and ending with a letter or digit");
            self.findings.problem(&place, wrong);
        } else if name.len() > limit {
            let what = format!(
                "the name of the cluster has {} characters, at most {limit} are allowed",
                name.len()
            );
            self.findings.problem(&place, Wrong::new(what));
        }
    }

    fn check_counts(&mut self) {
        let place = self.place("servers");
        match self.counts.servers {
            0 => self.findings.problem(&place, Wrong::new("a cluster needs at least one server")),
            2 => self
                .findings
                .warn(&place, "two servers are no more available than one: etcd needs a majority, so take one or three"),
            _ => {}
        }
    }

    fn check_network(&mut self) {
        let simple = &self.merged.simple;
        let (network, subnet) = (self.place("network"), self.place("subnet"));
        if self.host_network {
            if self.counts.servers + self.counts.agents > 1 {
                let wrong = Wrong::new("only one node fits on the network of the host")
                    .mend("take one server and no agents, or leave the network out");
                self.findings.problem(&network, wrong);
            }
            if !simple.host_aliases.is_empty() {
                let place = self.place("hostAliases");
                let wrong = Wrong::new("host aliases cannot be set on the network of the host");
                self.findings.problem(
                    &place,
                    wrong.mend("put them into the hosts file of the host"),
                );
            }
            if !simple.ports.is_empty() {
                let place = self.place("ports");
                self.findings.warn(
                    &place,
                    "has no effect: on the network of the host every port is open already",
                );
            }
        }
        if simple.subnet.is_empty() {
            return;
        }
        if !simple.network.is_empty() {
            let wrong = Wrong::new("a range cannot be chosen for a network that exists already");
            self.findings
                .problem(&subnet, wrong.mend("leave out either network or subnet"));
        }
        if simple.subnet != "auto" {
            let checked = check_range(&simple.subnet);
            self.findings.take(&subnet, checked);
        }
    }

    pub(super) fn host_aliases(&mut self) -> Vec<HostAlias> {
        let aliases = &self.merged.simple.host_aliases;
        for (index, alias) in aliases.iter().enumerate() {
            let path = format!("hostAliases[{index}]");
            if alias.ip.parse::<IpAddr>().is_err() {
                let place = self.place(&format!("{path}.ip"));
                let wrong = Wrong::new(format!("{:?} is no IP address", alias.ip));
                self.findings.problem(&place, wrong);
            }
            if alias.hostnames.is_empty() {
                let place = self.place(&path);
                self.findings
                    .problem(&place, Wrong::new("the host alias has no names"));
            }
            for (index, name) in alias.hostnames.iter().enumerate() {
                if !is_hostname(name) {
                    let place = self.place(&format!("{path}.hostnames[{index}]"));
                    self.findings
                        .problem(&place, Wrong::new(format!("{name:?} is no host name")));
                }
            }
        }
        aliases.clone()
    }
}

/// A range of addresses with room for a gateway and nodes.
fn check_range(text: &str) -> Result<(), Wrong> {
    let wrong = |what: &str| {
        Wrong::new(format!("{text:?} {what}")).mend("write a range such as 172.28.0.0/16, or auto")
    };
    let (address, length) = text
        .split_once('/')
        .ok_or_else(|| wrong("is no range of addresses"))?;
    let address: Ipv4Addr = address
        .parse()
        .map_err(|_| wrong("is no range of IPv4 addresses"))?;
    let length: u32 = length
        .parse()
        .ok()
        .filter(|length| *length <= 32 && !text.contains('+'))
        .ok_or_else(|| wrong("is no range of addresses"))?;
    let host_bits = u32::MAX.checked_shr(length).unwrap_or(0);
    if u32::from(address) & host_bits != 0 {
        let base = Ipv4Addr::from(u32::from(address) & !host_bits);
        return Err(
            wrong("does not start at its own first address").mend(format!("write {base}/{length}"))
        );
    }
    if length > 29 {
        return Err(wrong("has too few addresses for a cluster"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_range;

    #[test]
    fn ranges_start_at_their_base_and_have_room() {
        for text in [
            "172.28.0.0/16",
            "10.0.0.0/8",
            "192.168.1.0/24",
            "192.168.1.8/29",
            "0.0.0.0/0",
        ] {
            assert!(check_range(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "172.28.0.0",
            "172.28.0.0/33",
            "172.28.0.1/16",
            "10.0.0.0/30",
            "fd00::/64",
            "10.0.0.0/+8",
            "x/8",
        ] {
            assert!(check_range(text).is_err(), "{text}");
        }
        assert_eq!(
            check_range("172.28.0.1/16").unwrap_err().mend.as_deref(),
            Some("write 172.28.0.0/16")
        );
    }
}
