//! What the scenarios share: a cluster with the operator, and questions about `RegistryConfig`s and nodes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::RegistryConfig;
use e2e::kubelet::{Node, NodeSpec};
use e2e::{Cluster, eventually, operator, scenario};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, ResourceExt};
use serde_json::Value;

pub(crate) const FILE: &str = "/etc/rancher/k3s/registries.yaml";
pub(crate) const FOLDER: &str = "/etc/rancher/k3s";
/// Long enough for a slow machine; conditions are met in a few seconds.
pub(crate) const SOON: Duration = Duration::from_secs(90);

/// A scenario with these nodes and an operator that is ready.
pub(crate) async fn installed(
    nodes: impl IntoIterator<Item = NodeSpec>,
    test: impl AsyncFnOnce(&mut Cluster) -> Result<()>,
) {
    scenario(nodes, async |cluster: &mut Cluster| {
        operator::install(cluster, &[]).await?;
        test(cluster).await
    })
    .await;
}

pub(crate) fn configs(cluster: &Cluster) -> Api<RegistryConfig> {
    Api::all(cluster.client.clone())
}

pub(crate) async fn apply(cluster: &Cluster, manifest: &Value) -> Result<()> {
    cluster.tools.apply(&manifest.to_string()).await.map(drop)
}

/// Waits for a condition of the object's newest generation.
pub(crate) async fn condition(
    cluster: &Cluster,
    name: &str,
    kind: &str,
    status: &str,
    reason: &str,
) -> Result<Condition> {
    eventually(
        &format!("{kind}={status}/{reason} of {name}"),
        SOON,
        || async {
            let config = configs(cluster).get(name).await?;
            let conditions = config
                .status
                .as_ref()
                .map(|status| status.conditions.clone())
                .unwrap_or_default();
            let found = conditions.iter().find(|condition| condition.type_ == kind);
            let found = found.with_context(|| format!("no such condition among {conditions:?}"))?;
            ensure!(
                found.observed_generation == config.metadata.generation
                    && found.status == status
                    && found.reason == reason,
                "{conditions:?}"
            );
            Ok(found.clone())
        },
    )
    .await
}

/// Waits until every selected node has the newest generation.
pub(crate) async fn rolled_out(cluster: &Cluster, name: &str) -> Result<RegistryConfig> {
    condition(cluster, name, "Ready", "True", "RolledOut").await?;
    Ok(configs(cluster).get(name).await?)
}

pub(crate) async fn revision(cluster: &Cluster, name: &str) -> Result<String> {
    let config = configs(cluster).get(name).await?;
    config
        .status
        .and_then(|status| status.revision)
        .context("no revision")
}

pub(crate) fn nodes(cluster: &Cluster) -> Result<Vec<Arc<Node>>> {
    Ok(cluster.kubelet()?.nodes())
}

/// The nodes whose file holds this text.
pub(crate) fn holding(nodes: &[Arc<Node>], text: &str) -> Vec<String> {
    let holds = |node: &&Arc<Node>| node.read(FILE).is_some_and(|file| file.contains(text));
    nodes
        .iter()
        .filter(holds)
        .map(|node| node.name.clone())
        .collect()
}

/// Waits for an Event of the object with this reason and text, as `kubectl describe` shows it.
pub(crate) async fn event(cluster: &Cluster, name: &str, reason: &str, text: &str) -> Result<()> {
    eventually(&format!("an Event {reason} of {name}"), SOON, || async {
        let shown = cluster
            .tools
            .kubectl(&["describe", "registryconfig", name])
            .await?;
        let events = shown
            .split_once("\nEvents:")
            .map(|(_, events)| events)
            .unwrap_or_default();
        ensure!(
            events
                .lines()
                .any(|line| line.contains(reason) && line.contains(text)),
            "{events}"
        );
        Ok::<_, anyhow::Error>(())
    })
    .await
}

/// The node-writer pods of a `RegistryConfig`.
pub(crate) async fn writers(
    cluster: &Cluster,
    name: &str,
) -> Result<Vec<k8s_openapi::api::core::v1::Pod>> {
    let pods = Api::namespaced(cluster.client.clone(), operator::NAMESPACE);
    let of = kube::api::ListParams::default()
        .labels(&format!("{}={name}", api::names::LABEL_REGISTRY_CONFIG));
    Ok(pods.list(&of).await?.items)
}

/// Everything that the node-writers have logged, pods that are gone included.
pub(crate) fn writer_logs(cluster: &Cluster, name: &str) -> Result<String> {
    let logs = cluster.kubelet()?.logs(operator::NAMESPACE);
    Ok(logs
        .into_iter()
        .filter(|(pod, _)| pod.starts_with(&format!("{name}-")))
        .map(|(_, log)| log)
        .collect())
}

pub(crate) fn is_ready(pod: &k8s_openapi::api::core::v1::Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .into_iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

pub(crate) fn pod_revision(pod: &k8s_openapi::api::core::v1::Pod) -> Option<&str> {
    pod.labels()
        .get(api::names::LABEL_REVISION)
        .map(String::as_str)
}
