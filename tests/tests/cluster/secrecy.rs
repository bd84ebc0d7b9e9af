//! Random credentials, carried all the way: they stand in Secrets and in the nodes' files, and nowhere else.

use std::fmt::Write;
use std::io::Read;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{registry_config, secret, with_endpoint};
use e2e::kubelet::NodeSpec;
use e2e::{Cluster, operator, scenario};
use serde_json::json;

use super::support::{FILE, FOLDER, apply, condition, nodes, rolled_out};

/// Letters and digits that occur nowhere by chance.
fn random() -> Result<String> {
    let mut bytes = [0; 18];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::from("R"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_credentials_stand_in_no_event_status_log_metric_or_name() {
    scenario(
        NodeSpec::workers("worker", 2),
        async |cluster: &mut Cluster| {
            // The last level counts, too.
            operator::install(
                cluster,
                &["operator.logLevel=trace", "nodeWriter.logLevel=trace"],
            )
            .await?;
            carry_credentials(cluster).await
        },
    )
    .await;
}

async fn carry_credentials(cluster: &mut Cluster) -> Result<()> {
    let (login, document, endpoint, docker, broken) =
        (random()?, random()?, random()?, random()?, random()?);
    apply(
        cluster,
        &secret(
            "login",
            "kubernetes.io/basic-auth",
            &[("username", &login), ("password", &login)],
        ),
    )
    .await?;
    let text = format!(
        "mirrors:\n  quay.io:\n    endpoint: ['https://user:{endpoint}@mirror.internal/?token={endpoint}']\n\
         configs:\n  quay.internal:\n    auth: {{username: u, password: {document}}}\n"
    );
    apply(
        cluster,
        &secret("document", "Opaque", &[("registries.yaml", &text)]),
    )
    .await?;
    let docker_config =
        json!({"auths": {"docker.internal": {"username": "u", "password": docker}}}).to_string();
    apply(
        cluster,
        &secret(
            "docker",
            "kubernetes.io/dockerconfigjson",
            &[(".dockerconfigjson", &docker_config)],
        ),
    )
    .await?;
    let mut config = registry_config("default");
    config["spec"]["registries"]["configs"] = json!({
        "mirror.internal:5000": {"auth": {"secretRef": {"name": "login"}}},
        "docker.internal": {"auth": {"secretRef": {"name": "docker"}}},
    });
    config["spec"]["registriesFrom"] = json!([{"secretRef": {"name": "document"}}]);
    apply(cluster, &config).await?;
    rolled_out(cluster, "default").await?;

    // A change, a drift and a failure of the node: each makes other texts.
    apply(
        cluster,
        &with_endpoint(config.clone(), "https://second.internal"),
    )
    .await?;
    rolled_out(cluster, "default").await?;
    let all = nodes(cluster)?;
    let node = all.first().context("no node")?;
    let file = node.read(FILE).context("no file")?;
    for credential in [&login, &document, &endpoint, &docker] {
        ensure!(
            file.contains(credential.as_str()),
            "the file lacks a credential"
        );
    }
    node.make_read_only();
    apply(
        cluster,
        &with_endpoint(config.clone(), "https://third.internal"),
    )
    .await?;
    condition(cluster, "default", "Degraded", "True", "NodesDegraded").await?;
    node.heal();
    rolled_out(cluster, "default").await?;

    // Unreadable, with a credential at the place of the error.
    let unreadable = format!("configs:\n  a:\n    auth: {{password: '{broken}\n");
    apply(
        cluster,
        &secret("document", "Opaque", &[("registries.yaml", &unreadable)]),
    )
    .await?;
    condition(cluster, "default", "Stalled", "True", "InvalidSpec").await?;

    let shown = everything_shown(cluster).await?;
    for (name, credential) in [
        ("login", login),
        ("document", document),
        ("endpoint", endpoint),
        ("docker", docker),
        ("broken", broken),
    ] {
        if let Some((place, text)) = shown.iter().find(|(_, text)| text.contains(&credential)) {
            let line = text
                .lines()
                .find(|line| line.contains(&credential))
                .unwrap_or_default();
            anyhow::bail!("the credential of {name} stands in {place}: {line}");
        }
    }
    Ok(())
}

/// What people and machines other than the nodes get to see.
async fn everything_shown(cluster: &Cluster) -> Result<Vec<(String, String)>> {
    let mut shown = Vec::new();
    for (pod, log) in cluster.kubelet()?.logs(operator::NAMESPACE) {
        shown.push((format!("the log of {pod}"), log));
    }
    for kinds in [
        "registryconfigs",
        "events",
        "daemonsets,deployments,pods,controllerrevisions,leases,replicasets",
    ] {
        shown.push((
            kinds.into(),
            cluster
                .tools
                .kubectl(&["get", kinds, "-A", "-o", "yaml"])
                .await?,
        ));
    }
    shown.push((
        "names".into(),
        cluster
            .tools
            .kubectl(&["get", "all,secrets,configmaps", "-A", "-o", "name"])
            .await?,
    ));
    for pod in operator::pods(cluster).await? {
        shown.push(("metrics".into(), operator::metrics(cluster, &pod).await?));
    }
    shown.push((
        "the audit log".into(),
        std::fs::read_to_string(cluster.api.audit_log())?,
    ));
    for node in nodes(cluster)? {
        let folder = std::fs::read_dir(node.path(&format!("{FOLDER}/berth")))?;
        let names: Vec<String> = folder
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        shown.push((format!("file names of {}", node.name), names.join("\n")));
    }
    ensure!(
        shown
            .iter()
            .any(|(place, text)| place == "metrics" && text.contains("berth_")),
        "no metrics"
    );
    Ok(shown)
}
