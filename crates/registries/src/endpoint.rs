//! What k3s makes of an endpoint, a mirror key or a configs key.

use crate::go::net::is_localhost;
use crate::go::url::{GoUrl, UrlError};

/// Where the default endpoint of Docker Hub answers.
pub(crate) const DOCKER_HUB_HOST: &str = "registry-1.docker.io";
/// The registry of images without a registry.
pub(crate) const DOCKER_HUB: &str = "docker.io";

/// An endpoint in the form in which k3s writes it to `hosts.toml`.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The `configs` key whose TLS settings and credentials apply.
    pub registry: String,
    /// The whole URL, which may carry user information: show it through `redact_url`.
    pub url: String,
    /// `host[:port]` of the URL.
    pub host: String,
    /// Whether the path replaces `/v2` as the root of the registry API.
    pub override_path: bool,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Endpoint")
            .field("registry", &self.registry)
            .field("override_path", &self.override_path)
            .finish_non_exhaustive()
    }
}

/// Why an endpoint is dropped, or the entry of a key.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the address is no URL that k3s accepts; write it as https://host[:port][/path], an IPv6 address in brackets"
)]
pub struct EndpointError(UrlError);

impl EndpointError {
    /// The words of k3s's log, which repeat the address and so may hold a password.
    pub fn go_text(&self) -> String {
        self.0.go_text()
    }
}

impl std::fmt::Debug for EndpointError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("EndpointError")
    }
}

/// Normalises an address as k3s does; `embedded_registry` is the loopback address of the registry inside k3s.
pub fn normalize(
    address: &str,
    embedded_registry: Option<&str>,
) -> Result<Endpoint, EndpointError> {
    let mut url = if address.contains("://") {
        GoUrl::parse(address)
    } else {
        GoUrl::parse(&format!("//{address}"))
    }
    .map_err(EndpointError)?;
    let given_host = url.host_text();
    if url.scheme.is_empty() {
        let port = url.port();
        let plain = is_localhost(&given_host)
            && !port.is_empty()
            && port != "443"
            && embedded_registry != Some(given_host.as_str());
        let scheme = if plain { "http" } else { "https" };
        scheme.clone_into(&mut url.scheme);
    }
    if given_host == DOCKER_HUB {
        url.host = DOCKER_HUB_HOST.as_bytes().to_vec();
    }
    let host = url.host_text();
    let registry = if host == DOCKER_HUB_HOST {
        DOCKER_HUB.to_owned()
    } else {
        given_host
    };
    let override_path = !matches!(url.path.as_slice(), b"" | b"/" | b"/v2");
    if !override_path {
        url.path = b"/v2".to_vec();
    }
    Ok(Endpoint {
        registry,
        url: url.to_string(),
        host,
        override_path,
    })
}
