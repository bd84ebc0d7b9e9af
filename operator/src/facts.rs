//! What the operator remembers of nodes, pods and other objects: the few facts it decides by, and nothing else.

use std::collections::BTreeMap;

use api::names::{self, Role};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Node, Pod};
use kube::ResourceExt;
use kube::core::{PartialObjectMeta, Selector};
use node_files::Report;
use registries::Distribution;

/// Where k3s and RKE2 note their command line.
const NODE_ARGUMENTS: [&str; 2] = ["k3s.io/node-args", "rke2.io/node-args"];
/// Longest message of a node that is repeated in a condition.
const MESSAGE_CHARS: usize = 200;

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeFacts {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) role: Role,
    /// Since when the node is not Ready; `None` while it is.
    pub(crate) not_ready_since: Option<Timestamp>,
    pub(crate) distribution: Option<Distribution>,
    /// The node reads another file than the one we write.
    pub(crate) reads_elsewhere: bool,
}

impl NodeFacts {
    pub(crate) fn of(node: &Node) -> Self {
        let labels = node.labels().clone();
        let control_plane = names::CONTROL_PLANE_LABELS
            .iter()
            .any(|label| labels.contains_key(*label));
        let status = node.status.as_ref();
        let version = status
            .and_then(|status| status.node_info.as_ref())
            .map_or("", |info| info.kubelet_version.as_str());
        let distribution = distribution(version);
        Self {
            name: node.name_any(),
            role: if control_plane {
                Role::ControlPlane
            } else {
                Role::Workers
            },
            not_ready_since: not_ready_since(node),
            reads_elsewhere: reads_elsewhere(node, distribution),
            distribution,
            labels,
        }
    }
}

fn distribution(kubelet_version: &str) -> Option<Distribution> {
    if kubelet_version.contains("+k3s") {
        Some(Distribution::K3s)
    } else if kubelet_version.contains("+rke2") {
        Some(Distribution::Rke2)
    } else {
        None
    }
}

fn not_ready_since(node: &Node) -> Option<Timestamp> {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let ready = conditions.and_then(|all| all.iter().find(|condition| condition.type_ == "Ready"));
    match ready {
        Some(condition) if condition.status == "True" => None,
        // A node that never reported has not been Ready since it was created.
        found => Some(
            found
                .and_then(|condition| condition.last_transition_time.as_ref())
                .or(node.metadata.creation_timestamp.as_ref())
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        ),
    }
}

fn reads_elsewhere(node: &Node, distribution: Option<Distribution>) -> bool {
    let usual = format!(
        "{}/{}",
        folder(distribution.unwrap_or(Distribution::K3s)),
        node_files::layout::DOCUMENT
    );
    NODE_ARGUMENTS
        .iter()
        .filter_map(|key| node.annotations().get(*key))
        .filter_map(|text| serde_json::from_str::<Vec<String>>(text).ok())
        .any(|arguments| private_registry(&arguments).is_some_and(|path| path != usual))
}

fn private_registry(arguments: &[String]) -> Option<&str> {
    const FLAG: &str = "--private-registry";
    arguments
        .iter()
        .enumerate()
        .rev()
        .find_map(|(index, argument)| {
            if argument == FLAG {
                return arguments.get(index + 1).map(String::as_str);
            }
            argument.strip_prefix(FLAG)?.strip_prefix('=')
        })
}

/// The folder that a distribution reads.
pub(crate) fn folder(distribution: Distribution) -> &'static str {
    match distribution {
        Distribution::K3s => node_files::layout::FOLDER_K3S,
        Distribution::Rke2 => node_files::layout::FOLDER_RKE2,
    }
}

/// One pod of a DaemonSet of ours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PodFacts {
    pub(crate) name: String,
    pub(crate) config: String,
    pub(crate) node: String,
    pub(crate) role: String,
    pub(crate) revision: String,
    /// Since when the pod is Ready; `None` while it is not, or is going away.
    pub(crate) ready_since: Option<Timestamp>,
    pub(crate) failure: Option<Failure>,
    pub(crate) going: bool,
}

