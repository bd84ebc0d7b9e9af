//! The credential that containerd has for a host.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::document::{Auth, Registries};
use crate::endpoint::{DOCKER_HUB, DOCKER_HUB_HOST};
use crate::secret::Secret;

/// What containerd would authenticate with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// There is no entry for the host.
    None,
    /// There is an entry with nothing usable in it: the pull is anonymous.
    Empty {
        /// Key under `configs`.
        config_key: String,
    },
    /// User name and password.
    Basic {
        /// Key under `configs`.
        config_key: String,
        /// User name, which counts as secret.
        username: Secret,
        /// Password.
        password: Secret,
    },
    /// An `OAuth2` refresh token.
    IdentityToken {
        /// Key under `configs`.
        config_key: String,
        /// The token.
        token: Secret,
    },
    /// Authorisation fails at this host, and the next one is tried.
    Unusable {
        /// Key under `configs`.
        config_key: String,
        /// Why.
        error: CredentialError,
    },
}

/// Why `auth` cannot be used; containerd's own message would print what was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Not base64.
    #[error(
        "auth is not base64; put the base64 of user:password there, or use username and password"
    )]
    NotBase64,
    /// No colon in what it decodes to.
    #[error("auth does not decode to user:password")]
    NoColon,
}

/// The credential for a host, as it stands in the URL of the request.
pub(super) fn find(registries: &Registries, host: &str) -> Credential {
    let by = |key: &str| {
        let config = registries.configs.get(key)?.as_ref()?;
        Some((key.to_owned(), config.auth.as_ref()?))
    };
    // Since July 2025 the name of Docker Hub stands for its endpoint too.
    let alias = (host == DOCKER_HUB_HOST).then_some(DOCKER_HUB);
    match by(host).or_else(|| by(alias?)) {
        None => Credential::None,
        Some((config_key, auth)) => read(config_key, auth),
    }
}

fn read(config_key: String, auth: &Auth) -> Credential {
    if !auth.username.is_empty() {
        return Credential::Basic {
            config_key,
            username: auth.username.clone(),
            password: auth.password.clone(),
        };
    }
    if !auth.identity_token.is_empty() {
        return Credential::IdentityToken {
            config_key,
            token: auth.identity_token.clone(),
        };
    }
    if auth.auth.is_empty() {
        return Credential::Empty { config_key };
    }
    match decode(&auth.auth) {
        Err(error) => Credential::Unusable { config_key, error },
        Ok((username, password)) if !username.is_empty() => Credential::Basic {
            config_key,
            username,
            password,
        },
        // Without a user name containerd takes the rest for a token.
        Ok((_, token)) if !token.is_empty() => Credential::IdentityToken { config_key, token },
        Ok(_) => Credential::Empty { config_key },
    }
}

/// User and password of a base64 `user:password`.
fn decode(auth: &Secret) -> Result<(Secret, Secret), CredentialError> {
    const GO: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&STANDARD, GO);

    // Go skips line ends anywhere.
    let encoded: String = auth
        .expose()
        .chars()
        .filter(|c| !matches!(c, '\r' | '\n'))
        .collect();
    let decoded = engine
        .decode(encoded)
        .map_err(|_| CredentialError::NotBase64)?;
    let decoded = String::from_utf8_lossy(&decoded);
    let (username, password) = decoded.split_once(':').ok_or(CredentialError::NoColon)?;
    Ok((
        Secret::from(username),
        Secret::from(password.trim_matches('\0')),
    ))
}
