//! What the scenarios share.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::docker::Session;
use e2e::eventually;
use serde_json::Value;

/// Long enough for a slow machine; conditions are met in a few seconds.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) fn node(cluster: &str, rest: &str) -> String {
    format!("k3d-{cluster}-{rest}")
}

/// Fails with both when a text lacks a part.
pub(crate) fn contains(text: &str, part: &str) -> Result<()> {
    ensure!(text.contains(part), "{part:?} is not in:\n{text}");
    Ok(())
}

pub(crate) fn lacks(text: &str, part: &str) -> Result<()> {
    ensure!(!text.contains(part), "{part:?} is in:\n{text}");
    Ok(())
}

/// The nodes that Kubernetes knows, once they are so many.
pub(crate) async fn has_nodes(session: &Session, count: usize) -> Result<()> {
    eventually(&format!("{count} nodes"), SOON, || async {
        let nodes = session.kubernetes_nodes().await?;
        ensure!(nodes.len() == count, "{nodes:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await
}

/// The entry of `cluster list -o json` for a cluster.
pub(crate) async fn listed(session: &Session, cluster: &str) -> Result<Value> {
    let list = session
        .json(&["cluster", "list", cluster, "-o", "json"])
        .await?;
    let entries = list.as_array().context("no list")?;
    ensure!(entries.len() == 1, "{list}");
    Ok(entries[0].clone())
}

/// Counts as `cluster list` has them: running servers, servers, running agents, agents.
pub(crate) async fn counts(session: &Session, cluster: &str) -> Result<[u64; 4]> {
    let entry = listed(session, cluster).await?;
    let mut counts = [0; 4];
    for (count, key) in counts.iter_mut().zip([
        "serversRunning",
        "serversCount",
        "agentsRunning",
        "agentsCount",
    ]) {
        *count = entry[key]
            .as_u64()
            .with_context(|| format!("{key} in {entry}"))?;
    }
    Ok(counts)
}

/// A name in a node's hosts file.
pub(crate) async fn resolves(session: &Session, container: &str, name: &str) -> Result<()> {
    let hosts = session.engine.file(container, "/etc/hosts").await?;
    ensure!(
        hosts
            .lines()
            .any(|line| line.split_whitespace().skip(1).any(|word| word == name)),
        "{name} is not in {container}'s hosts file:\n{hosts}"
    );
    Ok(())
}

/// The cluster's DNS serves a host: in the way that k3d has, at once, and by the custom part of its configuration.
pub(crate) async fn coredns_serves(session: &Session, name: &str) -> Result<()> {
    let map = async |name| session.get(&["-n", "kube-system", "configmap", name]).await;
    let in_hosts = format!(" {name}");
    // The node writes a moment after the API server is there.
    eventually(&format!("{name} in NodeHosts"), SOON, || async {
        let hosts = map("coredns").await?["data"]["NodeHosts"].to_string();
        contains(&hosts, &in_hosts)
    })
    .await?;
    eventually(
        &format!("{name} in CoreDNS's custom part"),
        SOON,
        || async { contains(&map("coredns-custom").await?["data"].to_string(), name) },
    )
    .await
}

pub(crate) fn strings(list: &Value) -> Vec<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(String::from))
        .collect()
}
