//! What of a process's environment decides about the Engine, as plain values.

use std::path::PathBuf;

/// The variables that the `docker` command line reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `DOCKER_HOST`: an address.
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`: the name of a context.
    pub docker_context: Option<String>,
    /// `DOCKER_TLS`: encrypt.
    pub docker_tls: bool,
    /// `DOCKER_TLS_VERIFY`: encrypt, and the server must prove who it is.
    pub docker_tls_verify: bool,
    /// `DOCKER_CERT_PATH`: folder of `ca.pem`, `cert.pem` and `key.pem`.
    pub docker_cert_path: Option<PathBuf>,
    /// `DOCKER_CONFIG`, else `~/.docker`: folder of `config.json` and of the contexts.
    pub docker_config: PathBuf,
    /// `PATH`: where credential helpers are looked for.
    pub path: Vec<PathBuf>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        let folder = |name: &str| text(name).map(PathBuf::from);
        // As docker does: any value but none means yes.
        let set = |name: &str| text(name).is_some();
        Self {
            docker_host: text("DOCKER_HOST"),
            docker_context: text("DOCKER_CONTEXT"),
            docker_tls: set("DOCKER_TLS"),
            docker_tls_verify: set("DOCKER_TLS_VERIFY"),
            docker_cert_path: folder("DOCKER_CERT_PATH"),
            docker_config: folder("DOCKER_CONFIG").unwrap_or_else(|| {
                folder("HOME")
                    .or_else(|| folder("USERPROFILE"))
                    .unwrap_or_else(|| PathBuf::from("/"))
                    .join(".docker")
            }),
            path: text("PATH")
                .map(|path| std::env::split_paths(&path).collect())
                .unwrap_or_default(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate where the environment is read"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
