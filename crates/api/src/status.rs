//! What the operator says about a `RegistryConfig`: counts, conditions, reasons.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What became of a `RegistryConfig`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistryConfigStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// The revision that nodes are to have: a keyed hash of the rendered files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub revision: Option<String>,
    /// The latest revision that reached every selected, available node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub last_good_revision: Option<String>,
    /// How many nodes are where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeCounts>,
    /// Ready, Progressing, Degraded and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// How many nodes are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCounts {
    /// Selected nodes.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub desired: i32,
    /// Nodes whose pod carries the revision.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub updated: i32,
    /// Nodes that have the revision and proved it.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub ready: i32,
    /// Nodes that have the file and wait for a restart.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub restart_pending: i32,
    /// Nodes that reported a failure.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub failed: i32,
}

/// The conditions of a `RegistryConfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The observed generation has reached every selected, available node and none is degraded.
    Ready,
    /// Nodes are being changed.
    Progressing,
    /// Nodes failed; at most five are named.
    Degraded,
    /// Nothing will move before somebody changes something.
    Stalled,
}

impl ConditionType {
    /// All, in the order of the status.
    pub const ALL: [Self; 4] = [
        Self::Ready,
        Self::Progressing,
        Self::Degraded,
        Self::Stalled,
    ];

    /// As it stands in `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Progressing => "Progressing",
            Self::Degraded => "Degraded",
            Self::Stalled => "Stalled",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `status` of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionStatus {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// Nobody knows yet.
    Unknown,
}

impl ConditionStatus {
    /// As it stands in `status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why: one word for the condition, the Event and the metric label alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The operator has not looked yet; the default of `status`.
    Pending,
    /// Every selected, available node has the revision.
    RolledOut,
    /// The selector matches no node.
    NoMatchingNodes,
    /// Nodes are being changed.
    RollingOut,
    /// Nodes are getting their original file back.
    RestoringNodes,
    /// The file is there, k3s has not read it yet.
    RestartPending,
    /// `spec.paused` is set.
    Paused,
    /// The spec, or what it names, cannot be used.
    InvalidSpec,
    /// A Secret, `ConfigMap` or key that the spec names does not exist.
    ReferenceNotFound,
    /// An encrypted document cannot be read.
    DecryptionFailed,
    /// The rendered files do not fit into a Secret.
    ConfigTooLarge,
    /// Nodes reported failures.
    NodesDegraded,
    /// The last good revision was put back.
    RolledBack,
    /// Another `RegistryConfig` has the nodes.
    SelectorConflict,
    /// The rollout stood still for too long.
    ProgressDeadlineExceeded,
    /// All is well.
    AsExpected,
}

impl Reason {
    /// Every reason, for closed sets of metric labels.
    pub const ALL: [Self; 16] = [
        Self::Pending,
        Self::RolledOut,
        Self::NoMatchingNodes,
        Self::RollingOut,
        Self::RestoringNodes,
        Self::RestartPending,
        Self::Paused,
        Self::InvalidSpec,
        Self::ReferenceNotFound,
        Self::DecryptionFailed,
        Self::ConfigTooLarge,
        Self::NodesDegraded,
        Self::RolledBack,
        Self::SelectorConflict,
        Self::ProgressDeadlineExceeded,
        Self::AsExpected,
    ];

    /// As it stands in conditions, Events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::RolledOut => "RolledOut",
            Self::NoMatchingNodes => "NoMatchingNodes",
            Self::RollingOut => "RollingOut",
            Self::RestoringNodes => "RestoringNodes",
            Self::RestartPending => "RestartPending",
            Self::Paused => "Paused",
            Self::InvalidSpec => "InvalidSpec",
            Self::ReferenceNotFound => "ReferenceNotFound",
            Self::DecryptionFailed => "DecryptionFailed",
            Self::ConfigTooLarge => "ConfigTooLarge",
            Self::NodesDegraded => "NodesDegraded",
            Self::RolledBack => "RolledBack",
            Self::SelectorConflict => "SelectorConflict",
            Self::ProgressDeadlineExceeded => "ProgressDeadlineExceeded",
            Self::AsExpected => "AsExpected",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
