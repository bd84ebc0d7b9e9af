//! How far and in which order a rollout goes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::fixtures::{registry_config, with_endpoint, with_max_unavailable};
use e2e::kubelet::NodeSpec;
use e2e::{Cluster, eventually, steadily};
use serde_json::json;
use tokio::time::Instant;

use super::support::{
    FOLDER, SOON, apply, condition, event, holding, installed, is_ready, nodes, revision,
    rolled_out, writers,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_revision_that_fails_everywhere_changes_exactly_max_unavailable_files() {
    installed(
        NodeSpec::workers("worker", 20),
        async |cluster: &mut Cluster| {
            let nodes = nodes(cluster)?;
            for node in &nodes {
                node.ready_only_with("--record");
            }
            apply(
                cluster,
                &with_max_unavailable(registry_config("default"), &json!(3)),
            )
            .await?;
            let changed = || {
                let changed = holding(&nodes, "https://mirror.internal:5000").len();
                async move {
                    if changed == 3 {
                        Ok(())
                    } else {
                        Err(format!("{changed} files changed"))
                    }
                }
            };
            eventually("three changed files", SOON, changed).await?;
            steadily("three changed files", Duration::from_secs(10), changed).await
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_come_before_control_plane_nodes_which_go_one_at_a_time() {
    let mut all = NodeSpec::workers("worker", 4);
    for (number, label) in ["control-plane", "master", "etcd"].into_iter().enumerate() {
        all.push(
            NodeSpec::worker(format!("server-{number}"))
                .label(&format!("node-role.kubernetes.io/{label}"), "true"),
        );
    }
    installed(all, async |cluster: &mut Cluster| {
        let config = with_max_unavailable(registry_config("default"), &json!("50%"));
        apply(cluster, &config).await?;
        rolled_out(cluster, "default").await?;
        apply(cluster, &with_endpoint(config, "https://second.internal")).await?;
        let changed = watch_order(cluster).await?;
        let last_worker = changed
            .iter()
            .filter(|(name, _)| name.starts_with("worker"))
            .map(|(_, at)| *at)
            .max();
        let first_server = changed
            .iter()
            .filter(|(name, _)| name.starts_with("server"))
            .map(|(_, at)| *at)
            .min();
        ensure!(last_worker < first_server, "{changed:?}");
        rolled_out(cluster, "default").await?;
        Ok(())
    })
    .await;
}

/// When each node got the second file; fails as soon as two control-plane nodes are away at once.
async fn watch_order(cluster: &Cluster) -> Result<BTreeMap<String, Instant>> {
    let nodes = nodes(cluster)?;
    let mut changed = BTreeMap::new();
    let end = Instant::now() + SOON;
    while changed.len() < nodes.len() {
        ensure!(
            Instant::now() < end,
            "only these changed: {:?}",
            changed.keys()
        );
        for name in holding(&nodes, "https://second.internal") {
            changed.entry(name).or_insert_with(Instant::now);
        }
        let pods = writers(cluster, "default").await?;
        let servers = pods.iter().filter(|pod| {
            pod.spec
                .as_ref()
                .and_then(|spec| spec.node_name.as_ref())
                .is_some_and(|node| node.starts_with("server"))
        });
        let ready = servers.filter(|pod| is_ready(pod)).count();
        ensure!(ready >= 2, "{ready} of 3 control-plane pods are ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(changed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_deadline_passes_the_last_good_revision_comes_back() {
    installed(
        NodeSpec::workers("worker", 3),
        async |cluster: &mut Cluster| {
            let mut config = registry_config("default");
            config["spec"]["updateStrategy"]["rollingUpdate"]["progressDeadlineSeconds"] = json!(5);
            apply(cluster, &config).await?;
            rolled_out(cluster, "default").await?;
            let good = revision(cluster, "default").await?;
            let nodes = nodes(cluster)?;
            for node in &nodes {
                node.ready_only_with(&good);
            }
            apply(
                cluster,
                &with_endpoint(config.clone(), "https://broken.internal"),
            )
            .await?;
            condition(cluster, "default", "Stalled", "True", "RolledBack").await?;
            event(cluster, "default", "RolledBack", "").await?;
            eventually("the good file everywhere", SOON, || {
                let good = holding(&nodes, "https://mirror.internal:5000");
                async move {
                    if good.len() == 3 {
                        Ok(())
                    } else {
                        Err(format!("{good:?}"))
                    }
                }
            })
            .await?;
            let broken = nodes.iter().filter(|node| {
                let before = node.read(&format!("{FOLDER}/berth/previous.yaml"));
                before.is_some_and(|file| file.contains("https://broken.internal"))
            });
            ensure!(broken.count() == 1, "more than one node was tried");
            // A mended spec rolls out again.
            for node in &nodes {
                node.heal();
            }
            apply(cluster, &with_endpoint(config, "https://mended.internal")).await?;
            rolled_out(cluster, "default").await?;
            ensure!(holding(&nodes, "https://mended.internal").len() == 3);
            Ok(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_not_ready_is_counted_and_not_waited_for_and_catches_up() {
    let mut all = NodeSpec::workers("worker", 3);
    all.push(NodeSpec::control_plane("server-0"));
    installed(all, async |cluster: &mut Cluster| {
        let config = with_max_unavailable(registry_config("default"), &json!(2));
        apply(cluster, &config).await?;
        rolled_out(cluster, "default").await?;
        let away = cluster.kubelet()?.node("worker-2")?;
        away.go_down().await?;
        apply(cluster, &with_endpoint(config, "https://second.internal")).await?;
        let nodes = nodes(cluster)?;
        eventually("the file on all nodes but one", SOON, || {
            let changed = holding(&nodes, "https://second.internal");
            async move {
                if changed == ["server-0", "worker-0", "worker-1"] {
                    Ok(())
                } else {
                    Err(format!("{changed:?}"))
                }
            }
        })
        .await?;
        away.come_back().await?;
        rolled_out(cluster, "default").await?;
        ensure!(holding(&nodes, "https://second.internal").len() == 4);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_joins_later_takes_the_current_revision_at_once() {
    installed(
        NodeSpec::workers("worker", 2),
        async |cluster: &mut Cluster| {
            apply(cluster, &registry_config("default")).await?;
            rolled_out(cluster, "default").await?;
            cluster
                .kubelet()?
                .add_nodes([NodeSpec::worker("late")])
                .await?;
            let late = cluster.kubelet()?.node("late")?;
            eventually("the file on the new node", SOON, || {
                let file = late.read(super::support::FILE).unwrap_or_default();
                async move {
                    if file.contains("https://mirror.internal:5000") {
                        Ok(())
                    } else {
                        Err(file)
                    }
                }
            })
            .await?;
            rolled_out(cluster, "default").await?;
            Ok(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_registry_config_changes_no_node() {
    installed(
        NodeSpec::workers("worker", 2),
        async |cluster: &mut Cluster| {
            let config = registry_config("default");
            apply(cluster, &config).await?;
            rolled_out(cluster, "default").await?;
            let nodes = nodes(cluster)?;
            let mut paused = with_endpoint(config.clone(), "https://second.internal");
            paused["spec"]["paused"] = json!(true);
            apply(cluster, &paused).await?;
            condition(cluster, "default", "Ready", "False", "Paused").await?;
            steadily("the old file", Duration::from_secs(3), || {
                let changed = holding(&nodes, "https://second.internal");
                async move {
                    if changed.is_empty() {
                        Ok(())
                    } else {
                        Err(format!("{changed:?}"))
                    }
                }
            })
            .await?;
            paused["spec"]["paused"] = json!(false);
            apply(cluster, &paused).await?;
            rolled_out(cluster, "default").await?;
            ensure!(holding(&nodes, "https://second.internal").len() == 2);
            Ok(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_nodes_roll_out_and_never_more_than_allowed_are_unavailable() {
    const NODES: usize = 200;
    const AT_ONCE: usize = 50;
    installed(
        NodeSpec::workers("worker", NODES),
        async |cluster: &mut Cluster| {
            let config = with_max_unavailable(registry_config("default"), &json!("25%"));
            apply(cluster, &config).await?;
            settles(cluster, AT_ONCE).await?;
            let nodes = nodes(cluster)?;
            ensure!(holding(&nodes, "https://mirror.internal:5000").len() == NODES);
            apply(cluster, &with_endpoint(config, "https://second.internal")).await?;
            settles(cluster, AT_ONCE).await?;
            ensure!(holding(&nodes, "https://second.internal").len() == NODES);
            Ok(())
        },
    )
    .await;
}

/// Waits for the newest generation, looking all the while how many nodes are without a ready pod.
async fn settles(cluster: &Cluster, at_once: usize) -> Result<()> {
    let mut most = 0;
    let mut seen_all = false;
    let end = Instant::now() + Duration::from_secs(240);
    loop {
        let config = super::support::configs(cluster).get("default").await?;
        let status = config.status.clone().unwrap_or_default();
        let ready = status.conditions.iter().any(|condition| {
            condition.type_ == "Ready"
                && condition.status == "True"
                && condition.observed_generation == config.metadata.generation
        });
        let pods = writers(cluster, "default").await?;
        let available = pods.iter().filter(|pod| is_ready(pod)).count();
        let total = cluster.kubelet()?.nodes().len();
        // Until the first revision every pod is new; the limit holds from then on.
        seen_all |= available == total;
        if seen_all {
            most = most.max(total - available);
        }
        ensure!(most <= at_once, "{most} nodes were unavailable at once");
        if ready {
            return Ok(());
        }
        ensure!(Instant::now() < end, "not settled: {status:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
