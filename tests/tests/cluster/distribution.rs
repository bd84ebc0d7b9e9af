//! Which file a node reads, and how many revisions are kept.

use std::time::Duration;

use anyhow::ensure;
use e2e::fixtures::{registry_config, with_endpoint};
use e2e::kubelet::NodeSpec;
use e2e::{Cluster, eventually, operator, steadily};

use super::support::{FILE, SOON, apply, condition, installed, nodes, rolled_out};

const RKE2_FILE: &str = "/etc/rancher/rke2/registries.yaml";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rke2_nodes_get_the_file_that_rke2_reads() {
    let rke2 = NodeSpec::worker("worker-0").version("v1.33.3+rke2r1");
    installed([rke2], async |cluster: &mut Cluster| {
        apply(cluster, &registry_config("default")).await?;
        rolled_out(cluster, "default").await?;
        let node = cluster.kubelet()?.node("worker-0")?;
        ensure!(
            node.read(RKE2_FILE)
                .is_some_and(|file| file.contains("https://mirror.internal:5000"))
        );
        ensure!(
            !node.path("/etc/rancher/k3s").exists(),
            "a folder that nobody reads"
        );
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_two_distributions_under_one_selector_are_refused_by_name() {
    let mixed = [
        NodeSpec::worker("k3s-0"),
        NodeSpec::worker("rke2-0").version("v1.33.3+rke2r1"),
    ];
    installed(mixed, async |cluster: &mut Cluster| {
        apply(cluster, &registry_config("default")).await?;
        let stalled = condition(cluster, "default", "Stalled", "True", "InvalidSpec").await?;
        ensure!(
            stalled.message.contains("k3s (k3s-0) and of RKE2 (rke2-0)"),
            "{}",
            stalled.message
        );
        steadily("no file", Duration::from_secs(2), || {
            let written =
                nodes(cluster).map(|nodes| nodes.iter().any(|node| node.read(FILE).is_some()));
            async move {
                if matches!(written, Ok(false)) {
                    Ok(())
                } else {
                    Err(format!("{written:?}"))
                }
            }
        })
        .await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_reads_its_file_elsewhere_is_reported_and_left_alone() {
    let elsewhere = NodeSpec::worker("elsewhere").annotation(
        "k3s.io/node-args",
        r#"["agent","--private-registry","/opt/registries.yaml"]"#,
    );
    installed(
        [NodeSpec::worker("worker-0"), elsewhere],
        async |cluster: &mut Cluster| {
            apply(cluster, &registry_config("default")).await?;
            let degraded =
                condition(cluster, "default", "Degraded", "True", "NodesDegraded").await?;
            ensure!(
                degraded.message.contains("elsewhere"),
                "{}",
                degraded.message
            );
            let node = cluster.kubelet()?.node("worker-0")?;
            eventually("the file of the other node", SOON, || {
                let file = node.read(FILE);
                async move { file.map(drop).ok_or("no file") }
            })
            .await?;
            ensure!(
                cluster.kubelet()?.node("elsewhere")?.read(FILE).is_none(),
                "it was written"
            );
            Ok(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_revisions_are_kept() {
    installed(
        NodeSpec::workers("worker", 1),
        async |cluster: &mut Cluster| {
            for number in 0..5 {
                apply(
                    cluster,
                    &with_endpoint(
                        registry_config("default"),
                        &format!("https://number-{number}.internal"),
                    ),
                )
                .await?;
                rolled_out(cluster, "default").await?;
            }
            eventually("three Secrets", SOON, || async {
                let selector = format!("--selector={}=default", api::names::LABEL_REGISTRY_CONFIG);
                let kept = cluster
                    .tools
                    .kubectl(&[
                        "get",
                        "secrets",
                        "-n",
                        operator::NAMESPACE,
                        &selector,
                        "-o",
                        "name",
                    ])
                    .await?;
                ensure!(kept.lines().count() == 3, "{kept}");
                Ok::<_, anyhow::Error>(())
            })
            .await
        },
    )
    .await;
}
