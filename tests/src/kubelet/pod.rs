//! One pod from its binding to its end: volumes, containers, status, graceful deletion.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::container::{Play, Restart, asked, not_started};
use super::node::Node;
use super::status::{Observed, pod_status};
use super::{Shared, lock, volumes};
use crate::network::PodNetwork;

const RETRY: Duration = Duration::from_millis(200);
/// A kubelet takes up to a minute; the tests depend on the way, not on the time.
const VOLUME_REFRESH: Duration = Duration::from_secs(1);

type Latest = watch::Receiver<Option<Pod>>;

/// Plays a pod; returns when it is gone from the API server.
pub(super) async fn play(shared: Arc<Shared>, node: Arc<Node>, pod: Pod, mut latest: Latest) {
    let folder = shared
        .folder
        .join("pods")
        .join(pod.uid().unwrap_or_default());
    let network = if needs_network(&pod) {
        let Some(network) = network(&shared, &pod, &latest).await else {
            return;
        };
        Some(Arc::new(network))
    } else {
        None
    };
    let pod = Arc::new(pod);
    let (stop, stopped) = watch::channel(false);
    let changed = Arc::new(Notify::new());
    let spec = pod.spec.clone().unwrap_or_default();
    let plays = |containers: &[Container]| -> Vec<Arc<Play>> {
        containers
            .iter()
            .map(|container| {
                Arc::new(Play {
                    shared: shared.clone(),
                    node: node.clone(),
                    pod: pod.clone(),
                    container: container.clone(),
                    folder: folder.join(&container.name),
                    network: network.clone(),
                    grace: grace(&pod),
                    status: Mutex::new(not_started(container)),
                    changed: changed.clone(),
                })
            })
            .collect()
    };
    let init = plays(spec.init_containers.as_deref().unwrap_or_default());
    let containers = plays(&spec.containers);
    let initialized = Arc::new(watch::Sender::new(init.is_empty()));
    let mut reporter = Reporter {
        shared: shared.clone(),
        node: node.clone(),
        pod: pod.clone(),
        network: network.as_ref().map(|network| network.address.clone()),
        init: init.clone(),
        containers: containers.clone(),
        initialized: initialized.subscribe(),
        since: HashMap::new(),
        sent: None,
    };
    let mut work = JoinSet::new();
    work.spawn(run_containers(
        shared.clone(),
        pod.clone(),
        folder.join("volumes"),
        init,
        containers,
        initialized,
        stopped,
    ));
    let mut up = node.up.subscribe();
    loop {
        reporter.report().await;
        let current = latest.borrow_and_update().clone();
        let Some(current) = current else {
            // Deleted by force: nobody asks any more.
            stop.send_replace(true);
            while work.join_next().await.is_some() {}
            break;
        };
        if current.metadata.deletion_timestamp.is_some() && *up.borrow() {
            stop.send_replace(true);
            while work.join_next().await.is_some() {}
            reporter.report().await;
            remove(&shared, &current).await;
            break;
        }
        tokio::select! {
            () = changed.notified() => {}
            answer = latest.changed() => if answer.is_err() { break },
            _ = up.changed() => reporter.sent = None,
            () = sleep(RETRY), if reporter.sent.is_none() => {}
        }
    }
    // Logs stay; what the containers stood on goes.
    let _ = std::fs::remove_dir_all(&folder);
}

async fn run_containers(
    shared: Arc<Shared>,
    pod: Arc<Pod>,
    folder: std::path::PathBuf,
    init: Vec<Arc<Play>>,
    containers: Vec<Arc<Play>>,
    initialized: Arc<watch::Sender<bool>>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        // What a volume names may come later; the pod waits as ContainerCreating.
        if volumes::write(&shared.client, &pod, &folder).await.is_ok() {
            break;
        }
        tokio::select! { () = sleep(RETRY) => {}, () = asked(&mut stop) => return }
    }
    let restart = restart_policy(&pod);
    let init_restart = if restart == Restart::Never {
        Restart::Never
    } else {
        Restart::OnFailure
    };
    for container in &init {
        container.run(init_restart, stop.clone()).await;
        let exit = lock(&container.status)
            .state
            .as_ref()
            .and_then(|state| state.terminated.as_ref())
            .map(|end| end.exit_code);
        if exit != Some(0) {
            return;
        }
    }
    initialized.send_replace(true);
    let mut tasks = JoinSet::new();
    for container in containers {
        let stop = stop.clone();
        tasks.spawn(async move { container.run(restart, stop).await });
    }
    let refresh = refresh_volumes(&shared, &pod, &folder);
    tokio::pin!(refresh);
    loop {
        tokio::select! {
            ended = tasks.join_next() => if ended.is_none() { return },
            () = &mut refresh => {}
        }
    }
}

