//! What of a node decides how its registries.yaml is rendered.

/// Who reads the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distribution {
    /// k3s.
    #[default]
    K3s,
    /// RKE2, which runs the same code.
    Rke2,
}

impl Distribution {
    /// The name in generated files and paths.
    pub fn program(self) -> &'static str {
        match self {
            Self::K3s => "k3s",
            Self::Rke2 => "rke2",
        }
    }
}

/// The version of containerd's config.toml, which the user's template decides; 3 without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContainerdConfig {
    /// containerd 1, or a `config.toml.tmpl`.
    V2,
    /// containerd 2.
    #[default]
    V3,
}

/// Flags and circumstances of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeOptions {
    /// k3s or RKE2.
    pub distribution: Distribution,
    /// `--disable-default-registry-endpoint`
    pub disable_default_registry_endpoint: bool,
    /// Address of the embedded registry, such as `127.0.0.1:6443`, if it is switched on.
    pub embedded_registry: Option<String>,
    /// Certificates for the embedded registry, if not those in the default data directory.
    pub embedded_tls: Option<EmbeddedTls>,
    /// Which auth tables containerd reads.
    pub containerd_config: ContainerdConfig,
}

/// Paths of the certificates with which a node asks its embedded registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedTls {
    /// Certificate authority of the servers.
    pub ca_file: String,
    /// Client certificate.
    pub cert_file: String,
    /// Its key.
    pub key_file: String,
}

impl NodeOptions {
    /// The certificates for the embedded registry.
    pub(crate) fn embedded_certificates(&self) -> EmbeddedTls {
        self.embedded_tls.clone().unwrap_or_else(|| {
            let agent = format!("/var/lib/rancher/{}/agent", self.distribution.program());
            EmbeddedTls {
                ca_file: format!("{agent}/server-ca.crt"),
                cert_file: format!("{agent}/client-k3s-controller.crt"),
                key_file: format!("{agent}/client-k3s-controller.key"),
            }
        })
    }
}
