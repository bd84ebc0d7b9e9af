//! Configuration from the environment: `K3D_` and the key in capitals, dots as underscores. Empty values count as unset.

use std::collections::BTreeMap;

use super::problem::Place;
use super::schema::Shape;
use super::tree::{Node, Value};

/// The variables of the process, handed in by whoever may look at them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl std::fmt::Debug for Environment {
    /// Variables hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} variables", self.0.len())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let pairs = variables.into_iter();
        Self(
            pairs
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

impl Environment {
    /// The value of a variable, empty or not.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a variable that says something.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// The words of a variable that holds a list.
    pub fn words(&self, name: &str) -> Vec<String> {
        let value = self.given(name).unwrap_or_default();
        value.split_whitespace().map(ToOwned::to_owned).collect()
    }
}

/// Keys of the newest version that the environment may give even when no file does.
const KEYS: [&str; 19] = [
    "servers",
    "agents",
    "image",
    "network",
    "subnet",
    "token",
    "options.k3d.wait",
    "options.k3d.timeout",
    "options.k3d.disableLoadbalancer",
    "options.k3d.disableRollback",
    "options.k3d.disableImageVolume",
    "options.kubeconfig.updateDefaultKubeconfig",
    "options.kubeconfig.switchCurrentContext",
    "options.runtime.gpuRequest",
    "options.runtime.serversMemory",
    "options.runtime.agentsMemory",
    "options.runtime.hostPidMode",
    "registries.use",
    "registries.config",
];

/// Lays the environment over the keys that a file gives, whatever its version.
pub(super) fn lay_over_given(root: &mut Node, shape: Shape<'_>, environment: &Environment) {
    walk(root, shape, "", environment);
}

/// Lays the environment over a configuration of the newest version.
pub(super) fn lay_over(root: &mut Node, shape: Shape<'_>, environment: &Environment) {
    for key in KEYS {
        let place = |name: &str| Place::Variable(name.to_owned());
        let name = variable(key);
        let found = key.split('.').try_fold(shape, Shape::property);
        if let Some((value, shape)) = environment.given(&name).zip(found) {
            root.set(key, typed(value, shape, &place(&name)));
        }
    }
}

fn variable(path: &str) -> String {
    format!("K3D_{}", path.replace('.', "_").to_ascii_uppercase())
}

fn walk(node: &mut Node, shape: Shape<'_>, path: &str, environment: &Environment) {
    let Value::Map(pairs) = &mut node.value else {
        return;
    };
    for (key, node) in pairs {
        let Some(shape) = shape.property(key) else {
            continue;
        };
        if matches!(key.as_str(), "apiVersion" | "kind") {
            continue;
        }
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let is_list_of_maps = shape
            .items()
            .is_some_and(|items| items.type_name() == Some("object"));
        let name = variable(&path);
        match environment.given(&name) {
            Some(value) if shape.type_name() != Some("object") && !is_list_of_maps => {
                *node = typed(value, shape, &Place::Variable(name));
            }
            _ => walk(node, shape, &path, environment),
        }
    }
}

/// The value in the type that the schema wants; one that does not fit stays a text, which the schema then refuses.
fn typed(text: &str, shape: Shape<'_>, place: &Place) -> Node {
    let value = match shape.type_name() {
        Some("boolean") => parse_bool(text).map(Value::Bool),
        Some("integer") => text.trim().parse().ok().map(Value::Integer),
        Some("array") => {
            let words = text.split_whitespace().map(ToOwned::to_owned);
            return Node::texts(place, words);
        }
        _ => None,
    };
    Node::new(place, value.unwrap_or_else(|| Value::text(text)))
}

/// The words that Go takes for a boolean.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
