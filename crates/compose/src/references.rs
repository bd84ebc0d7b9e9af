//! The names of everything that has to be looked up.

use std::collections::BTreeSet;

use api::{CaReferenceKind, RegistryConfigSpec};

/// Names of Secrets and `ConfigMaps` in the operator's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Secrets.
    pub secrets: BTreeSet<String>,
    /// `ConfigMaps`.
    pub config_maps: BTreeSet<String>,
}

/// Everything that a `RegistryConfig` names.
pub fn references(spec: &RegistryConfigSpec) -> References {
    let mut found = References::default();
    let configs = spec
        .registries
        .iter()
        .filter_map(|registries| registries.configs.as_ref());
    for config in configs.flat_map(|configs| configs.values()).flatten() {
        if let Some(secret) = config
            .auth
            .as_ref()
            .and_then(|auth| auth.secret_ref.as_ref())
        {
            found.secrets.insert(secret.name.clone());
        }
        let Some(tls) = &config.tls else { continue };
        if let Some(ca) = &tls.ca_ref {
            let names = match ca.kind {
                CaReferenceKind::ConfigMap => &mut found.config_maps,
                CaReferenceKind::Secret => &mut found.secrets,
            };
            names.insert(ca.name.clone());
        }
        if let Some(certificate) = &tls.certificate_ref {
            found.secrets.insert(certificate.name.clone());
        }
    }
    let sources = spec
        .registries_from
        .iter()
        .filter_map(|source| source.secret_ref.as_ref());
    found
        .secrets
        .extend(sources.map(|secret| secret.name.clone()));
    found.secrets.extend(
        spec.decryption
            .iter()
            .map(|decryption| decryption.secret_ref.name.clone()),
    );
    found
}
