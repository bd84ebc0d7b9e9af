//! What happens when the operator or the API server goes away, and what is written when nothing changes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{registry_config, with_endpoint};
use e2e::kubelet::NodeSpec;
use e2e::{Cluster, eventually, operator, scenario, steadily};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use serde_json::Value;

use super::support::{SOON, apply, condition, holding, installed, nodes, rolled_out};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_operator_goes_on_and_writes_nothing_when_there_is_nothing_to_do() {
    installed(
        NodeSpec::workers("worker", 3),
        async |cluster: &mut Cluster| {
            // The rollout stands at its first node until that one is healed.
            let nodes = nodes(cluster)?;
            for node in &nodes {
                node.ready_only_with("--record");
            }
            apply(cluster, &registry_config("default")).await?;
            eventually("one node of three", SOON, || async {
                let holding = holding(&nodes, "https://mirror.internal:5000");
                ensure!(holding.len() == 1, "{holding:?}");
                Ok::<_, anyhow::Error>(())
            })
            .await?;
            condition(cluster, "default", "Ready", "False", "RollingOut").await?;
            restart_operator(cluster).await?;
            for node in &nodes {
                node.heal();
            }
            rolled_out(cluster, "default").await?;
            ensure!(holding(&nodes, "https://mirror.internal:5000").len() == 3);

            let before = audit(cluster)?.len();
            restart_operator(cluster).await?;
            let quiet = || async {
                let writes: Vec<Value> = audit(cluster)?
                    .split_off(before)
                    .into_iter()
                    .filter(is_operators)
                    .collect();
                ensure!(writes.is_empty(), "{writes:?}");
                Ok::<_, anyhow::Error>(())
            };
            steadily(
                "an operator that writes nothing but its Lease",
                Duration::from_secs(8),
                quiet,
            )
            .await
        },
    )
    .await;
}

async fn restart_operator(cluster: &Cluster) -> Result<()> {
    let pods = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(
        cluster.client.clone(),
        operator::NAMESPACE,
    );
    let old: Vec<String> = operator::pods(cluster)
        .await?
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    for name in &old {
        pods.delete(name, &DeleteParams::default()).await?;
    }
    eventually("another operator", SOON, || async {
        let new = operator::pods(cluster).await?;
        ensure!(
            new.iter().all(|pod| !old.contains(&pod.name_any())),
            "the old pod is there"
        );
        ensure!(new.iter().any(super::support::is_ready), "not ready");
        Ok::<_, anyhow::Error>(())
    })
    .await
}

/// Every write so far, as the API server saw it.
fn audit(cluster: &Cluster) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(cluster.api.audit_log())?;
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

fn is_operators(event: &Value) -> bool {
    let user = event["user"]["username"].as_str().unwrap_or_default();
    user.starts_with(&format!("system:serviceaccount:{}:", operator::NAMESPACE))
        && event["objectRef"]["resource"] != "leases"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_keep_their_files_while_the_api_server_is_away_and_work_goes_on_afterwards() {
    installed(
        NodeSpec::workers("worker", 2),
        async |cluster: &mut Cluster| {
            apply(cluster, &registry_config("default")).await?;
            rolled_out(cluster, "default").await?;
            cluster.api.stop_server();
            let nodes = nodes(cluster)?;
            let node = nodes.first().context("no node")?;
            node.write(super::support::FILE, "mirrors: {}\n")?;
            eventually("a repair without an API server", SOON, || {
                let good = holding(&nodes, "https://mirror.internal:5000").len();
                async move {
                    if good == 2 {
                        Ok(())
                    } else {
                        Err(good.to_string())
                    }
                }
            })
            .await?;
            cluster.api.start_server().await?;
            apply(
                cluster,
                &with_endpoint(registry_config("default"), "https://second.internal"),
            )
            .await?;
            rolled_out(cluster, "default").await?;
            ensure!(holding(&nodes, "https://second.internal").len() == 2);
            Ok(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_operators_one_leads_and_hands_over_at_once_when_it_stops() {
    scenario(
        NodeSpec::workers("worker", 2),
        async |cluster: &mut Cluster| {
            operator::install(cluster, &["operator.replicas=2"]).await?;
            // Whoever waits until the Lease ends by itself waits for longer than this test.
            let setting = "BERTH_LEASE_SECONDS=300";
            let set = ["set", "env", "deployment", "--all", setting, "-n"];
            cluster
                .tools
                .kubectl(&[&set[..], &[operator::NAMESPACE]].concat())
                .await?;
            operator::wait_until_ready(cluster).await?;
            let leader = another_leader(cluster, None).await?;
            apply(cluster, &registry_config("default")).await?;
            rolled_out(cluster, "default").await?;
            let pods = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(
                cluster.client.clone(),
                operator::NAMESPACE,
            );
            pods.delete(&leader, &DeleteParams::default()).await?;
            another_leader(cluster, Some(&leader)).await?;
            apply(
                cluster,
                &with_endpoint(registry_config("default"), "https://second.internal"),
            )
            .await?;
            rolled_out(cluster, "default").await?;
            ensure!(holding(&nodes(cluster)?, "https://second.internal").len() == 2);
            Ok(())
        },
    )
    .await;
}

/// Waits until a pod that stays holds the Lease, and not the one that held it before.
async fn another_leader(cluster: &Cluster, before: Option<&str>) -> Result<String> {
    eventually("another leader", SOON, || async {
        let pods = operator::pods(cluster).await?;
        let now = holder(cluster).await?;
        ensure!(
            Some(now.as_str()) != before
                && pods
                    .iter()
                    .any(|pod| pod.name_any() == now && super::support::is_ready(pod)),
            "now it is {now:?}"
        );
        Ok::<_, anyhow::Error>(now)
    })
    .await
}

async fn holder(cluster: &Cluster) -> Result<String> {
    let leases = Api::<Lease>::namespaced(cluster.client.clone(), operator::NAMESPACE);
    let found = leases.list(&kube::api::ListParams::default()).await?;
    let lease = found.items.into_iter().next().context("no Lease")?;
    Ok(lease
        .spec
        .and_then(|spec| spec.holder_identity)
        .unwrap_or_default())
}
