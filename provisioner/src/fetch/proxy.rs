//! The proxy that leads to an address, as the environment of most programs names it.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// What `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say; each also in lower case. This machine itself is never asked through one.
#[derive(Debug)]
pub struct Proxies(Matcher);

/// Where a request goes first. `Display` shows no credentials.
#[derive(Debug)]
pub(super) struct Proxy(Intercept);

impl Proxies {
    /// From the variables of the environment.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            let found = variable(name).or_else(|| variable(&name.to_lowercase()));
            found.unwrap_or_default()
        };
        let matcher = Matcher::builder()
            .http(either("HTTP_PROXY"))
            .https(either("HTTPS_PROXY"))
            .no(either("NO_PROXY"))
            .build();
        Self(matcher)
    }

    pub(super) fn for_address(&self, address: &Uri) -> Option<Proxy> {
        if address.host().is_some_and(is_this_machine) {
            return None;
        }
        self.0.intercept(address).map(Proxy)
    }
}

impl Proxy {
    pub(super) fn address(&self) -> &Uri {
        self.0.uri()
    }

    pub(super) fn credentials(&self) -> Option<&http::HeaderValue> {
        self.0.basic_auth()
    }

    /// Others, such as SOCKS, are a language of their own.
    pub(super) fn speaks_http(&self) -> bool {
        matches!(self.address().scheme_str(), Some("http" | "https"))
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address();
        let scheme = address.scheme_str().unwrap_or("http");
        write!(out, "{scheme}://{}", address.host().unwrap_or_default())?;
        match address.port() {
            Some(port) => write!(out, ":{port}"),
            None => Ok(()),
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>();
    bare == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(variables: &[(&str, &str)], address: &str) -> Option<String> {
        let proxies = Proxies::new(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let proxy = proxies.for_address(&address.parse().unwrap());
        proxy.map(|proxy| proxy.to_string())
    }

    #[test]
    fn each_scheme_has_its_proxy_and_lower_case_will_do() {
        let both = [
            ("HTTP_PROXY", "http://plain:3128"),
            ("https_proxy", "secure:3129"),
        ];
        for (address, expected) in [
            ("http://k3s.test/channels", Some("http://plain:3128")),
            ("https://k3s.test/channels", Some("http://secure:3129")),
        ] {
            assert_eq!(leads(&both, address).as_deref(), expected, "{address}");
            assert_eq!(leads(&[], address), None);
        }
        assert_eq!(leads(&both[..1], "https://k3s.test"), None);
    }

    #[test]
    fn exceptions_and_this_machine_are_reached_without_a_proxy() {
        let variables = [
            ("HTTP_PROXY", "http://proxy:3128"),
            ("NO_PROXY", "k3s.test,10.0.0.0/8"),
        ];
        for address in [
            "http://k3s.test",
            "http://update.k3s.test",
            "http://10.1.2.3",
            "http://localhost:81",
            "http://127.0.0.2",
            "http://[::1]:82",
        ] {
            assert_eq!(leads(&variables, address), None, "{address}");
        }
        assert!(leads(&variables, "http://other.test").is_some());
        let none = [("HTTP_PROXY", "http://proxy:3128"), ("NO_PROXY", "*")];
        assert_eq!(leads(&none, "http://other.test"), None);
    }

    #[test]
    fn credentials_of_a_proxy_are_not_shown() {
        let variables = [("HTTP_PROXY", "http://user:word-of-pass@proxy:3128")];
        let proxies = Proxies::new(|name| (name == variables[0].0).then(|| variables[0].1.into()));
        let proxy = proxies.for_address(&"http://k3s.test".parse().unwrap());
        let proxy = proxy.unwrap();
        assert!(proxy.credentials().is_some());
        assert_eq!(proxy.to_string(), "http://proxy:3128");
        for text in [format!("{proxies:?}"), format!("{proxy:?}")] {
            assert!(!text.contains("word-of-pass"), "{text}");
        }
    }
}
