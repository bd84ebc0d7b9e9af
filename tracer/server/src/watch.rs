//! Pods and Events of the cluster, followed for ever.

use std::collections::BTreeSet;
use std::sync::Arc;

use daemon::watching;
use futures::{StreamExt, pin_mut};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event as KubeEvent, Pod};
use kube::runtime::watcher::{self, Config, Event};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::sync::watch;

use crate::correlate::facts::{EventFacts, PodFacts};
use crate::tracer::Tracer;

/// Small pages keep the memory of a first list small.
const PAGE: u32 = 500;

/// Follows the pods of one namespace or all; says through `listed` when the first list is done.
pub async fn pods(
    tracer: Arc<Tracer>,
    client: Client,
    namespace: Option<String>,
    listed: watch::Sender<bool>,
) {
    let is_whole = namespace.is_none();
    let events = watching::follow(
        api::<Pod>(client, namespace),
        Config::default().page_size(PAGE),
    );
    pin_mut!(events);
    let mut list = BTreeSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => list.clear(),
            Ok(Event::InitApply(pod)) => {
                list.extend(pod.uid());
                take(&tracer, &pod);
            }
            Ok(Event::InitDone) => {
                // A list of one namespace says nothing of the others.
                if is_whole {
                    tracer.pods_listed(&list);
                }
                list = BTreeSet::new();
                listed.send_replace(true);
            }
            Ok(Event::Apply(pod)) => take(&tracer, &pod),
            Ok(Event::Delete(pod)) => {
                if let Some(facts) = PodFacts::of(&pod) {
                    tracer.pod_gone(&facts);
                }
            }
            Err(error) => complain("pods", &error),
        }
    }
}

/// Follows the Events about pods.
pub async fn events(tracer: Arc<Tracer>, client: Client, namespace: Option<String>) {
    let config = Config::default()
        .page_size(PAGE)
        .fields("involvedObject.kind=Pod");
    let events = watching::follow(api::<KubeEvent>(client, namespace), config);
    pin_mut!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::InitApply(event) | Event::Apply(event)) => {
                if let Some(facts) = EventFacts::of(&event) {
                    tracer.event(&facts, Timestamp::now());
                }
            }
            Ok(Event::Init | Event::InitDone | Event::Delete(_)) => {}
            Err(error) => complain("events", &error),
        }
    }
}

fn take(tracer: &Tracer, pod: &Pod) {
    if let Some(facts) = PodFacts::of(pod) {
        tracer.pod(facts);
    }
}

fn api<K>(client: Client, namespace: Option<String>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client, &namespace),
        None => Api::all(client),
    }
}

fn complain(what: &str, error: &watcher::Error) {
    tracing::warn!(%error, "the watch of {what} was interrupted and starts again");
}
