//! Where one port is shown on the host: `[(HOSTIP|HOSTNAME):]PORT`, as for the API and for registries.

use super::problem::Wrong;

/// What the user asks for; names are looked up and free ports chosen later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// As typed; an IPv6 address without its brackets.
    pub host: Option<String>,
    pub port: PortChoice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortChoice {
    Random,
    Fixed(u16),
}

pub fn parse(text: &str) -> Result<Exposure, Wrong> {
    let wrong = || {
        Wrong::new(format!("{text:?} does not say where the port is to be shown"))
            .mend("write [HOST:]PORT with a port from 1 to 65535 or the word random, such as 127.0.0.1:6550")
    };
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (Some(host), port),
        None => (None, text),
    };
    let host = match host {
        Some(host) if host.starts_with('[') => {
            let inner = host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'));
            Some(inner.filter(|host| host.contains(':')).ok_or_else(wrong)?)
        }
        // An address of version 6 without brackets would leave open which part is the port.
        Some(host) if host.is_empty() || host.contains([':', '/', ' ', ']']) => return Err(wrong()),
        other => other,
    };
    Ok(Exposure {
        host: host.map(ToOwned::to_owned),
        port: parse_port(port).ok_or_else(wrong)?,
    })
}

/// A port number or `random`.
pub fn parse_port(text: &str) -> Option<PortChoice> {
    if text == "random" {
        return Some(PortChoice::Random);
    }
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|port| *port > 0)?;
    Some(PortChoice::Fixed(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_told_apart() {
        for (text, host, port) in [
            ("6550", None, PortChoice::Fixed(6550)),
            ("random", None, PortChoice::Random),
            ("0.0.0.0:6550", Some("0.0.0.0"), PortChoice::Fixed(6550)),
            (
                "api.example.localhost:random",
                Some("api.example.localhost"),
                PortChoice::Random,
            ),
            ("[::1]:6550", Some("::1"), PortChoice::Fixed(6550)),
        ] {
            let host = host.map(str::to_owned);
            assert_eq!(parse(text), Ok(Exposure { host, port }), "{text}");
        }
        for text in [
            "",
            "x",
            "0",
            "65536",
            "123456",
            "h:",
            ":80",
            "a:b:80",
            "[::1]",
            "[x]:1",
            "::1:6550",
            "h:+80",
            "https://h:80",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
