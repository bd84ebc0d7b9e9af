//! The operator as users install it: the chart of this repository, by helm.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use crate::cluster::Cluster;
use crate::settings::repository;
use crate::wait::eventually;

/// Where the operator lives and looks for the Secrets that `RegistryConfigs` name.
pub const NAMESPACE: &str = "berth-system";
const RELEASE: &str = "berth";

/// Installs the chart with further `--set` values and waits until the operator is ready.
pub async fn install(cluster: &Cluster, values: &[&str]) -> Result<()> {
    let chart = repository().join("charts/berth").display().to_string();
    let mut arguments = vec![
        "install",
        RELEASE,
        &chart,
        "--namespace",
        NAMESPACE,
        "--create-namespace",
    ];
    // Tests read logs down to the last detail, because no level may show a secret.
    arguments.extend([
        "--set",
        "operator.logLevel=info\\,berth_operator=debug",
        "--set",
        "nodeWriter.logLevel=debug",
    ]);
    for value in values {
        arguments.extend(["--set", value]);
    }
    cluster.tools.helm(&arguments).await?;
    wait_until_ready(cluster).await
}

pub async fn wait_until_ready(cluster: &Cluster) -> Result<()> {
    let deployments = Api::<Deployment>::namespaced(cluster.client.clone(), NAMESPACE);
    eventually("a ready operator", Duration::from_secs(40), || async {
        let found = deployments.list(&ListParams::default()).await?;
        let deployment = found.items.first().context("no deployment")?;
        let status = deployment.status.clone().unwrap_or_default();
        let wanted = deployment
            .spec
            .as_ref()
            .and_then(|spec| spec.replicas)
            .unwrap_or(1);
        anyhow::ensure!(
            status.observed_generation == deployment.metadata.generation
                && status.updated_replicas.unwrap_or(0) == wanted
                && status.replicas.unwrap_or(0) == wanted
                && status.ready_replicas.unwrap_or(0) == wanted,
            "{} of {wanted} ready",
            status.ready_replicas.unwrap_or(0)
        );
        Ok::<_, anyhow::Error>(())
    })
    .await
}

/// The operator's pods, by name.
pub async fn pods(cluster: &Cluster) -> Result<Vec<Pod>> {
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), NAMESPACE);
    let mut found = pods.list(&ListParams::default()).await?.items;
    found.retain(|pod| pod.name_any().contains("operator"));
    found.sort_by_key(ResourceExt::name_any);
    Ok(found)
}

/// `/metrics` of an operator pod.
pub async fn metrics(cluster: &Cluster, pod: &Pod) -> Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = pod
        .status
        .as_ref()
        .and_then(|status| status.pod_ip.clone())
        .context("the operator has no address")?;
    let container = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.containers.first())
        .context("no container")?;
    let port = container
        .ports
        .iter()
        .flatten()
        .next()
        .context("the operator names no port")?
        .container_port;
    let mut stream =
        tokio::net::TcpStream::connect((address.as_str(), u16::try_from(port)?)).await?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let _ = cluster;
    Ok(answer)
}
