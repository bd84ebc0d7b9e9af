//! What a change of registries.yaml means for a running node.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::document::Registries;
use crate::mask::redact_key;
use crate::node::NodeOptions;
use crate::render::{auth_tables, certs_d};

/// The difference between two documents, in terms of what k3s writes from them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about a change, from which the effect follows"
)]
pub struct Changes {
    /// Whether the documents say different things at all.
    pub document: bool,
    /// Whether credentials differ, which containerd reads only at its start.
    pub auth_tables: bool,
    /// Paths under certs.d, which containerd reads at every pull.
    pub files: FileChanges,
    /// Whether other registries are mirrored than before.
    pub mirror_keys: bool,
    /// Whether the node's embedded registry is on: it learns the mirrored registries only at a start.
    pub has_embedded_registry: bool,
}

/// Files by what happens to them, sorted.
///
/// A path holds the key as it is written: show it through `redact_key`, as `Debug` does.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FileChanges {
    /// Only in the new tree.
    pub added: Vec<String>,
    /// Only in the old tree.
    pub removed: Vec<String>,
    /// With other content.
    pub changed: Vec<String>,
}

/// What it takes for a change to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that a node would notice.
    None,
    /// Writing certs.d is enough: the next pull knows.
    Hot,
    /// k3s has to start again.
    Restart(Vec<RestartReason>),
}

/// Why a start is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestartReason {
    /// containerd reads credentials only at its start.
    #[error("credentials changed, and containerd reads them only when it starts")]
    Credentials,
    /// The embedded registry fixes its list of registries at its start.
    #[error(
        "the set of mirrored registries changed, and the embedded registry reads it only when it starts"
    )]
    MirrorKeys,
}

/// Compares what k3s would write on a node.
pub fn changes(old: &Registries, new: &Registries, options: &NodeOptions) -> Changes {
    let (before, after) = (certs_d(old, options).files, certs_d(new, options).files);
    Changes {
        document: normalised(old) != normalised(new),
        auth_tables: auth_tables(old, options) != auth_tables(new, options),
        files: FileChanges::between(&before, &after),
        mirror_keys: !old.mirrors.keys().eq(new.mirrors.keys()),
        has_embedded_registry: options.embedded_registry.is_some(),
    }
}

impl Changes {
    /// What it takes for the change to work.
    pub fn effect(&self) -> Effect {
        let mut reasons = Vec::new();
        if self.auth_tables {
            reasons.push(RestartReason::Credentials);
        }
        if self.mirror_keys && self.has_embedded_registry {
            reasons.push(RestartReason::MirrorKeys);
        }
        if !reasons.is_empty() {
            Effect::Restart(reasons)
        } else if self.files.is_empty() {
            Effect::None
        } else {
            Effect::Hot
        }
    }
}

impl fmt::Debug for FileChanges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redacted = |paths: &[String]| -> Vec<String> {
            paths.iter().map(|path| redact_key(path)).collect()
        };
        formatter
            .debug_struct("FileChanges")
            .field("added", &redacted(&self.added))
            .field("removed", &redacted(&self.removed))
            .field("changed", &redacted(&self.changed))
            .finish()
    }
}

impl FileChanges {
    /// Whether the trees are the same.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    fn between(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Self {
        let missing_in = |tree: &BTreeMap<String, String>, from: &BTreeMap<String, String>| {
            let missing = from.keys().filter(|path| !tree.contains_key(*path));
            missing.cloned().collect()
        };
        let changed = after
            .iter()
            .filter(|(path, text)| before.get(*path).is_some_and(|old| old != *text));
        Self {
            added: missing_in(before, after),
            removed: missing_in(after, before),
            changed: changed.map(|(path, _)| path.clone()).collect(),
        }
    }
}

/// A key without a value says what an empty map says.
fn normalised(registries: &Registries) -> Cow<'_, Registries> {
    let has_nulls = registries.mirrors.values().any(Option::is_none)
        || registries.configs.values().any(Option::is_none)
        || registries.auths.values().any(Option::is_none);
    if !has_nulls {
        return Cow::Borrowed(registries);
    }
    let mut registries = registries.clone();
    registries.mirrors.values_mut().for_each(|mirror| {
        mirror.get_or_insert_default();
    });
    registries.configs.values_mut().for_each(|config| {
        config.get_or_insert_default();
    });
    registries.auths.values_mut().for_each(|auth| {
        auth.get_or_insert_default();
    });
    Cow::Owned(registries)
}

#[cfg(test)]
mod tests {
    use super::{Effect, RestartReason, changes};
    use crate::node::NodeOptions;
    use crate::parse;

    fn effect(old: &str, new: &str, embedded: bool) -> Effect {
        let options = NodeOptions {
            embedded_registry: embedded.then(|| "127.0.0.1:6443".to_owned()),
            ..NodeOptions::default()
        };
        let (old, new) = (
            parse(old.as_bytes()).unwrap(),
            parse(new.as_bytes()).unwrap(),
        );
        changes(&old, &new, &options).effect()
    }

    #[test]
    fn only_credentials_and_the_embedded_registrys_list_need_a_restart() {
        use RestartReason::{Credentials, MirrorKeys};
        let mirror = "mirrors: {a.io: {endpoint: [b.io]}}";
        let two = "mirrors: {a.io: {endpoint: [b.io]}, c.io: }";
        let login = "configs: {b.io: {auth: {username: u, password: p}}}";
        let table = [
            (
                mirror,
                "# c\nmirrors:\n  a.io:\n    endpoint: [b.io]",
                false,
                Effect::None,
            ),
            (
                "mirrors: {a.io: }",
                "mirrors: {a.io: {}}",
                true,
                Effect::None,
            ),
            (
                mirror,
                "mirrors: {a.io: {endpoint: [c.io]}}",
                true,
                Effect::Hot,
            ),
            (mirror, two, false, Effect::None),
            (mirror, two, true, Effect::Restart(vec![MirrorKeys])),
            (mirror, login, false, Effect::Restart(vec![Credentials])),
            (
                mirror,
                login,
                true,
                Effect::Restart(vec![Credentials, MirrorKeys]),
            ),
            (
                "configs: {b.io: {auth: {}}}",
                "configs: {b.io: }",
                false,
                Effect::Restart(vec![Credentials]),
            ),
        ];
        for (old, new, embedded, expected) in table {
            assert_eq!(effect(old, new, embedded), expected, "{old} -> {new}");
        }
    }
}