async fn refresh_volumes(shared: &Shared, pod: &Pod, folder: &Path) {
    if !volumes::may_change(pod) || only_immutable(pod) {
        std::future::pending::<()>().await;
    }
    loop {
        sleep(VOLUME_REFRESH).await;
        // A Secret that was deleted leaves the files of a running pod as they are.
        let _ = volumes::write(&shared.client, pod, folder).await;
    }
}

/// Pods without a token mount nothing but immutable Secrets here; hundreds of them need not ask every second.
fn only_immutable(pod: &Pod) -> bool {
    pod.spec
        .as_ref()
        .is_some_and(|spec| spec.automount_service_account_token == Some(false))
        && pod
            .metadata
            .owner_references
            .iter()
            .flatten()
            .any(|owner| owner.kind == "DaemonSet")
}

fn needs_network(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let listens = spec.containers.iter().any(|container| {
        container
            .ports
            .as_ref()
            .is_some_and(|ports| !ports.is_empty())
    });
    let has_token = |mount: &k8s_openapi::api::core::v1::VolumeMount| {
        mount.mount_path == "/var/run/secrets/kubernetes.io/serviceaccount"
    };
    let talks = spec
        .containers
        .iter()
        .flat_map(|container| container.volume_mounts.iter().flatten())
        .any(has_token);
    spec.host_network != Some(true) && (listens || talks)
}

/// Network of a pod; what stands in the way is in the pod's log. `None` when the pod is gone before it has one.
async fn network(shared: &Shared, pod: &Pod, latest: &Latest) -> Option<PodNetwork> {
    loop {
        let error = match shared.network.pod() {
            Ok(network) => return Some(network),
            Err(error) => error,
        };
        let folder = shared
            .folder
            .join("logs")
            .join(pod.namespace().unwrap_or_default())
            .join(pod.name_any());
        let _ = std::fs::create_dir_all(&folder);
        let _ = std::fs::write(folder.join("network.log"), format!("{error:#}\n"));
        let gone = match &*latest.borrow() {
            Some(pod) => pod.metadata.deletion_timestamp.is_some(),
            None => true,
        };
        if gone {
            remove(shared, pod).await;
            return None;
        }
        sleep(RETRY).await;
    }
}

fn grace(pod: &Pod) -> Duration {
    let seconds = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.termination_grace_period_seconds)
        .unwrap_or(30);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(30))
}

fn restart_policy(pod: &Pod) -> Restart {
    match pod
        .spec
        .as_ref()
        .and_then(|spec| spec.restart_policy.as_deref())
    {
        Some("Never") => Restart::Never,
        Some("OnFailure") => Restart::OnFailure,
        _ => Restart::Always,
    }
}

async fn remove(shared: &Shared, pod: &Pod) {
    let pods = Api::<Pod>::namespaced(shared.client.clone(), &pod.namespace().unwrap_or_default());
    let now = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(Preconditions {
            uid: pod.uid(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        match pods.delete(&pod.name_any(), &now).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => return,
            Err(_) => sleep(RETRY).await,
        }
    }
}

/// Sends the pod's status whenever it differs from what was sent last.
struct Reporter {
    shared: Arc<Shared>,
    node: Arc<Node>,
    pod: Arc<Pod>,
    network: Option<String>,
    init: Vec<Arc<Play>>,
    containers: Vec<Arc<Play>>,
    initialized: watch::Receiver<bool>,
    since: HashMap<String, (bool, String)>,
    sent: Option<Value>,
}

impl Reporter {
    async fn report(&mut self) {
        if !*self.node.up.borrow() {
            return;
        }
        let observed = Observed {
            initialized: *self.initialized.borrow(),
            init: statuses(&self.init),
            containers: statuses(&self.containers),
            address: self.network.clone(),
        };
        let since = &mut self.since;
        let status = pod_status(&self.pod, &observed, &mut |kind, value| {
            let entry = since
                .entry(kind.to_string())
                .or_insert_with(|| (value, timestamp()));
            if entry.0 != value {
                *entry = (value, timestamp());
            }
            entry.1.clone()
        });
        if self.sent.as_ref() == Some(&status) {
            return;
        }
        let pods = Api::<Pod>::namespaced(
            self.shared.client.clone(),
            &self.pod.namespace().unwrap_or_default(),
        );
        let answer = pods
            .patch_status(
                &self.pod.name_any(),
                &PatchParams::default(),
                &Patch::Strategic(&status),
            )
            .await;
        self.sent = match answer {
            Ok(_) => Some(status),
            // Gone, or another pod of the same name: nothing to report any more.
            Err(kube::Error::Api(error)) if error.code == 404 || error.code == 409 => Some(status),
            Err(_) => None,
        };
    }
}

fn statuses(plays: &[Arc<Play>]) -> Vec<k8s_openapi::api::core::v1::ContainerStatus> {
    plays
        .iter()
        .map(|play| lock(&play.status).clone())
        .collect()
}

fn timestamp() -> String {
    jiff::Timestamp::now()
        .round(jiff::Unit::Second)
        .unwrap_or_default()
        .to_string()
}
