//! The test kubelet itself, on a hand-written `DaemonSet`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::kubelet::NodeSpec;
use e2e::{Cluster, eventually, scenario};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::json;

const FOLDER: &str = "/etc/rancher/k3s";

fn manifest() -> String {
    let probe = [
        "/node-writer",
        "status",
        "--source",
        "/config",
        "--folder",
        FOLDER,
        "--revision",
        "one",
    ];
    let daemon_set = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "writer", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "writer"}},
            "template": {
                "metadata": {"labels": {"app": "writer"}},
                "spec": {
                    "automountServiceAccountToken": false,
                    "terminationGracePeriodSeconds": 2,
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [{
                        "name": "writer", "image": "berth-node-writer:test",
                        "args": ["run", "--source", "/config", "--folder", FOLDER, "--revision", "one"],
                        "securityContext": {"readOnlyRootFilesystem": true},
                        "readinessProbe": {"exec": {"command": probe}, "periodSeconds": 1},
                        "volumeMounts": [
                            {"name": "config", "mountPath": "/config", "readOnly": true},
                            {"name": "folder", "mountPath": FOLDER},
                        ],
                    }],
                    "volumes": [
                        {"name": "config", "secret": {"secretName": "one"}},
                        {"name": "folder", "hostPath": {"path": FOLDER, "type": "DirectoryOrCreate"}},
                    ],
                },
            },
        },
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one", "namespace": "default"},
        "stringData": {"registries.yaml": "mirrors: {}\n"},
    });
    format!("{daemon_set}\n---\n{secret}\n")
}

async fn terminated_message(cluster: &Cluster, node: &str) -> Result<String> {
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), "default")
        .list(&ListParams::default())
        .await?;
    let pod = pods
        .items
        .into_iter()
        .find(|pod| {
            pod.spec
                .as_ref()
                .is_some_and(|spec| spec.node_name.as_deref() == Some(node))
        })
        .context("no pod")?;
    let status = pod
        .status
        .and_then(|status| status.container_statuses)
        .unwrap_or_default();
    let container = status.into_iter().next().context("no container status")?;
    let ended = |state: Option<k8s_openapi::api::core::v1::ContainerState>| {
        state.and_then(|state| state.terminated)
    };
    let end = ended(container.state)
        .or_else(|| ended(container.last_state))
        .context("not terminated")?;
    end.message.context("no termination message")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_of_a_daemon_set_run_on_their_nodes_with_faults_and_probes() {
    scenario(NodeSpec::workers("node", 3), daemon_set_with_a_fault).await;
}

async fn daemon_set_with_a_fault(cluster: &mut Cluster) -> Result<()> {
    let broken = cluster.kubelet()?.node("node-1")?;
    broken.make_read_only();
    cluster.tools.apply(&manifest()).await?;

    let sets = Api::<DaemonSet>::namespaced(cluster.client.clone(), "default");
    let ready = |wanted: i32| {
        let sets = sets.clone();
        async move {
            let ready = sets
                .get("writer")
                .await?
                .status
                .map_or(0, |status| status.number_ready);
            ensure!(ready == wanted, "{ready} ready");
            Ok(())
        }
    };
    eventually("two ready pods", Duration::from_secs(30), || ready(2)).await?;
    let message = eventually("a termination message", Duration::from_secs(20), || {
        terminated_message(cluster, "node-1")
    })
    .await?;
    assert!(
        message.contains("ead-only") || message.contains("FolderReadOnly"),
        "{message}"
    );
    assert_eq!(
        cluster
            .kubelet()?
            .node("node-0")?
            .read("/etc/rancher/k3s/registries.yaml")
            .as_deref(),
        Some("mirrors: {}\n")
    );
    assert_eq!(broken.read("/etc/rancher/k3s/registries.yaml"), None);

    broken.heal();
    eventually("three ready pods", Duration::from_secs(30), || ready(3)).await?;

    cluster
        .tools
        .kubectl(&["delete", "daemonset", "writer", "--timeout=30s"])
        .await?;
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), "default");
    eventually("no pods", Duration::from_secs(30), || async {
        let left: Vec<String> = pods
            .list(&ListParams::default())
            .await?
            .items
            .iter()
            .map(ResourceExt::name_any)
            .collect();
        ensure!(left.is_empty(), "left: {left:?}");
        Ok(())
    })
    .await
}
