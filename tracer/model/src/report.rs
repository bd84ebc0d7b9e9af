//! What an agent posts, and what it is answered.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::sets::{
    FailureClass, LayerState, NameConfidence, Phase, ReportKind, RuntimeState, Source,
};

/// The version of the reports of our agents.
pub const PROTOCOL: u32 = 2;

/// One report. Without `protocol` it is one of the earlier interface: each a full list of what goes on.
///
/// With it: `sequence` counts the reports of one `bootId` from 1. A `full` report starts or restarts the series: the
/// server forgets whatever pull of this node it does not name. A `delta` must be the next after the last one taken (one
/// that was taken already is acknowledged again), it names whole pulls that changed and adds `finished` ones. A
/// `heartbeat` names none. Finished pulls are sent until a report that names them is acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Kubernetes node, 1 to 253 bytes.
    pub node_name: String,
    /// The agent's clock when it looked.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// Pulls that go on: all of them, or those that changed.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub pulls: Vec<ReportedPull>,
    /// Absent in reports of the earlier interface, else [`PROTOCOL`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u32>,
    /// One run of an agent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub boot_id: String,
    /// Of this report within `bootId`, from 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sequence: u64,
    /// What `pulls` holds.
    #[serde(default)]
    pub kind: ReportKind,
    /// Pulls that ended, each in its final phase.
    #[serde(
        default,
        deserialize_with = "null_as_empty",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub finished: Vec<ReportedPull>,
    /// How the container runtime is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// Version of the agent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent_version: String,
}

impl Report {
    /// Whether it is one of the earlier interface.
    pub fn is_legacy(&self) -> bool {
        self.protocol.is_none()
    }
}

/// A pull as an agent knows it. Reports of the earlier interface fill `imageRef`, `layers`, `startedAt`, `totalKnown`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedPull {
    /// The image's name as far as it is known; empty, or an ingest's name, while it is not.
    #[serde(default)]
    pub image_ref: String,
    /// Layers in the image's order.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub layers: Vec<ReportedLayer>,
    /// To the nanosecond.
    #[serde(default)]
    pub started_at: Timestamp,
    /// Whether `totalBytes` is exact and will not change.
    #[serde(default)]
    pub total_known: bool,

    /// Unique on its node and stable: the runtime's namespace and lease.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Where it is.
    #[serde(default)]
    pub phase: Phase,
    /// Compressed bytes of all layers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub total_bytes: u64,
    /// Compressed bytes on the node, those that were there before included; never falls, never above the total.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub downloaded_bytes: u64,
    /// Of those, the ones this pull did not fetch: on the node before it began.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_bytes: u64,
    /// Of those, the ones another pull fetches or fetched.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shared_bytes: u64,
    /// Compressed bytes of unpacked layers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unpacked_bytes: u64,
    /// What this pull itself fetches.
    #[serde(default, skip_serializing_if = "is_zero_rate")]
    pub bytes_per_sec: f64,
    /// Until everything is unpacked; absent when nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<f64>,
    /// When the image was there or the pull was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// When the last byte was here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downloaded_at: Option<Timestamp>,
    /// When a byte last moved or a layer was last unpacked; long ago means stalled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_at: Option<Timestamp>,
    /// All names that the runtime's records give the image.
    #[serde(
        default,
        deserialize_with = "null_as_empty",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub names: Vec<String>,
    /// Registry of the reference, without port while only the content's labels are known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub registry: String,
    /// Repository of the reference.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
    /// Tag of the reference.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// Digest of the index or manifest that the name stands for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// How sure `imageRef` is.
    #[serde(default)]
    pub name_confidence: NameConfidence,
    /// What the pull is known from.
    #[serde(default)]
    pub source: Source,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What the node's certs.d makes the runtime ask, in order.
    #[serde(
        default,
        deserialize_with = "null_as_empty",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub expected_endpoints: Vec<Endpoint>,
    /// Which of them it was, where there is evidence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub observed_endpoint: String,
}

