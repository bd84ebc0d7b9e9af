//! From the states of containers to the status of the pod; pure.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use serde_json::{Value, json};

/// What a pod's containers have come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Observed {
    pub(super) initialized: bool,
    pub(super) init: Vec<ContainerStatus>,
    pub(super) containers: Vec<ContainerStatus>,
    pub(super) address: Option<String>,
}

/// The status patch; `since` says when a condition last changed, given its type and value.
pub(super) fn pod_status(
    pod: &Pod,
    observed: &Observed,
    since: &mut dyn FnMut(&str, bool) -> String,
) -> Value {
    let phase = phase(pod, observed);
    let ready = phase == "Running" && observed.containers.iter().all(|container| container.ready);
    let started = since("Started", true);
    let conditions: Vec<Value> = [
        ("Initialized", observed.initialized),
        ("ContainersReady", ready),
        ("Ready", ready),
    ]
    .into_iter()
    .map(|(kind, value)| {
        let status = if value { "True" } else { "False" };
        json!({"type": kind, "status": status, "lastTransitionTime": since(kind, value)})
    })
    .collect();
    let address = observed.address.clone();
    json!({
        "metadata": {"uid": pod.metadata.uid},
        "status": {
            "phase": phase, "conditions": conditions, "startTime": started, "hostIP": "127.0.0.1",
            "podIP": address, "podIPs": address.map(|ip| vec![json!({"ip": ip})]),
            "initContainerStatuses": observed.init, "containerStatuses": observed.containers,
        },
    })
}

fn phase(pod: &Pod, observed: &Observed) -> &'static str {
    let exits: Vec<Option<i32>> = observed
        .containers
        .iter()
        .map(|container| {
            container
                .state
                .as_ref()?
                .terminated
                .as_ref()
                .map(|end| end.exit_code)
        })
        .collect();
    let policy = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.restart_policy.as_deref())
        .unwrap_or("Always");
    let failed_init = observed.init.iter().any(|container| {
        let end = container
            .state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        end.is_some_and(|end| end.exit_code != 0)
    });
    if failed_init && policy == "Never" {
        return "Failed";
    }
    if !observed.initialized {
        return "Pending";
    }
    if policy != "Always" && exits.iter().all(|exit| *exit == Some(0)) {
        return "Succeeded";
    }
    if policy == "Never" && exits.iter().all(Option::is_some) {
        return "Failed";
    }
    let waits_for_first_start = |container: &ContainerStatus| {
        container.restart_count == 0 && is_waiting(container) && container.last_state.is_none()
    };
    if observed.containers.iter().any(waits_for_first_start) {
        "Pending"
    } else {
        "Running"
    }
}

fn is_waiting(container: &ContainerStatus) -> bool {
    container
        .state
        .as_ref()
        .is_none_or(|state| state.waiting.is_some())
}
