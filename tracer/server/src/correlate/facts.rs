//! What matters of a Pod and of an Event.

use api::names::{LABEL_APP_COMPONENT, LABEL_REGISTRY_CONFIG, LABEL_REVISION};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::ResourceExt;
use tracer_model::ImageName;

use super::texts::{self, Said};

/// What the operator calls the pods that write a node's registries.yaml.
const NODE_WRITER: &str = "node-writer";

/// A pod on a node.
#[derive(Clone, Debug, PartialEq)]
pub struct PodFacts {
    pub uid: String,
    pub namespace: String,
    pub name: String,
    pub node: String,
    pub created: Timestamp,
    /// Containers and volumes that wait for an image, in the order in which the kubelet asks.
    pub wants: Vec<Want>,
    /// Whom it runs as.
    pub service_account: String,
    /// The RegistryConfig and revision that it puts on its node, if it is a node-writer; where such a pod is believed, the
    /// view knows.
    pub config: Option<(String, String)>,
}

/// An image that a pod waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// Name of the container or volume.
    pub container: String,
    /// As the pod names it.
    pub image: String,
    /// The same in full.
    pub name: ImageName,
}

/// An Event about a pod's image.
#[derive(Clone, Debug, PartialEq)]
pub struct EventFacts {
    pub pod_uid: String,
    pub namespace: String,
    pub pod: String,
    /// Empty where the Event does not name it.
    pub container: String,
    /// Empty where the Event does not name it.
    pub node: String,
    pub time: Timestamp,
    /// This occurrence of this Event: the kubelet counts repetitions in the same object.
    pub occurrence: String,
    pub said: Said,
}

impl PodFacts {
    /// Of a pod that has a node; others wait for no image.
    pub fn of(pod: &Pod) -> Option<Self> {
        let spec = pod.spec.as_ref()?;
        let node = spec.node_name.clone().filter(|node| !node.is_empty())?;
        let label = |name: &str| pod.labels().get(name).cloned();
        Some(Self {
            uid: pod.uid().unwrap_or_default(),
            namespace: pod.namespace().unwrap_or_default(),
            name: pod.name_any(),
            node,
            created: pod
                .creation_timestamp()
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            wants: wants(pod),
            service_account: spec.service_account_name.clone().unwrap_or_default(),
            config: label(LABEL_REGISTRY_CONFIG)
                .zip(label(LABEL_REVISION))
                .filter(|_| label(LABEL_APP_COMPONENT).as_deref() == Some(NODE_WRITER)),
        })
    }
}

fn wants(pod: &Pod) -> Vec<Want> {
    let (Some(spec), status) = (&pod.spec, pod.status.clone().unwrap_or_default()) else {
        return Vec::new();
    };
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return Vec::new();
    }
    let waits = |name: &str, statuses: &Option<Vec<ContainerStatus>>| {
        let known = statuses.iter().flatten().find(|status| status.name == name);
        known.is_none_or(is_waiting)
    };
    let volumes_wait = !status
        .container_statuses
        .iter()
        .chain(&status.init_container_statuses)
        .flatten()
        .any(has_started);
    let volumes = spec
        .volumes
        .iter()
        .flatten()
        .filter(|_| volumes_wait)
        .filter_map(|volume| Some((&volume.name, volume.image.as_ref()?.reference.as_ref()?)));
    let init = spec
        .init_containers
        .iter()
        .flatten()
        .filter(|container| waits(&container.name, &status.init_container_statuses))
        .filter_map(|container| Some((&container.name, container.image.as_ref()?)));
    let main = spec
        .containers
        .iter()
        .filter(|container| waits(&container.name, &status.container_statuses))
        .filter_map(|container| Some((&container.name, container.image.as_ref()?)));
    let ephemeral = spec
        .ephemeral_containers
        .iter()
        .flatten()
        .filter(|container| waits(&container.name, &status.ephemeral_container_statuses))
        .filter_map(|container| Some((&container.name, container.image.as_ref()?)));
    volumes
        .chain(init)
        .chain(main)
        .chain(ephemeral)
        .filter_map(|(container, image)| {
            Some(Want {
                container: container.clone(),
                image: image.clone(),
                name: ImageName::parse(image).ok()?,
            })
        })
        .collect()
}

/// Waits for its image, or for others before it: a container that crashed has had its image.
fn is_waiting(status: &ContainerStatus) -> bool {
    let Some(state) = &status.state else {
        return true;
    };
    if state.running.is_some() || state.terminated.is_some() {
        return false;
    }
    let reason = state
        .waiting
        .as_ref()
        .and_then(|waiting| waiting.reason.as_deref())
        .unwrap_or_default();
    !matches!(
        reason,
        "CrashLoopBackOff"
            | "CreateContainerError"
            | "CreateContainerConfigError"
            | "RunContainerError"
    )
}

fn has_started(status: &ContainerStatus) -> bool {
    let state = status.state.as_ref();
    state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
        || status.restart_count > 0
}

impl EventFacts {
    /// Of an Event about an image of a pod.
    pub fn of(event: &Event) -> Option<Self> {
        let object = &event.involved_object;
        if object.kind.as_deref() != Some("Pod") {
            return None;
        }
        let said = texts::read(
            event.reason.as_deref().unwrap_or_default(),
            event.message.as_deref().unwrap_or_default(),
        )?;
        let series = event.series.as_ref();
        let time = series
            .and_then(|series| series.last_observed_time.as_ref().map(|time| time.0))
            .or_else(|| event.last_timestamp.as_ref().map(|time| time.0))
            .or_else(|| event.event_time.as_ref().map(|time| time.0))
            .or_else(|| event.creation_timestamp().map(|time| time.0))?;
        let count = series
            .and_then(|series| series.count)
            .or(event.count)
            .unwrap_or(1);
        let node = event
            .source
            .as_ref()
            .and_then(|source| source.host.clone())
            .filter(|host| !host.is_empty())
            .or_else(|| event.reporting_instance.clone())
            .unwrap_or_default();
        Some(Self {
            pod_uid: object.uid.clone().unwrap_or_default(),
            namespace: object.namespace.clone().unwrap_or_default(),
            pod: object.name.clone().unwrap_or_default(),
            container: object
                .field_path
                .as_deref()
                .and_then(texts::container)
                .unwrap_or_default()
                .to_owned(),
            node,
            time,
            occurrence: format!(
                "{}-{count}",
                event.uid().unwrap_or_else(|| event.name_any())
            ),
            said,
        })
    }
}
