//! `RegistryConfig` and its spec.

use std::fmt;

use k8s_openapi::apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{InlineRegistries, RegistryConfigStatus, bounds};

/// Where the selected nodes pull their container images from.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, CustomResource, KubeSchema)]
#[kube(
    group = "berth.dev",
    version = "v1alpha1",
    kind = "RegistryConfig",
    doc = "Decides where the container runtime of the selected k3s or RKE2 nodes pulls images from.",
    plural = "registryconfigs",
    singular = "registryconfig",
    shortname = "regcfg",
    category = "berth",
    status = "RegistryConfigStatus",
    derive = "PartialEq",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".status.nodes.desired"),
    printcolumn(name = "Updated", type_ = "integer", json_path = ".status.nodes.updated"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.nodes.failed"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.revision", priority = 1),
    validation = Rule::new("self.metadata.name.size() <= 45")
        .message("metadata.name has at most 45 characters, so that the names made from it fit")
)]
#[x_kube(
    validation = Rule::new(
        "!has(self.registriesFrom) || has(self.decryption) || !self.registriesFrom.exists(source, has(source.sops))"
    ).message("a sops document needs decryption.secretRef")
)]
#[serde(rename_all = "camelCase")]
pub struct RegistryConfigSpec {
    /// The nodes that get this configuration. `{}` selects every node.
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub node_selector: LabelSelector,
    /// The content of a k3s registries.yaml, without clear-text credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registries: Option<InlineRegistries>,
    /// Further registries.yaml documents, plain or encrypted. A later one replaces what earlier ones say about the
    /// same mirror, credential or TLS setting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::SOURCES))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub registries_from: Vec<RegistriesSource>,
    /// How to read encrypted documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decryption: Option<Decryption>,
    /// How a new file takes effect on its node.
    #[serde(default)]
    pub apply_mode: ApplyMode,
    /// How fast nodes follow a change, and what happens when they fail to.
    #[serde(default)]
    pub update_strategy: UpdateStrategy,
    /// What happens to the files of the nodes when this resource is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Stop changing nodes. What is on them stays.
    #[serde(default)]
    pub paused: bool,
}

/// One document; exactly one of the fields.
#[derive(Clone, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.secretRef) != has(self.sops)")
    .message("give exactly one of secretRef and sops"))]
#[serde(rename_all = "camelCase")]
pub struct RegistriesSource {
    /// A Secret in the operator's namespace that holds a document, plain or SOPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyReference>,
    /// A SOPS document. A plain one is refused: put it into a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = bounds::SOPS))]
    pub sops: Option<String>,
}

// A partly encrypted document has clear text in it.
impl fmt::Debug for RegistriesSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistriesSource")
            .field("secret_ref", &self.secret_ref)
            .field("sops", &self.sops.as_ref().map(String::len))
            .finish()
    }
}

/// A Secret in the operator's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
pub struct SecretReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = bounds::OBJECT_NAME))]
    pub name: String,
}

/// One key of a Secret in the operator's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
pub struct SecretKeyReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = bounds::OBJECT_NAME))]
    pub name: String,
    /// Key inside the Secret.
    #[serde(default = "document_key")]
    #[schemars(length(min = 1, max = bounds::DATA_KEY))]
    pub key: String,
}

fn document_key() -> String {
    "registries.yaml".to_owned()
}

/// How to read encrypted documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decryption {
    /// `sops`.
    pub provider: DecryptionProvider,
    /// A Secret in the operator's namespace; every key that ends in `.agekey` holds age private keys.
    pub secret_ref: SecretReference,
}

/// Who encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecryptionProvider {
    /// SOPS with age or ssh recipients.
    #[default]
    Sops,
}

/// How a new file takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ApplyMode {
    /// The file is written; k3s reads it at its next start.
    #[default]
    FileOnly,
}

/// How fast nodes follow, and what happens when they fail.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateStrategy {
    /// Limits of the rollout.
    #[serde(default)]
    pub rolling_update: RollingUpdate,
    /// Whether the last good revision is put back when the deadline passes.
    #[serde(default)]
    pub rollback: Rollback,
}

/// Limits of a rollout.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.progressDeadlineSeconds > self.minReadySeconds")
    .message("progressDeadlineSeconds must be greater than minReadySeconds"))]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdate {
    /// How many workers may be without a proven file at a time: a count, or a percentage of the selected ones.
    /// Control-plane nodes are always served one at a time.
    #[serde(default = "max_unavailable")]
    #[schemars(schema_with = "bounds::max_unavailable")]
    pub max_unavailable: IntOrString,
    /// How long a node must stay Ready before the next one is touched.
    #[serde(default = "min_ready_seconds")]
    #[schemars(range(min = 0, max = bounds::MIN_READY_SECONDS))]
    pub min_ready_seconds: i32,
    /// How long the rollout may stand still before it counts as failed.
    #[serde(default = "progress_deadline_seconds")]
    #[schemars(range(min = 1, max = bounds::PROGRESS_DEADLINE_SECONDS))]
    pub progress_deadline_seconds: i32,
}

impl Default for RollingUpdate {
    fn default() -> Self {
        Self {
            max_unavailable: max_unavailable(),
            min_ready_seconds: min_ready_seconds(),
            progress_deadline_seconds: progress_deadline_seconds(),
        }
    }
}

fn max_unavailable() -> IntOrString {
    IntOrString::Int(1)
}

fn min_ready_seconds() -> i32 {
    10
}

fn progress_deadline_seconds() -> i32 {
    600
}

/// Whether a failed rollout is turned back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Rollback {
    /// The last good revision is put back on the nodes that have the new one.
    #[default]
    OnFailure,
    /// Nodes stay as they are until somebody decides.
    Never,
}

/// What happens to the files of the nodes when the resource is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Every node gets back what it had before.
    #[default]
    Restore,
    /// The files stay as they are.
    Retain,
}
