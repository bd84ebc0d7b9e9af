//! The versions of config files, and the steps from each to the next.

mod v1alpha2;
mod v1alpha3;
mod v1alpha4;

use super::problem::{Place, Problem, Wrong};
use super::tree::{Node, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V1alpha2,
    V1alpha3,
    V1alpha4,
    V1alpha5,
}

impl Version {
    pub const NEWEST: Self = Self::V1alpha5;
    const ALL: [Self; 4] = [
        Self::V1alpha2,
        Self::V1alpha3,
        Self::V1alpha4,
        Self::V1alpha5,
    ];

    /// As it stands in `apiVersion`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1alpha2 => "k3d.io/v1alpha2",
            Self::V1alpha3 => "k3d.io/v1alpha3",
            Self::V1alpha4 => "k3d.io/v1alpha4",
            Self::V1alpha5 => "k3d.io/v1alpha5",
        }
    }

    /// The version that a file says it has; its spelling becomes that of the schema.
    pub(super) fn of(root: &mut Node) -> Result<Self, Problem> {
        let names = Self::ALL.map(Self::name).join(", ");
        let wrong = Wrong::new("unsupported apiVersion").mend(format!("write one of {names}"));
        let key = root
            .pairs()
            .iter()
            .map(|(key, _)| key)
            .find(|key| key.eq_ignore_ascii_case("apiVersion"))
            .cloned();
        let node = key.as_deref().and_then(|key| root.at_mut(key));
        let Some(node) = node else {
            return Err(wrong.at(&root.place));
        };
        let written = node.as_text().unwrap_or_default().to_ascii_lowercase();
        match Self::ALL
            .into_iter()
            .find(|version| version.name() == written)
        {
            Some(version) => {
                node.value = Value::text(version.name());
                Ok(version)
            }
            None => Err(wrong.at(&node.place)),
        }
    }
}

/// Brings a configuration that fits its own schema to the newest version, always by way of the next one.
pub(super) fn migrate(root: &mut Node, version: Version) {
    if version <= Version::V1alpha2 {
        v1alpha2::to_next(root);
    }
    if version <= Version::V1alpha3 {
        v1alpha3::to_next(root);
    }
    if version <= Version::V1alpha4 {
        v1alpha4::to_next(root);
    }
}

fn set_version(root: &mut Node, version: Version) {
    let place = root
        .get("apiVersion")
        .map_or(Place::Default, |node| node.place.clone());
    root.set("apiVersion", Node::new(&place, Value::text(version.name())));
}
