//! What k3s writes from a registries.yaml: the certs.d tree and the auth tables of config.toml, byte for byte.
//!
//! ```text
//! Registries -- embedded registry added --> merge --> HostsFile per key --> text --> certs.d/<key>/hosts.toml
//!      '------------------------------------------> auth tables --> config.toml
//! ```

mod auth_tables;
mod hosts_text;
mod merge;
mod tree;

use std::collections::BTreeMap;
use std::fmt;

use crate::document::{Registries, Tls};
use crate::mask::redact_path;
use crate::node::NodeOptions;

pub use auth_tables::{auth_tables, check_auth_tables};
pub use tree::after_start;

/// Everything that k3s writes to certs.d, and what it logs while it does.
///
/// Texts may hold credentials of endpoint URLs, so `Debug` shows only how much there is.
#[derive(Clone, Default, PartialEq)]
pub struct Rendering {
    /// By directory key: the registry, or `_default` for `*`.
    pub hosts: BTreeMap<String, HostsFile>,
    /// Path under certs.d to the whole text of the file.
    pub files: BTreeMap<String, String>,
    /// Warnings and errors in k3s's words, sorted. They repeat endpoints: mask them before they are shown.
    pub log: Vec<String>,
}

/// A hosts.toml.
#[derive(Clone, Default, PartialEq)]
pub struct HostsFile {
    /// Where pulls end up when no host has the image. `None`: no `server` line; empty: the registry itself.
    pub server: Option<String>,
    /// TLS settings for the server.
    pub tls: TlsLines,
    /// What is tried before, in order.
    pub hosts: Vec<HostEntry>,
}

/// A `[host."<url>"]` table.
#[derive(Clone, Default, PartialEq)]
pub struct HostEntry {
    /// As written, possibly with user information.
    pub url: String,
    /// Whether the path of the URL replaces `/v2`.
    pub override_path: bool,
    /// TLS settings.
    pub tls: TlsLines,
    /// Pattern to replacement.
    pub rewrite: BTreeMap<String, String>,
}

/// The TLS settings of a hosts.toml.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsLines {
    /// `ca`
    pub ca: Option<String>,
    /// `client`: certificate and key, one of which may be empty.
    pub client: Option<(String, String)>,
    /// `skip_verify`
    pub skip_verify: bool,
}

/// What a server may be asked for.
pub const SERVER_CAPABILITIES: [&str; 3] = ["pull", "resolve", "push"];
/// What a mirror may be asked for.
pub const HOST_CAPABILITIES: [&str; 2] = ["pull", "resolve"];

/// Renders certs.d as k3s does at its start.
pub fn certs_d(registries: &Registries, options: &NodeOptions) -> Rendering {
    let (hosts, log) = merge::merge(registries, options);
    let files = hosts
        .iter()
        .map(|(key, file)| {
            (
                tree::hosts_path(key),
                hosts_text::write(file, options.distribution),
            )
        })
        .collect();
    Rendering { hosts, files, log }
}

impl From<Option<&Tls>> for TlsLines {
    fn from(tls: Option<&Tls>) -> Self {
        let Some(tls) = tls else {
            return Self::default();
        };
        let has_pair = !tls.cert_file.is_empty() || !tls.key_file.is_empty();
        Self {
            ca: (!tls.ca_file.is_empty()).then(|| tls.ca_file.clone()),
            client: has_pair.then(|| (tls.cert_file.clone(), tls.key_file.clone())),
            skip_verify: tls.insecure_skip_verify,
        }
    }
}

impl fmt::Debug for Rendering {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Rendering")
            .field("files", &self.files.len())
            .field("log", &self.log.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsLines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A PEM in place of a path would be a key.
        let client = self.client.as_ref();
        let client = client.map(|(certificate, key)| (redact_path(certificate), redact_path(key)));
        formatter
            .debug_struct("TlsLines")
            .field("ca", &self.ca.as_deref().map(redact_path))
            .field("client", &client)
            .field("skip_verify", &self.skip_verify)
            .finish()
    }
}

impl fmt::Debug for HostsFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HostsFile")
            .field("hosts", &self.hosts.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HostEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HostEntry")
            .field("override_path", &self.override_path)
            .finish_non_exhaustive()
    }
}
