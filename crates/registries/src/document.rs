//! The typed document: what k3s sees of a registries.yaml.

use std::collections::BTreeMap;
use std::fmt;

use crate::mask::{redact_key, redact_path, redact_rewrite, redact_url};
use crate::secret::Secret;

/// A whole registries.yaml.
///
/// A key with `None` was written without a value. k3s keeps such a key: a mirror without endpoints takes part in
/// the embedded registry.
#[derive(Clone, Default, PartialEq)]
pub struct Registries {
    /// Registry, as it stands in image names, to what is asked instead of or before it.
    pub mirrors: BTreeMap<String, Option<Mirror>>,
    /// Host of an endpoint to how it is talked to.
    pub configs: BTreeMap<String, Option<HostConfig>>,
    /// Old place of credentials: k3s reads it and never uses it.
    pub auths: BTreeMap<String, Option<Auth>>,
}

/// What is asked instead of, or before, a registry.
#[derive(Clone, Default, PartialEq)]
pub struct Mirror {
    /// URLs, or `host[:port][/path]`, tried in order.
    pub endpoint: Vec<String>,
    /// Pattern in Go's dialect to replacement, applied to the repository.
    pub rewrite: BTreeMap<String, String>,
}

/// How a host is talked to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostConfig {
    /// The credential, present even when empty: k3s then renders an empty table.
    pub auth: Option<Auth>,
    /// TLS settings, present even when empty: the host then keeps an own hosts.toml.
    pub tls: Option<Tls>,
}

/// A credential. Empty texts are unset ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auth {
    /// User name of a basic credential.
    pub username: Secret,
    /// Password of a basic credential.
    pub password: Secret,
    /// Base64 of `user:password`.
    pub auth: Secret,
    /// `OAuth2` refresh token.
    pub identity_token: Secret,
}

/// TLS settings of a host; the paths are paths on the node. Empty texts are unset ones.
#[derive(Clone, Default, PartialEq)]
pub struct Tls {
    /// Certificates trusted in addition to the system's.
    pub ca_file: String,
    /// Client certificate.
    pub cert_file: String,
    /// Key of the client certificate.
    pub key_file: String,
    /// Whether the server's certificate goes unchecked.
    pub insecure_skip_verify: bool,
}

impl fmt::Debug for Registries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Registries")
            .field("mirrors", &RedactedKeys(&self.mirrors))
            .field("configs", &RedactedKeys(&self.configs))
            .field("auths", &RedactedKeys(&self.auths))
            .finish()
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint: Vec<String> = self.endpoint.iter().map(|url| redact_url(url)).collect();
        let rewrite: Vec<(String, String)> = self
            .rewrite
            .iter()
            .map(|(from, to)| (redact_rewrite(from), redact_rewrite(to)))
            .collect();
        formatter
            .debug_struct("Mirror")
            .field("endpoint", &endpoint)
            .field("rewrite", &rewrite)
            .finish()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tls")
            .field("ca_file", &redact_path(&self.ca_file))
            .field("cert_file", &redact_path(&self.cert_file))
            .field("key_file", &redact_path(&self.key_file))
            .field("insecure_skip_verify", &self.insecure_skip_verify)
            .finish()
    }
}

/// Prints a map with userinfo, query and fragment of its keys masked.
struct RedactedKeys<'a, T>(&'a BTreeMap<String, T>);

impl<T: fmt::Debug> fmt::Debug for RedactedKeys<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_map()
            .entries(self.0.iter().map(|(key, value)| (redact_key(key), value)))
            .finish()
    }
}
