//! The auth tables of containerd's config.toml.

use crate::document::Registries;
use crate::go::quote::quote;
use crate::node::{ContainerdConfig, NodeOptions};
use crate::secret::Secret;
use crate::toml::{self, TomlError};

/// The auth tables as they stand in config.toml, without an end of line after the last; empty without credentials.
///
/// For version 2 the lines are the same under that version's table name.
pub fn auth_tables(registries: &Registries, options: &NodeOptions) -> Secret {
    let mut lines = Vec::new();
    for (key, config) in &registries.configs {
        let Some(auth) = config.as_ref().and_then(|config| config.auth.as_ref()) else {
            continue;
        };
        lines.push(match options.containerd_config {
            ContainerdConfig::V3 => {
                format!("[plugins.'io.containerd.cri.v1.images'.registry.configs.'{key}'.auth]")
            }
            ContainerdConfig::V2 => {
                format!("[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"{key}\".auth]")
            }
        });
        let fields = [
            ("username", &auth.username),
            ("password", &auth.password),
            ("auth", &auth.auth),
            ("identitytoken", &auth.identity_token),
        ];
        let present = fields.into_iter().filter(|(_, value)| !value.is_empty());
        lines.extend(present.map(|(name, value)| format!("  {name} = {}", quote(value.expose()))));
    }
    Secret::from(lines.join("\n"))
}

/// Whether containerd could load the auth tables. If not, it does not start, and neither does k3s.
pub fn check_auth_tables(registries: &Registries, options: &NodeOptions) -> Result<(), TomlError> {
    toml::parse(auth_tables(registries, options).expose()).map(|_| ())
}
