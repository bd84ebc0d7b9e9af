//! What a `RegistryConfig` names, as it was read.

use std::collections::BTreeMap;
use std::fmt;

use api::Reason;
use registries::REDACTED;

use crate::problem::Problem;
use crate::rules::names::{is_data_key, is_subdomain};

/// Secrets and `ConfigMaps` by name; one that does not exist is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// Secrets of the operator's namespace.
    pub secrets: BTreeMap<String, SecretContent>,
    /// `ConfigMaps` of the operator's namespace.
    pub config_maps: BTreeMap<String, ConfigMapContent>,
}

/// A Secret.
#[derive(Clone, Default, PartialEq)]
pub struct SecretContent {
    /// Its `type`.
    pub type_: String,
    /// Its `data`, decoded.
    pub data: BTreeMap<String, Vec<u8>>,
}

/// A `ConfigMap`: `data` and `binaryData` together.
#[derive(Clone, Default, PartialEq)]
pub struct ConfigMapContent {
    /// Content by key.
    pub data: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for SecretContent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SecretContent")
            .field("type", &self.type_)
            .field("keys", &self.data.len())
            .finish()
    }
}

impl fmt::Debug for ConfigMapContent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConfigMapContent")
            .field("keys", &self.data.len())
            .finish()
    }
}

impl Inputs {
    pub(crate) fn secret(&self, name: &str, path: &str) -> Result<&SecretContent, Problem> {
        self.secrets
            .get(name)
            .ok_or_else(|| no_object("Secret", name, path))
    }

    pub(crate) fn secret_key(&self, name: &str, key: &str, path: &str) -> Result<&[u8], Problem> {
        let secret = self.secret(name, path)?;
        secret
            .data
            .get(key)
            .map(Vec::as_slice)
            .ok_or_else(|| no_key("Secret", name, key, path))
    }

    pub(crate) fn config_map_key(
        &self,
        name: &str,
        key: &str,
        path: &str,
    ) -> Result<&[u8], Problem> {
        let config_map = self
            .config_maps
            .get(name)
            .ok_or_else(|| no_object("ConfigMap", name, path))?;
        config_map
            .data
            .get(key)
            .map(Vec::as_slice)
            .ok_or_else(|| no_key("ConfigMap", name, key, path))
    }
}

fn no_object(kind: &str, name: &str, path: &str) -> Problem {
    // What no object can be called may be anything, a credential too.
    let name = if is_subdomain(name) { name } else { REDACTED };
    Problem::new(
        Reason::ReferenceNotFound,
        path,
        format!("{kind} {name} does not exist in the operator's namespace"),
        "create it there, or correct the name",
    )
}

fn no_key(kind: &str, name: &str, key: &str, path: &str) -> Problem {
    let key = if is_data_key(key) { key } else { REDACTED };
    Problem::new(
        Reason::ReferenceNotFound,
        path,
        format!("{kind} {name} has no key {key}"),
        "add the key, or name another one",
    )
}
