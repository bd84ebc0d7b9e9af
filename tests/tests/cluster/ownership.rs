//! Deletion, and several `RegistryConfig`s that want the same node.

use anyhow::{Result, ensure};
use e2e::fixtures::{registry_config, with_endpoint};
use e2e::kubelet::NodeSpec;
use e2e::{Cluster, eventually};
use serde_json::json;

use super::support::{FILE, SOON, apply, condition, configs, event, installed, nodes, rolled_out};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_puts_back_what_every_node_had_before() {
    installed(
        NodeSpec::workers("worker", 3),
        async |cluster: &mut Cluster| {
            let original = "# by hand\nmirrors: {}\n";
            cluster.kubelet()?.node("worker-1")?.write(FILE, original)?;
            let config = registry_config("default");
            apply(cluster, &config).await?;
            rolled_out(cluster, "default").await?;
            apply(cluster, &with_endpoint(config, "https://second.internal")).await?;
            rolled_out(cluster, "default").await?;
            cluster
                .tools
                .kubectl(&["delete", "registryconfig", "default", "--timeout=120s"])
                .await?;
            let files: Vec<_> = nodes(cluster)?.iter().map(|node| node.read(FILE)).collect();
            ensure!(
                files == [None, Some(original.to_string()), None],
                "{files:?}"
            );
            leaves_nothing(cluster).await
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_with_retain_leaves_the_file() {
    installed(
        NodeSpec::workers("worker", 2),
        async |cluster: &mut Cluster| {
            let mut config = registry_config("default");
            config["spec"]["deletionPolicy"] = json!("Retain");
            apply(cluster, &config).await?;
            rolled_out(cluster, "default").await?;
            cluster
                .tools
                .kubectl(&["delete", "registryconfig", "default", "--timeout=120s"])
                .await?;
            leaves_nothing(cluster).await?;
            for node in nodes(cluster)? {
                ensure!(
                    node.read(FILE)
                        .is_some_and(|file| file.contains("https://mirror.internal:5000")),
                    "{} lost it",
                    node.name
                );
            }
            Ok(())
        },
    )
    .await;
}

async fn leaves_nothing(cluster: &Cluster) -> Result<()> {
    eventually("nothing left in the cluster", SOON, || async {
        let selector = format!("--selector={}", api::names::LABEL_REGISTRY_CONFIG);
        let left = cluster
            .tools
            .kubectl(&[
                "get",
                "daemonsets,pods,secrets",
                "-n",
                e2e::operator::NAMESPACE,
                &selector,
                "-o",
                "name",
            ])
            .await?;
        ensure!(left.trim().is_empty(), "{left}");
        Ok::<_, anyhow::Error>(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_older_registry_config_keeps_its_nodes_and_the_younger_one_says_so() {
    installed(
        NodeSpec::workers("worker", 2),
        async |cluster: &mut Cluster| {
            apply(cluster, &registry_config("older")).await?;
            rolled_out(cluster, "older").await?;
            // Ages are told apart by the second.
            eventually("another second", SOON, || async {
                let made = configs(cluster)
                    .get("older")
                    .await?
                    .metadata
                    .creation_timestamp
                    .map(|time| time.0);
                let passed = made.is_some_and(|made| jiff_seconds() > made.as_second() + 1);
                ensure!(passed, "not yet");
                Ok::<_, anyhow::Error>(())
            })
            .await?;
            apply(
                cluster,
                &with_endpoint(registry_config("younger"), "https://second.internal"),
            )
            .await?;
            let conflict =
                condition(cluster, "younger", "Ready", "False", "SelectorConflict").await?;
            ensure!(
                conflict.message.contains('2'),
                "no count: {}",
                conflict.message
            );
            event(cluster, "younger", "SelectorConflict", "").await?;
            for node in nodes(cluster)? {
                let file = node.read(FILE).unwrap_or_default();
                ensure!(
                    file.contains("https://mirror.internal:5000"),
                    "{}: {file}",
                    node.name
                );
            }
            condition(cluster, "older", "Ready", "True", "RolledOut").await?;
            cluster
                .tools
                .kubectl(&["delete", "registryconfig", "older", "--timeout=120s"])
                .await?;
            rolled_out(cluster, "younger").await?;
            for node in nodes(cluster)? {
                let file = node.read(FILE).unwrap_or_default();
                ensure!(
                    file.contains("https://second.internal"),
                    "{}: {file}",
                    node.name
                );
            }
            Ok(())
        },
    )
    .await;
}

fn jiff_seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_set_that_somebody_else_made_is_named_and_never_touched() {
    installed(
        NodeSpec::workers("worker", 1),
        async |cluster: &mut Cluster| {
            let labels = json!({"app": "other"});
            let foreign = json!({
                "apiVersion": "apps/v1", "kind": "DaemonSet",
                "metadata": {"name": "default-workers", "namespace": e2e::operator::NAMESPACE, "labels": labels},
                "spec": {
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": {
                        "nodeSelector": {"no-such": "node"}, "containers": [{"name": "other", "image": "other"}],
                    }},
                },
            });
            apply(cluster, &foreign).await?;
            apply(cluster, &registry_config("default")).await?;
            let stalled = condition(cluster, "default", "Stalled", "True", "InvalidSpec").await?;
            ensure!(
                stalled.message.contains("DaemonSet berth-system/default-workers"),
                "{}",
                stalled.message
            );
            let delete = ["delete", "registryconfig", "default", "--timeout=120s"];
            cluster.tools.kubectl(&delete).await?;
            let namespace = e2e::operator::NAMESPACE;
            let get = ["get", "daemonset", "-n", namespace, "-o"];
            let image = "jsonpath={.items[*].spec.template.spec.containers[*].image}";
            let images = cluster.tools.kubectl(&[&get[..], &[image]].concat()).await?;
            ensure!(images == "other", "{images}");
            // With the name free the same resource rolls out.
            let delete = ["delete", "daemonset", "default-workers", "-n", namespace];
            cluster.tools.kubectl(&delete).await?;
            apply(cluster, &registry_config("default")).await?;
            rolled_out(cluster, "default").await?;
            Ok(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_leaves_the_selector_keeps_its_file_and_is_named() {
    let pool = |name: &str| NodeSpec::worker(name).label("pool", "build");
    installed(
        [pool("stays"), pool("leaves")],
        async |cluster: &mut Cluster| {
            let mut config = registry_config("default");
            config["spec"]["nodeSelector"] = json!({"matchLabels": {"pool": "build"}});
            apply(cluster, &config).await?;
            rolled_out(cluster, "default").await?;
            cluster
                .tools
                .kubectl(&["label", "node", "leaves", "pool=web", "--overwrite"])
                .await?;
            event(
                cluster,
                "default",
                "NodeLeft",
                "node leaves left the nodeSelector",
            )
            .await?;
            eventually("one node", SOON, || async {
                let status = configs(cluster)
                    .get("default")
                    .await?
                    .status
                    .unwrap_or_default();
                let counts = status.nodes.unwrap_or_default();
                ensure!((counts.desired, counts.ready) == (1, 1), "{counts:?}");
                Ok::<_, anyhow::Error>(())
            })
            .await?;
            rolled_out(cluster, "default").await?;
            for node in nodes(cluster)? {
                let file = node.read(FILE).unwrap_or_default();
                ensure!(
                    file.contains("https://mirror.internal:5000"),
                    "{}",
                    node.name
                );
            }
            let shown = ["describe", "registryconfig", "default"];
            let shown = cluster.tools.kubectl(&shown).await?;
            ensure!(
                shown.matches("NodeLeft").count() == 1,
                "told more than once: {shown}"
            );
            Ok(())
        },
    )
    .await;
}
