//! `net.SplitHostPort` and the loopback test that containerd builds on it.

use std::net::IpAddr;

/// Splits `host:port`, `[host]:port` or `host:`; `None` where Go reports an error.
pub(crate) fn split_host_port(address: &str) -> Option<(&str, &str)> {
    let colon = address.rfind(':')?;
    let (host, open_from, close_from) = if address.starts_with('[') {
        let end = address.find(']')?;
        if end + 1 != colon {
            return None;
        }
        (&address[1..end], 1, end + 1)
    } else {
        let host = &address[..colon];
        if host.contains(':') {
            return None;
        }
        (host, 0, 0)
    };
    if address[open_from..].contains('[') || address[close_from..].contains(']') {
        return None;
    }
    Some((host, &address[colon + 1..]))
}

/// containerd's `IsLocalhost`: `localhost` in lower case or a loopback address, with or without a port.
pub(crate) fn is_localhost(address: &str) -> bool {
    let host = split_host_port(address).map_or(address, |(host, _)| host);
    host == "localhost"
        || match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(v4)) => v4.is_loopback(),
            Ok(IpAddr::V6(v6)) => v6
                .to_ipv4_mapped()
                .map_or_else(|| v6.is_loopback(), |v4| v4.is_loopback()),
            Err(_) => false,
        }
}

#[cfg(test)]
mod tests {
    use super::{is_localhost, split_host_port};

    #[test]
    fn splits_host_and_port_like_go() {
        let table = [
            ("a:1", Some(("a", "1"))),
            ("a:", Some(("a", ""))),
            (":1", Some(("", "1"))),
            ("[::1]:5000", Some(("::1", "5000"))),
            ("a", None),
            ("::1", None),
            ("[::1]", None),
            ("[::1", None),
            ("[a]b:1", None),
            ("a[b]:1", None),
            ("[[a]:1", None),
            ("[a]:b:1", None),
        ];
        for (address, expected) in table {
            assert_eq!(split_host_port(address), expected, "{address}");
        }
    }

    #[test]
    fn loopback_is_an_address_or_the_lower_case_name() {
        for host in [
            "localhost",
            "localhost:1",
            "127.9.9.9:5000",
            "::1",
            "[::1]:5000",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_localhost(host), "{host}");
        }
        for host in [
            "LOCALHOST",
            "[::1]",
            "127.1",
            "0.0.0.0",
            "127.0.0.01",
            "localhost.",
            "10.0.0.1:5000",
        ] {
            assert!(!is_localhost(host), "{host}");
        }
    }
}
