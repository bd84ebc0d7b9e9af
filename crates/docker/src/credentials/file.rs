//! `config.json`: credentials as `docker login` leaves them, and who else keeps some.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use registries::Secret;
use serde::Deserialize;

use super::{Credentials, CredentialsError, Proof};

/// What of the file concerns credentials.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ConfigFile {
    auths: BTreeMap<String, Entry>,
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl ConfigFile {
    pub(super) fn read(path: &Path) -> Result<Option<Self>, CredentialsError> {
        let content = match std::fs::read(path) {
            Ok(content) => content,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(CredentialsError::File {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        match serde_json::from_slice(&content) {
            Ok(config) => Ok(Some(config)),
            // The error's own words may hold a value.
            Err(error) => Err(CredentialsError::Json {
                path: path.to_owned(),
                line: error.line(),
            }),
        }
    }

    /// The store that keeps a registry's credentials, and the registry's name there.
    pub(super) fn helper<'a>(&'a self, keys: &[&'a str]) -> Option<(&'a str, &'a str)> {
        let own = keys
            .iter()
            .find_map(|&key| Some((self.cred_helpers.get(key)?.as_str(), key)));
        let common = keys.first().map(|&key| (self.creds_store.as_str(), key));
        own.or(common).filter(|(helper, _)| !helper.is_empty())
    }

    /// The entry of a registry, which may be written as a URL.
    pub(super) fn credentials(
        &self,
        keys: &[&str],
        path: &Path,
    ) -> Result<Option<Credentials>, CredentialsError> {
        let exact = keys.iter().find_map(|&key| self.auths.get_key_value(key));
        let by_host = || self.auths.iter().find(|(key, _)| keys.contains(&host(key)));
        match exact.or_else(by_host) {
            Some((server, entry)) => entry.credentials(server, path),
            None => Ok(None),
        }
    }
}

impl Entry {
    fn credentials(
        &self,
        server: &str,
        path: &Path,
    ) -> Result<Option<Credentials>, CredentialsError> {
        let (mut username, mut password) = (self.username.clone(), self.password.clone());
        if !self.auth.is_empty() {
            (username, password) = decode(&self.auth).ok_or_else(|| CredentialsError::Auth {
                server: server.to_owned(),
                path: path.to_owned(),
            })?;
        }
        let proof = if !self.identitytoken.is_empty() {
            Proof::IdentityToken(Secret::from(self.identitytoken.as_str()))
        } else if !self.registrytoken.is_empty() {
            Proof::RegistryToken(Secret::from(self.registrytoken.as_str()))
        } else if !password.is_empty() {
            Proof::Password(Secret::from(password))
        } else {
            // With a store the entry is only a note that somebody logged in.
            return Ok(None);
        };
        Ok(Some(Credentials {
            server: server.to_owned(),
            username,
            proof,
        }))
    }
}

fn decode(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64_STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.trim_matches('\0').to_owned()))
}

/// Host and port of what may be a URL.
fn host(key: &str) -> &str {
    let rest = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    rest.split('/').next().unwrap_or(rest)
}
