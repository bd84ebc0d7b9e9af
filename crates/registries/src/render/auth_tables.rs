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

#[cfg(test)]
mod tests {
    use super::{auth_tables, check_auth_tables};
    use crate::node::{ContainerdConfig, Distribution, NodeOptions};
    use crate::parse;

    #[test]
    fn both_versions_have_the_same_lines_under_their_own_headers() {
        let document =
            b"configs: {b.io: {auth: {identity_token: t}}, a.io: {auth: {}}, c.io: {tls: {}}}";
        let registries = parse(document).unwrap();
        let table = [
            (
                ContainerdConfig::V3,
                "[plugins.'io.containerd.cri.v1.images'.registry.configs.'a.io'.auth]\n\
                 [plugins.'io.containerd.cri.v1.images'.registry.configs.'b.io'.auth]\n  identitytoken = \"t\"",
            ),
            (
                ContainerdConfig::V2,
                "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"a.io\".auth]\n\
                 [plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"b.io\".auth]\n  identitytoken = \"t\"",
            ),
        ];
        for (containerd_config, expected) in table {
            let options = NodeOptions {
                containerd_config,
                ..NodeOptions::default()
            };
            assert_eq!(auth_tables(&registries, &options).expose(), expected);
        }
    }

    #[test]
    fn only_what_go_escapes_and_toml_does_not_know_keeps_containerd_from_loading() {
        let options = NodeOptions {
            distribution: Distribution::Rke2,
            ..NodeOptions::default()
        };
        let table = [
            (r"\t\n\r\b\f\\", true),
            (r"\e", false),
            (r"\a", false),
            (r"\v", false),
            (r"\x7f", false),
            (r"\u0001", false),
            (r"\u00a0", true),
            (r"\U000e0001", true),
            ("é", true),
        ];
        for (password, loads) in table {
            let document =
                format!("configs: {{a.io: {{auth: {{username: u, password: \"{password}\"}}}}}}");
            let registries = parse(document.as_bytes()).unwrap();
            assert_eq!(
                check_auth_tables(&registries, &options).is_ok(),
                loads,
                "{password}"
            );
        }
    }
}