/// Why a node does not have what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl PodFacts {
    pub(crate) fn of(pod: &Pod) -> Option<Self> {
        let labels = pod.labels();
        let label = |key: &str| labels.get(key).cloned();
        let status = pod.status.as_ref();
        let conditions = status.and_then(|status| status.conditions.as_ref());
        let ready = conditions
            .and_then(|all| all.iter().find(|condition| condition.type_ == "Ready"))
            .filter(|condition| condition.status == "True");
        let going = pod.metadata.deletion_timestamp.is_some();
        let ready_since = ready
            .filter(|_| !going)
            .and_then(|condition| condition.last_transition_time.as_ref())
            .map(|time| time.0);
        let containers = status.and_then(|status| status.container_statuses.as_deref());
        Some(Self {
            name: pod.name_any(),
            config: label(names::LABEL_REGISTRY_CONFIG)?,
            node: pod.spec.as_ref()?.node_name.clone()?,
            role: label(names::LABEL_ROLE)?,
            revision: label(names::LABEL_REVISION)?,
            ready_since,
            failure: match ready {
                Some(_) => None,
                None => containers.unwrap_or_default().iter().find_map(failure),
            },
            going,
        })
    }
}

fn failure(container: &ContainerStatus) -> Option<Failure> {
    let states = [container.state.as_ref(), container.last_state.as_ref()];
    let ended = states
        .into_iter()
        .flatten()
        .find_map(|state| state.terminated.as_ref());
    if let Some(ended) = ended {
        let report = ended.message.as_deref().and_then(Report::parse);
        let (reason, message) = match report {
            Some(report) => (report.reason, report.message),
            None => (
                node_files::Reason::WriteFailed,
                format!("node-writer ended with code {}", ended.exit_code),
            ),
        };
        return Some(Failure {
            reason: reason.to_string(),
            message: message.chars().take(MESSAGE_CHARS).collect(),
        });
    }
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.clone()?;
    let usual = ["ContainerCreating", "PodInitializing"].contains(&reason.as_str());
    (!usual).then(|| Failure {
        message: "the node-writer does not start".to_owned(),
        reason,
    })
}

/// A `RegistryConfig`, as the others need to know it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConfigFacts {
    pub(crate) name: String,
    pub(crate) created: Option<Timestamp>,
    pub(crate) selector: Option<Selector>,
    pub(crate) references: compose::References,
}

impl ConfigFacts {
    pub(crate) fn of(config: &api::RegistryConfig) -> Self {
        Self {
            name: config.name_any(),
            created: config
                .metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0),
            selector: config.spec.node_selector.clone().try_into().ok(),
            references: compose::references(&config.spec),
        }
    }

    /// Whether this one wins a node over `other`: the older, then the one that comes first by name.
    pub(crate) fn wins_over(&self, other: &Self) -> bool {
        (self.created, &self.name) < (other.created, &other.name)
    }
}

/// A Secret or `ConfigMap` of our namespace, known by its metadata only.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ObjectFacts {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) created: Option<Timestamp>,
    /// For what we made: the `RegistryConfig` and its revision.
    pub(crate) config: Option<String>,
    pub(crate) revision: Option<String>,
}

impl ObjectFacts {
    pub(crate) fn of<K>(object: &PartialObjectMeta<K>) -> Self
    where
        PartialObjectMeta<K>: ResourceExt,
    {
        let labels = object.labels();
        Self {
            name: object.name_any(),
            version: object.resource_version(),
            created: object.creation_timestamp().map(|time| time.0),
            config: labels.get(names::LABEL_REGISTRY_CONFIG).cloned(),
            revision: labels.get(names::LABEL_REVISION).cloned(),
        }
    }
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
