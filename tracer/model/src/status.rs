//! What the server answers with.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::report::{Endpoint, Failure, Runtime, is_zero, is_zero_rate};
use crate::sets::{EventType, LayerState, NameConfidence, Phase, Source, State};

/// Of [`PullEvent`].
pub const SCHEMA_VERSION: &str = "v1";

/// A pull as the server knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullStatus {
    /// Unique and stable.
    pub id: String,
    /// Kubernetes node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node_name: String,
    /// The image's name, or `__pulling__` while nothing is known of it.
    pub image_ref: String,
    /// Compressed bytes of all layers.
    pub total_bytes: u64,
    /// Of those on the node.
    pub downloaded_bytes: u64,
    /// What this pull itself fetches now; 0 once it ended.
    pub bytes_per_sec: f64,
    /// Until the image is there.
    #[serde(default, skip_serializing_if = "is_zero_rate")]
    pub eta_seconds: f64,
    /// Of the download, 0 to 100; never falls, 100 only when every byte is here.
    pub percent: f64,
    /// Layers of the image.
    pub layer_count: u64,
    /// Of those on the node.
    pub layers_done: u64,
    /// When the runtime began.
    pub started_at: Timestamp,
    /// When the image was there or the pull was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// What went wrong, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Who waits for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<PodCorrelation>,
    /// In the image's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerStatus>,
    /// Whether `totalBytes` is exact.
    pub total_known: bool,

    /// Where it is.
    pub phase: Phase,
    /// What that comes to.
    pub state: State,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Bytes that were on the node before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_bytes: u64,
    /// Bytes that another pull fetches or fetched.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shared_bytes: u64,
    /// Compressed bytes of unpacked layers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unpacked_bytes: u64,
    /// Of the unpacking, 0 to 100.
    #[serde(default, skip_serializing_if = "is_zero_rate")]
    pub unpack_percent: f64,
    /// When the last byte was here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downloaded_at: Option<Timestamp>,
    /// When a byte last moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_at: Option<Timestamp>,
    /// Registry of the reference.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub registry: String,
    /// Repository of the reference.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
    /// Tag of the reference.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// Digest of the index or manifest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Seconds in the kubelet's queue before `startedAt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_seconds: Option<f64>,
    /// How sure `imageRef` is.
    pub name_confidence: NameConfidence,
    /// What the pull is known from.
    pub source: Source,
    /// What the node's certs.d makes the runtime ask, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_endpoints: Vec<Endpoint>,
    /// Which of them it was; `unknown` without evidence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub observed_endpoint: String,
    /// RegistryConfig that the node follows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub registry_config: String,
    /// Its revision on the node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
}

/// A layer of a pull.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerStatus {
    /// Id of the pull.
    pub pull_id: String,
    /// `sha256:...`
    pub digest: String,
    /// Of the blob.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// Compressed size.
    pub total_bytes: u64,
    /// Of those on the node.
    pub downloaded_bytes: u64,
    /// What moves now.
    pub bytes_per_sec: f64,
    /// 0 to 100.
    pub percent: f64,
    /// When its first byte was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its last byte was here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Whether `totalBytes` is known.
    pub total_known: bool,

    /// Where it is.
    pub state: LayerState,
    /// Place in the image, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
    /// When it was unpacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpacked_at: Option<Timestamp>,
    /// Id of the pull that fetches it, where that is another.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shared_with: String,
}

/// A container that waits for an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodCorrelation {
    /// Of the pod.
    pub namespace: String,
    /// Of the pod.
    pub pod_name: String,
    /// Of the pod's containers, init containers or volumes.
    pub container: String,
    /// As the pod names it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
}

/// One event of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullEvent {
    /// [`SCHEMA_VERSION`].
    pub schema_version: String,
    /// The server's clock.
    pub timestamp: Timestamp,
    /// What it tells.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// Kubernetes node.
    #[serde(default)]
    pub node_name: String,
    /// The pull it tells of; absent in events of agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullStatus>,
    /// The layer it tells of, in `layer.*` events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerStatus>,
}

/// A list of pulls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullList {
    /// One page.
    pub pulls: Vec<PullStatus>,
    /// How many pass the filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// What to ask for the next page with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A node and its agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Kubernetes node.
    pub node_name: String,
    /// Whether its agent reports.
    pub connected: bool,
    /// When it last did.
    pub last_seen: Timestamp,
    /// Version of the agent; empty for one of the earlier program.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent_version: String,
    /// How the container runtime is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// Pulls that go on.
    pub active_pulls: u64,
    /// What they fetch together, shared layers counted once.
    pub bytes_per_sec: f64,
    /// RegistryConfig that the node follows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub registry_config: String,
    /// Its revision on the node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
}

/// The nodes that ever reported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeList {
    /// In order of their names.
    pub nodes: Vec<NodeStatus>,
}
