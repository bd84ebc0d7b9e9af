//! Settings that a document clears: `auth:` or `tls:` written without a value.

use crate::decode::decode;
use crate::error::ParseError;
use crate::mask::redact_key;
use crate::yaml::tree::Tree;

/// A setting of a host that stands in a document as null.
#[derive(Clone, PartialEq, Eq)]
pub enum NullUnit {
    /// `configs.<key>.auth`.
    Auth(String),
    /// `configs.<key>.tls`.
    Tls(String),
}

impl std::fmt::Debug for NullUnit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, key) = match self {
            Self::Auth(key) => ("Auth", key),
            Self::Tls(key) => ("Tls", key),
        };
        formatter.debug_tuple(name).field(&redact_key(key)).finish()
    }
}

/// The settings that a document names without giving a value. To k3s they are absent; to whoever lays one document
/// over another they say "not any more".
pub fn explicit_nulls(document: &[u8]) -> Result<Vec<NullUnit>, ParseError> {
    let decoded = decode(&Tree::read(document)?)?;
    let stands = |key: &str, field: &str| {
        let place = decoded.places.get(&["configs", key, field]);
        place.is_some()
    };
    let mut nulls = Vec::new();
    for (key, config) in &decoded.registries.configs {
        let Some(config) = config else { continue };
        if config.auth.is_none() && stands(key, "auth") {
            nulls.push(NullUnit::Auth(key.clone()));
        }
        if config.tls.is_none() && stands(key, "tls") {
            nulls.push(NullUnit::Tls(key.clone()));
        }
    }
    Ok(nulls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_there_without_a_value_is_cleared() {
        let document = b"configs:\n  a: {auth: ~, tls: {ca_file: /x}}\n  b:\n    tls:\n  c: {auth: {}}\n  d: {}\n  e:\n";
        let nulls = explicit_nulls(document).unwrap();
        assert_eq!(
            nulls,
            [
                NullUnit::Auth("a".to_owned()),
                NullUnit::Tls("b".to_owned())
            ]
        );
    }
}
