//! Credentials of `docker login`: the ones that the `docker` command line would use for an image.
//!
//! An Engine knows none: whoever asks it to pull sends them along. They stand in `config.json`, or in a store that a
//! program beside it keeps (`docker-credential-osxkeychain`, `docker-credential-pass`, ...), chosen for all registries
//! or for one.

mod file;
mod helper;

use std::path::PathBuf;

use bollard::auth::DockerCredentials;
use registries::Secret;
use registries::image::{ImageError, ImageReference};

use crate::environment::Environment;
use file::ConfigFile;

/// What a registry is shown. Prints no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The registry that they are for, as the configuration writes it.
    pub server: String,
    /// Empty when there is only a token.
    pub username: String,
    /// What proves it.
    pub proof: Proof,
}

/// What proves who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A password, or a token that is used as one.
    Password(Secret),
    /// A token that the registry's server of tokens takes for new ones.
    IdentityToken(Secret),
    /// A token that the registry itself takes.
    RegistryToken(Secret),
}

/// Why credentials cannot be read; repeats nothing of them.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The image's name is none.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The configuration cannot be read.
    #[error("failed to read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration says nothing.
    #[error("failed to read {path} as Docker's configuration at line {line}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where reading stopped.
        line: usize,
    },
    /// An entry that cannot be decoded.
    #[error(
        "failed to read the credentials for {server} in {path}: `auth` is not base64 of user:password; `docker login {server}` writes it anew"
    )]
    Auth {
        /// The registry.
        server: String,
        /// The file.
        path: PathBuf,
    },
    /// The store's program is not there.
    #[error("failed to find {program} on PATH, which {path} names for the credentials of {server}")]
    NoHelper {
        /// The program.
        program: String,
        /// The registry.
        server: String,
        /// The configuration.
        path: PathBuf,
    },
    /// The store's program failed.
    #[error("failed to get the credentials for {server} from {program}: {reason}")]
    Helper {
        /// The program.
        program: String,
        /// The registry.
        server: String,
        /// What it said, or what became of it.
        reason: String,
    },
}

/// The credentials for pulling `image`, if somebody logged in to its registry.
///
/// A store that cannot be asked because its program is missing counts only when the configuration itself has none.
pub async fn for_image(
    image: &str,
    environment: &Environment,
) -> Result<Option<Credentials>, CredentialsError> {
    let registry = ImageReference::parse(image)?.registry;
    for_registry(&registry, environment).await
}

/// The credentials for a registry, by its host and port.
pub async fn for_registry(
    registry: &str,
    environment: &Environment,
) -> Result<Option<Credentials>, CredentialsError> {
    let path = environment.docker_config.join("config.json");
    let Some(config) = ConfigFile::read(&path)? else {
        return Ok(None);
    };
    let keys = keys(registry);
    let Some((helper, key)) = config.helper(&keys) else {
        return config.credentials(&keys, &path);
    };
    let program = format!("docker-credential-{helper}");
    match helper::find(&program, &environment.path) {
        Some(found) => helper::get(&found, &program, key).await,
        None => match config.credentials(&keys, &path)? {
            Some(credentials) => Ok(Some(credentials)),
            None => Err(CredentialsError::NoHelper {
                program,
                server: key.to_owned(),
                path,
            }),
        },
    }
}

/// The credentials that one program keeps for a registry, whatever the configuration says; nothing when
/// `docker-credential-<helper>` is not on `PATH`.
pub async fn of_helper(
    helper: &str,
    registry: &str,
    environment: &Environment,
) -> Result<Option<Credentials>, CredentialsError> {
    let program = format!("docker-credential-{helper}");
    match helper::find(&program, &environment.path) {
        Some(found) => helper::get(&found, &program, registry).await,
        None => Ok(None),
    }
}

/// What a registry is called in the configuration, best first. Docker Hub has kept the name of its first API there.
fn keys(registry: &str) -> Vec<&str> {
    match registry {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => vec![
            "https://index.docker.io/v1/",
            "index.docker.io",
            "docker.io",
            "registry-1.docker.io",
        ],
        other => vec![other],
    }
}

impl Credentials {
    /// As the Engine takes them, in the clear.
    pub(crate) fn exposed(&self) -> DockerCredentials {
        let username = Some(self.username.clone()).filter(|name| !name.is_empty());
        let mut exposed = DockerCredentials {
            username,
            serveraddress: Some(self.server.clone()),
            ..DockerCredentials::default()
        };
        let (field, secret) = match &self.proof {
            Proof::Password(secret) => (&mut exposed.password, secret),
            Proof::IdentityToken(secret) => (&mut exposed.identitytoken, secret),
            Proof::RegistryToken(secret) => (&mut exposed.registrytoken, secret),
        };
        *field = Some(secret.expose().to_owned());
        exposed
    }
}

#[cfg(test)]
mod tests;
