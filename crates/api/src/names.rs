//! Names that operator, node-writer, chart and tests agree on: labels, finalizer, field manager, objects.

use std::fmt;

/// API group of `RegistryConfig`, and the prefix of every label, annotation and finalizer.
pub const GROUP: &str = "berth.dev";
/// Version of the API that this crate describes.
pub const VERSION: &str = "v1alpha1";
/// Kind of the resource.
pub const KIND: &str = "RegistryConfig";
/// Name of the resource in URLs and RBAC rules.
pub const PLURAL: &str = "registryconfigs";
/// Name of the custom resource definition.
pub const CRD: &str = "registryconfigs.berth.dev";

/// Keeps a `RegistryConfig` until its nodes have their original file back.
pub const FINALIZER: &str = "berth.dev/restore-nodes";
/// The operator's field manager for server-side apply.
pub const FIELD_MANAGER: &str = "berth-operator";
/// Value of `app.kubernetes.io/managed-by` and `reportingComponent` of Events.
pub const OPERATOR: &str = "berth-operator";

/// Label: the `RegistryConfig` that an object or pod belongs to.
pub const LABEL_REGISTRY_CONFIG: &str = "berth.dev/registry-config";
/// Label: the revision that a Secret holds or that a pod puts on its node.
pub const LABEL_REVISION: &str = "berth.dev/revision";
/// Label: which half of the nodes a `DaemonSet` or pod serves, a [`Role`].
pub const LABEL_ROLE: &str = "berth.dev/role";
/// Label: marks the `ConfigMap` in which the chart hands the operator a manifest.
pub const LABEL_MANIFEST: &str = "berth.dev/manifest";
/// Annotation: the command line that a pod template runs is of this generation of the operator.
pub const ANNOTATION_TEMPLATE: &str = "berth.dev/template";

/// Recommended label `app.kubernetes.io/name`.
pub const LABEL_APP_NAME: &str = "app.kubernetes.io/name";
/// Recommended label `app.kubernetes.io/instance`.
pub const LABEL_APP_INSTANCE: &str = "app.kubernetes.io/instance";
/// Recommended label `app.kubernetes.io/component`.
pub const LABEL_APP_COMPONENT: &str = "app.kubernetes.io/component";
/// Recommended label `app.kubernetes.io/part-of`.
pub const LABEL_APP_PART_OF: &str = "app.kubernetes.io/part-of";
/// Recommended label `app.kubernetes.io/managed-by`.
pub const LABEL_APP_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Recommended label `app.kubernetes.io/version`.
pub const LABEL_APP_VERSION: &str = "app.kubernetes.io/version";

/// A node with any of these labels belongs to [`Role::ControlPlane`].
pub const CONTROL_PLANE_LABELS: [&str; 3] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
    "node-role.kubernetes.io/etcd",
];

/// Revision of a `DaemonSet` whose nodes are only recorded, not written.
pub const REVISION_NONE: &str = "none";
/// Revision of a `DaemonSet` that puts the originals back.
pub const REVISION_RESTORE: &str = "restore";

/// Longest name of a `RegistryConfig`, so that every derived name fits into a label value.
pub const NAME_MAX: usize = 45;
/// Longest name of an object that we create: label values and pod host names end there.
pub const OBJECT_NAME_MAX: usize = 63;

/// Which half of the nodes: workers are served first, control-plane nodes afterwards, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Nodes with none of [`CONTROL_PLANE_LABELS`].
    Workers,
    /// Nodes with any of [`CONTROL_PLANE_LABELS`].
    ControlPlane,
}

impl Role {
    /// Both, in the order of the rollout.
    pub const ALL: [Self; 2] = [Self::Workers, Self::ControlPlane];

    /// As it stands in labels and object names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::ControlPlane => "control-plane",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Name of the Secret that holds one revision.
pub fn revision_secret(registry_config: &str, revision: &str) -> String {
    format!("{registry_config}-{revision}")
}

/// Name of the `DaemonSet` that serves one half of the nodes.
pub fn daemon_set(registry_config: &str, role: Role) -> String {
    format!("{registry_config}-{role}")
}

/// Whether a `RegistryConfig` of this name can be carried out; servers without CEL let longer ones through.
pub fn name_fits(registry_config: &str) -> bool {
    (1..=NAME_MAX).contains(&registry_config.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_derived_name_of_the_longest_resource_fits_into_a_label_value() {
        let longest = "n".repeat(NAME_MAX);
        assert!(name_fits(&longest));
        assert!(!name_fits(&format!("{longest}n")));
        assert!(!name_fits(""));
        let mut names: Vec<_> = Role::ALL.map(|role| daemon_set(&longest, role)).into();
        names.push(revision_secret(&longest, "4c1f0a9b2d"));
        for name in names {
            assert!(name.len() <= OBJECT_NAME_MAX, "{name}");
        }
    }

    #[test]
    fn object_names_say_whose_and_which_they_are() {
        assert_eq!(
            revision_secret("default", "4c1f0a9b2d"),
            "default-4c1f0a9b2d"
        );
        assert_eq!(daemon_set("default", Role::Workers), "default-workers");
        assert_eq!(
            daemon_set("default", Role::ControlPlane),
            "default-control-plane"
        );
    }
}