/// A layer of a pull. Reports of the earlier interface fill `digest` (an ingest's name), the bytes and `totalKnown`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedLayer {
    /// `sha256:...`
    #[serde(default)]
    pub digest: String,
    /// Of the blob.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// Compressed size.
    #[serde(default)]
    pub total_bytes: u64,
    /// Of those on the node.
    #[serde(default)]
    pub downloaded_bytes: u64,
    /// Whether `totalBytes` is known.
    #[serde(default)]
    pub total_known: bool,
    /// Where it is.
    #[serde(default)]
    pub state: LayerState,
    /// Place in the image, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
    /// When its first byte was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its last byte was here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downloaded_at: Option<Timestamp>,
    /// When it was unpacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// What moves now.
    #[serde(default, skip_serializing_if = "is_zero_rate")]
    pub bytes_per_sec: f64,
    /// Id of the pull that fetches it, where that is another.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shared_with: String,
}

/// Why a pull failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The cause, of a closed set.
    pub class: FailureClass,
    /// What the kubelet or the runtime said.
    #[serde(default)]
    pub message: String,
}

/// A host that a pull asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `https://mirror.internal:5000/v2`
    pub url: String,
    /// What it is asked for, where a rewrite changes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
}

/// The container runtime as its agent sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// Whether it answers.
    pub state: RuntimeState,
    /// `containerd`
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// As it says itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// On the host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub socket: String,
    /// Since when it is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// The answer to a report: 200 with `resync` false, or 409 with `resync` true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The last sequence number taken.
    #[serde(default)]
    pub sequence: u64,
    /// Whether the next report must be a full one.
    #[serde(default)]
    pub resync: bool,
}

fn null_as_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(crate) fn is_zero_rate(rate: &f64) -> bool {
    *rate <= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_the_earlier_interface_is_read() {
        let body = r#"{"nodeName":"worker-3","timestamp":"2026-11-21T02:08:04.134457766Z","pulls":[
            {"imageRef":"layer-sha256:3752","layers":[{"digest":"layer-sha256:3752","totalBytes":100,"downloadedBytes":5,
            "totalKnown":true}],"startedAt":"2026-11-21T03:08:04+01:00","totalKnown":true},
            {"imageRef":"x","layers":null,"startedAt":"0001-01-01T00:00:00Z","totalKnown":false}]}"#;
        let report: Report = serde_json::from_str(body).unwrap();
        assert!(report.is_legacy());
        assert_eq!(report.kind, ReportKind::Full);
        let pull = &report.pulls[0];
        assert_eq!(
            (pull.phase, pull.source),
            (Phase::Downloading, Source::LegacyReport)
        );
        assert_eq!(pull.layers[0].downloaded_bytes, 5);
        assert_eq!(pull.started_at.to_string(), "2026-11-21T02:08:04Z");
        assert!(report.pulls[1].layers.is_empty());
    }

    #[test]
    fn a_report_survives_the_journey() {
        let report = Report {
            node_name: "worker-3".to_owned(),
            timestamp: "2026-11-21T02:08:04.134457766Z".parse().unwrap(),
            pulls: vec![ReportedPull {
                id: "k8s.io/1-a".to_owned(),
                phase: Phase::Unpacking,
                layers: vec![ReportedLayer {
                    state: LayerState::WaitingShared,
                    order: Some(0),
                    ..ReportedLayer::default()
                }],
                source: Source::Lease,
                name_confidence: NameConfidence::Repository,
                failure: Some(Failure {
                    class: FailureClass::RateLimited,
                    message: "429".to_owned(),
                }),
                ..ReportedPull::default()
            }],
            protocol: Some(PROTOCOL),
            boot_id: "b".to_owned(),
            sequence: 7,
            kind: ReportKind::Delta,
            finished: Vec::new(),
            runtime: Some(Runtime {
                state: RuntimeState::Hanging,
                name: "containerd".to_owned(),
                version: "1.6.20".to_owned(),
                socket: "/run/containerd/containerd.sock".to_owned(),
                since: None,
            }),
            agent_version: "0.1.0".to_owned(),
        };
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.contains(r#""state":"waiting-shared""#), "{text}");
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }

    #[test]
    fn a_cause_that_a_newer_agent_knows_is_unknown() {
        let failure: Failure = serde_json::from_str(r#"{"class":"sunspots"}"#).unwrap();
        assert_eq!(failure.class, FailureClass::Unknown);
    }
}
