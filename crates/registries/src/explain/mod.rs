//! Which requests a pull makes: the hosts that containerd tries, in order, with path, TLS and credential.
//!
//! ```text
//! image -> registry -> directory in certs.d -> hosts.toml -> hosts -> per host: repository, credential, request
//! ```

mod credential;
mod hosts_toml;
mod lookup;
mod request;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::document::Registries;
use crate::image::{ImageError, ImageReference};
use crate::mask::{redact_rewrite, redact_url};
use crate::node::NodeOptions;
use crate::render::{self, Rendering};
use crate::rewrite::Rewrites;
use crate::toml::TomlError;

pub use credential::{Credential, CredentialError};
use hosts_toml::Host;

/// Which containerd reads certs.d.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Containerd {
    /// The fork in k3s and RKE2: without a `server` line pulls end with the listed hosts.
    #[default]
    K3s,
    /// Upstream: the registry itself is always tried last.
    Stock,
}

/// Tells whether certificate files on the node can be used. Paths are absolute, or relative to certs.d.
#[derive(Clone, Copy)]
pub struct CertificateFiles<'a> {
    /// Whether a file holds certificates.
    pub authority: &'a dyn Fn(&str) -> bool,
    /// Whether two files, or twice the same, hold a certificate and its key.
    pub pair: &'a dyn Fn(&str, &str) -> bool,
}

impl CertificateFiles<'_> {
    /// For questions away from the node: every file is as it should be.
    pub const ASSUMED: Self = Self {
        authority: &|_| true,
        pair: &|_, _| true,
    };
}

/// What a pull of one image does.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The image, with everything that was left out.
    pub image: ImageReference,
    /// The directory of certs.d that decides, if there is one.
    pub hosts_dir: Option<String>,
    /// Why its hosts.toml counts for nothing: mirrors, TLS settings and a closed default endpoint are void.
    pub unreadable: Option<HostsFileError>,
    /// The hosts in order, or why no request is made at all.
    pub attempts: Result<Vec<Attempt>, PullError>,
}

/// One host that is asked.
#[derive(Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about a host, each a line of an explanation"
)]
pub struct Attempt {
    /// `https`, or `http`.
    pub scheme: String,
    /// `host[:port]`
    pub host: String,
    /// Root of the registry API.
    pub path: String,
    /// Of `pull`, `resolve` and `push`.
    pub capabilities: Vec<&'static str>,
    /// Whether any certificate is taken for good.
    pub skip_verify: bool,
    /// Whether certificates are trusted beyond the system's.
    pub custom_ca: bool,
    /// Client certificates offered.
    pub client_certificates: usize,
    /// Whether a TLS error leads to a second try in the clear.
    pub https_then_http: bool,
    /// What is asked for; more than one where rewrites disagree and chance decides.
    pub repositories: Vec<String>,
    /// Rewrites that Go refuses, which are skipped.
    pub uncompilable_rewrites: Vec<String>,
    /// Whether some rewrite could not be tried out, so that `repositories` may lack an answer.
    pub is_partial: bool,
    /// What the host gets to see when it asks who is there.
    pub credential: Credential,
}

impl Attempt {
    /// The same for people to see: what a misplaced user name or password left in paths and names is masked.
    #[must_use]
    pub fn redacted(&self) -> Self {
        Self {
            host: redact_url(&self.host),
            path: redact_url(&self.path),
            repositories: self
                .repositories
                .iter()
                .map(|name| redact_url(name))
                .collect(),
            uncompilable_rewrites: self
                .uncompilable_rewrites
                .iter()
                .map(|pattern| redact_rewrite(pattern))
                .collect(),
            ..self.clone()
        }
    }
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.redacted();
        formatter
            .debug_struct("Attempt")
            .field("scheme", &shown.scheme)
            .field("host", &shown.host)
            .field("path", &shown.path)
            .field("repositories", &shown.repositories)
            .field("uncompilable_rewrites", &shown.uncompilable_rewrites)
            .field("credential", &shown.credential)
            .finish_non_exhaustive()
    }
}

