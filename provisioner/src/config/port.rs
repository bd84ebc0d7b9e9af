//! Ports to publish: `[HOST:][HOSTPORT:]CONTAINERPORT[/PROTOCOL]`, with ranges, and IPv6 addresses in brackets.

use std::fmt;
use std::net::IpAddr;

use super::problem::Wrong;
use crate::cluster::{ContainerPort, HostBinding, Protocol};

const FORM: &str = "write [HOST:][HOSTPORT:]CONTAINERPORT[/tcp|/udp|/sctp], such as 8080:80 or 127.0.0.1:8000-8002:80-82";

/// One container port and where it shows on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// `None`: every address.
    pub host: Option<IpAddr>,
    pub host_port: HostPort,
    pub container: ContainerPort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPort {
    /// The Engine takes any.
    Any,
    One(u16),
    /// The Engine takes a free one of these.
    Among(u16, u16),
}

impl PortMapping {
    /// As the Engine takes it.
    pub fn binding(&self) -> HostBinding {
        HostBinding {
            ip: self.host.map_or_else(String::new, |ip| ip.to_string()),
            port: self.host_port.to_string(),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::One(port) => write!(f, "{port}"),
            Self::Among(first, last) => write!(f, "{first}-{last}"),
        }
    }
}

impl fmt::Display for PortMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
            Some(ip) => write!(f, "{ip}:")?,
            None => {}
        }
        if self.host.is_some() || self.host_port != HostPort::Any {
            write!(f, "{}:", self.host_port)?;
        }
        write!(f, "{}", self.container)
    }
}

/// Reads a specification; ranges become one mapping per port.
pub fn parse(text: &str) -> Result<Vec<PortMapping>, Wrong> {
    let wrong = |what: &str| Wrong::new(format!("the port {text:?} {what}")).mend(FORM);
    let (ports, protocol) = match text.rsplit_once('/') {
        Some((ports, protocol)) => (
            ports,
            parse_protocol(protocol).ok_or_else(|| wrong("has an unknown protocol"))?,
        ),
        None => (text, Protocol::Tcp),
    };
    let (host, host_ports, container_ports) =
        parts(ports).ok_or_else(|| wrong("cannot be read"))?;
    let host = match host {
        None | Some("") => None,
        Some(host) => Some(
            host.parse::<IpAddr>()
                .map_err(|_| wrong("has a host that is no IP address"))?,
        ),
    };
    let (first, last) = range(container_ports)
        .filter(|(first, _)| *first > 0)
        .ok_or_else(|| wrong("has no valid container port"))?;
    let container = |port| ContainerPort { port, protocol };
    let mapping = |host_port, port| PortMapping {
        host,
        host_port,
        container: container(port),
    };
    let any = host_ports.is_none_or(|ports| ports.is_empty() || ports == "0");
    if any {
        return Ok((first..=last)
            .map(|port| mapping(HostPort::Any, port))
            .collect());
    }
    let (host_first, host_last) = range(host_ports.unwrap_or_default())
        .filter(|(first, _)| *first > 0)
        .ok_or_else(|| wrong("has no valid host port"))?;
    if host_last - host_first == last - first {
        let pairs = (host_first..=host_last).zip(first..=last);
        return Ok(pairs
            .map(|(outside, inside)| mapping(HostPort::One(outside), inside))
            .collect());
    }
    if first == last {
        return Ok(vec![mapping(HostPort::Among(host_first, host_last), first)]);
    }
    Err(wrong("has ranges of different lengths"))
}

/// Host, host ports and container ports.
fn parts(text: &str) -> Option<(Option<&str>, Option<&str>, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once("]:")?;
        return match rest.split_once(':') {
            Some((host_ports, container)) if !container.contains(':') => {
                Some((Some(host), Some(host_ports), container))
            }
            Some(_) => None,
            None => Some((Some(host), None, rest)),
        };
    }
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [container] => Some((None, None, container)),
        // An address and one port: the Engine chooses the port of the host.
        [host, container] if host.contains('.') => Some((Some(host), None, container)),
        [host_ports, container] => Some((None, Some(host_ports), container)),
        [host, host_ports, container] => Some((Some(host), Some(host_ports), container)),
        _ => None,
    }
}

fn parse_protocol(text: &str) -> Option<Protocol> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        "sctp" => Some(Protocol::Sctp),
        _ => None,
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())?
    };
    match text.split_once('-') {
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some((first, last))
        }
        None => number(text).map(|port| (port, port)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let mappings = parse(text).map_err(|wrong| wrong.what)?;
        Ok(mappings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn port_specifications_are_read_as_docker_reads_them() {
        for (text, expected) in [
            ("80", "80/tcp"),
            ("8080:80", "8080:80/tcp"),
            ("8080:80/udp", "8080:80/udp"),
            ("8080:80/TCP", "8080:80/tcp"),
            ("5000:5000/sctp", "5000:5000/sctp"),
            ("127.0.0.1:8080:80", "127.0.0.1:8080:80/tcp"),
            ("0.0.0.0:443:443", "0.0.0.0:443:443/tcp"),
            ("127.0.0.1::80", "127.0.0.1::80/tcp"),
            ("127.0.0.1:80", "127.0.0.1::80/tcp"),
            (":80", "80/tcp"),
            ("0:80", "80/tcp"),
            ("[::1]:8080:80", "[::1]:8080:80/tcp"),
            ("[::]:80", "[::]::80/tcp"),
            ("8000-8002:80-82", "8000:80/tcp 8001:81/tcp 8002:82/tcp"),
            ("80-81", "80/tcp 81/tcp"),
            ("8000-8010:80", "8000-8010:80/tcp"),
            (
                "30000-30001:30000-30001/tcp",
                "30000:30000/tcp 30001:30001/tcp",
            ),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn port_specifications_that_docker_would_not_take_are_refused() {
        for text in [
            "",
            "x",
            "80:x",
            "x:80",
            "70000:80",
            "80:70000",
            "0",
            "8080:0",
            "8000-8001:80-82",
            "82-80",
            "80/icmp",
            "host:80:80",
            "1:2:3:4",
            "::1:80:80",
            "[::1]80",
            "[x]:80:80",
            "+1:80",
            "80-",
            "-80",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bindings_are_what_the_engine_takes() {
        let binding = |text: &str| parse(text).unwrap()[0].binding();
        assert_eq!(
            binding("80"),
            HostBinding {
                ip: String::new(),
                port: String::new()
            }
        );
        assert_eq!(
            binding("[::1]:1:80"),
            HostBinding {
                ip: "::1".to_owned(),
                port: "1".to_owned()
            }
        );
        assert_eq!(
            binding("1-2:80"),
            HostBinding {
                ip: String::new(),
                port: "1-2".to_owned()
            }
        );
    }

    proptest! {
        #[test]
        fn a_mapping_that_is_printed_and_read_is_the_same(
            host in prop::option::of(any::<IpAddr>()),
            host_port in prop_oneof![
                Just(HostPort::Any),
                (1_u16..).prop_map(HostPort::One),
                (1_u16..60000, 1_u16..5000).prop_map(|(first, more)| HostPort::Among(first, first + more)),
            ],
            port in 1_u16..,
            protocol in prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)],
        ) {
            let mapping = PortMapping { host, host_port, container: ContainerPort { port, protocol } };
            prop_assert_eq!(parse(&mapping.to_string()), Ok(vec![mapping]));
        }

        #[test]
        fn no_text_makes_ports_panic(text in "[0-9:./a-z\\[\\]-]{0,24}") {
            let _ = parse(&text);
        }
    }
}