/// Why a hosts.toml counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostsFileError {
    /// It is no TOML.
    #[error("hosts.toml is no TOML: {0}")]
    Toml(#[from] TomlError),
    /// A host is no URL that containerd accepts.
    #[error("hosts.toml names a host that is no URL; put IPv6 addresses in brackets")]
    Url,
    /// A capability that containerd does not know.
    #[error("hosts.toml names an unknown capability")]
    Capability,
    /// A setting of the wrong type.
    #[error("hosts.toml has a setting of the wrong type")]
    Type,
}

/// Why a pull fails before any request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// The auth tables cannot be loaded, so containerd does not start, and neither does the node.
    #[error("containerd does not start with these credentials: {0}")]
    NoContainerd(TomlError),
    /// A `ca_file` that is missing or holds no certificate.
    #[error(
        "a ca_file is missing on the node or holds no certificate; every pull of this registry fails"
    )]
    Authority,
    /// A client certificate without usable key, or the reverse.
    #[error(
        "a client certificate has no usable key; name both files, or the same file twice, in cert_file and key_file"
    )]
    KeyPair,
    /// Something in certs.d that is no directory.
    #[error("the entry of this registry in certs.d is no directory")]
    NoDirectory,
}

/// Explains one pull on a node whose certs.d holds only what k3s wrote, its certificates being in order.
pub fn explain(
    registries: &Registries,
    image: &str,
    options: &NodeOptions,
) -> Result<Explanation, ImageError> {
    Node::new(registries, options).explain(image)
}

/// A node ready to be asked about images.
pub struct Node<'a> {
    registries: &'a Registries,
    tree: BTreeMap<String, String>,
    containerd_starts: Result<(), TomlError>,
    containerd: Containerd,
    certificates: CertificateFiles<'a>,
}

impl<'a> Node<'a> {
    /// A node whose certs.d holds only what k3s wrote.
    pub fn new(registries: &'a Registries, options: &NodeOptions) -> Self {
        let Rendering { files, .. } = render::certs_d(registries, options);
        Self::with_tree(registries, options, files)
    }

    /// A node with this certs.d tree, by path to content.
    pub fn with_tree(
        registries: &'a Registries,
        options: &NodeOptions,
        tree: BTreeMap<String, String>,
    ) -> Self {
        Self {
            registries,
            tree,
            containerd_starts: render::check_auth_tables(registries, options),
            containerd: Containerd::default(),
            certificates: CertificateFiles::ASSUMED,
        }
    }

    /// The same node with another containerd.
    #[must_use]
    pub fn with_containerd(self, containerd: Containerd) -> Self {
        Self { containerd, ..self }
    }

    /// The same node with a look at its certificates.
    #[must_use]
    pub fn with_certificates(self, certificates: CertificateFiles<'a>) -> Self {
        Self {
            certificates,
            ..self
        }
    }

    /// Explains one pull.
    pub fn explain(&self, image: &str) -> Result<Explanation, ImageError> {
        let image = ImageReference::parse(image)?;
        let found = lookup::find(&self.tree, &image.registry, self.containerd);
        let attempts = self
            .containerd_starts
            .map_err(PullError::NoContainerd)
            .and(found.hosts)
            .and_then(|hosts| lookup::usable(hosts, self.certificates))
            .map(|hosts| {
                let attempts = hosts.into_iter().map(|host| self.attempt(host, &image));
                attempts.collect()
            });
        Ok(Explanation {
            image,
            hosts_dir: found.directory,
            unreadable: found.unreadable,
            attempts,
        })
    }

    fn attempt(&self, host: Host, image: &ImageReference) -> Attempt {
        let https_then_http = host.tries_https_first();
        let rewrites = Rewrites::new(&host.rewrite);
        let rewritten = rewrites.apply(&image.repository);
        Attempt {
            scheme: if https_then_http {
                "https".to_owned()
            } else {
                host.scheme
            },
            credential: credential::find(self.registries, &request::host_asked(&host.address)),
            host: host.address,
            path: host.path,
            capabilities: host.capabilities,
            skip_verify: host.skip_verify == Some(true),
            custom_ca: host.authorities.is_some_and(|files| !files.is_empty()),
            client_certificates: host.pairs.len(),
            https_then_http,
            repositories: rewritten.repositories,
            uncompilable_rewrites: rewrites.refused().to_vec(),
            is_partial: rewritten.is_partial,
        }
    }
}
