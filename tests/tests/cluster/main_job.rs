//! The main job: `kubectl apply` ends as a proven file on every node, with a redacted diff in the log.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{registry_config, secret, with_endpoint};
use e2e::kubelet::NodeSpec;
use e2e::settings::repository;
use e2e::{Cluster, operator};
use serde_json::json;

use super::support::{FILE, FOLDER, apply, event, installed, nodes, rolled_out, writer_logs};

const PASSWORD: &str = "a-pass-word-of-the-main-job";

fn four_nodes() -> Vec<NodeSpec> {
    let mut nodes = NodeSpec::workers("worker", 3);
    nodes.push(NodeSpec::control_plane("server-0"));
    nodes
}

/// A certificate that signs itself.
fn certificate() -> Result<String> {
    let output = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args([
            "-keyout",
            "/dev/null",
            "-subj",
            "/CN=internal ca",
            "-days",
            "2",
        ])
        .output()?;
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_applied_registry_config_becomes_a_proven_file_on_every_node() {
    installed(four_nodes(), main_job).await;
}

async fn main_job(cluster: &mut Cluster) -> Result<()> {
    let certificate = certificate()?;
    cluster
        .kubelet()?
        .node("worker-1")?
        .write(FILE, "# by hand\nmirrors: {}\n")?;
    apply(
        cluster,
        &secret(
            "mirror-login",
            "kubernetes.io/basic-auth",
            &[("username", "puller"), ("password", PASSWORD)],
        ),
    )
    .await?;
    let ca = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "internal-ca", "namespace": operator::NAMESPACE}, "data": {"ca.crt": certificate},
    });
    apply(cluster, &ca).await?;
    let mut config = registry_config("default");
    config["spec"]["registries"]["configs"] = json!({"mirror.internal:5000": {
        "auth": {"secretRef": {"name": "mirror-login"}},
        "tls": {"caRef": {"name": "internal-ca"}},
    }});
    apply(cluster, &config).await?;
    cluster
        .tools
        .kubectl(&[
            "wait",
            "registryconfig/default",
            "--for=condition=Ready",
            "--timeout=120s",
        ])
        .await?;

    for node in nodes(cluster)? {
        let file = node
            .read(FILE)
            .with_context(|| format!("{} has no file", node.name))?;
        ensure!(
            file.contains("https://mirror.internal:5000") && file.contains(PASSWORD),
            "{file}"
        );
        let mode = std::fs::metadata(node.path(FILE))?.permissions().mode() & 0o777;
        ensure!(mode == 0o600, "{}: mode {mode:o}", node.name);
        let placed = file
            .lines()
            .find_map(|line| line.trim().strip_prefix("ca_file: "))
            .context("no ca_file")?;
        let placed = node
            .read(placed.trim_matches(['"', '\'']))
            .with_context(|| format!("{} has no CA", node.name))?;
        ensure!(
            placed.trim() == certificate.trim(),
            "another certificate: {placed}"
        );
    }
    let hand_written = cluster
        .kubelet()?
        .node("worker-1")?
        .read(&format!("{FOLDER}/berth/original.yaml"));
    ensure!(
        hand_written.as_deref() == Some("# by hand\nmirrors: {}\n"),
        "{hand_written:?}"
    );

    let log = writer_logs(cluster, "default")?;
    ensure!(
        log.contains("<REDACTED>") && !log.contains(PASSWORD),
        "{log}"
    );
    ensure!(
        log.contains("https://mirror.internal:5000"),
        "no preview in {log}"
    );
    event(cluster, "default", "RolledOut", "").await?;
    shows_columns(cluster).await?;

    apply(cluster, &with_endpoint(config, "https://second.internal")).await?;
    let settled = rolled_out(cluster, "default").await?;
    let counts = settled
        .status
        .and_then(|status| status.nodes)
        .context("no counts")?;
    ensure!(
        (counts.desired, counts.updated, counts.ready, counts.failed) == (4, 4, 4, 0),
        "{counts:?}"
    );
    let log = writer_logs(cluster, "default")?;
    let has_line = |sign: char, text: &str| {
        log.lines()
            .any(|line| line.trim_start().starts_with(sign) && line.contains(text))
    };
    ensure!(
        has_line('-', "https://mirror.internal:5000") && has_line('+', "https://second.internal"),
        "no diff in {log}"
    );
    ensure!(!log.contains(PASSWORD), "the log shows the password");
    Ok(())
}

async fn shows_columns(cluster: &Cluster) -> Result<()> {
    let table = cluster
        .tools
        .kubectl(&["get", "regcfg", "default", "-o", "wide"])
        .await?;
    let mut lines = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let header = lines.next().context("no header")?;
    ensure!(
        header
            == [
                "NAME", "READY", "REASON", "DESIRED", "UPDATED", "FAILED", "AGE", "REVISION"
            ],
        "{table}"
    );
    let row = lines.next().context("no row")?;
    ensure!(
        row[..6] == ["default", "True", "RolledOut", "4", "4", "0"],
        "{table}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_roll_out_as_they_are() {
    installed(
        NodeSpec::workers("worker", 2),
        async |cluster: &mut Cluster| {
            let folder = repository().join("examples");
            let path = |file: &str| folder.join(file).display().to_string();
            for file in ["secrets.yaml", "certificates.yaml"] {
                cluster
                    .tools
                    .kubectl(&["apply", "-n", operator::NAMESPACE, "-f", &path(file)])
                    .await?;
            }
            cluster
                .tools
                .kubectl(&["apply", "-f", &path("registryconfig.yaml")])
                .await?;
            cluster
                .tools
                .kubectl(&[
                    "wait",
                    "registryconfig",
                    "--all",
                    "--for=condition=Ready",
                    "--timeout=120s",
                ])
                .await?;
            for node in nodes(cluster)? {
                ensure!(node.read(FILE).is_some(), "{} has no file", node.name);
            }
            Ok(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_encrypted_example_arrives_decrypted() {
    let node = NodeSpec::worker("worker-0").label("example.com/pool", "build");
    installed([node], async |cluster: &mut Cluster| {
        let path = repository().join("examples/sops").display().to_string();
        cluster.tools.kubectl(&["apply", "-f", &path]).await?;
        rolled_out(cluster, "sops").await?;
        let file = cluster
            .kubelet()?
            .node("worker-0")?
            .read(FILE)
            .context("no file")?;
        ensure!(
            file.contains("quay.io") && !file.contains("ENC[") && !file.contains("sops"),
            "{file}"
        );
        Ok(())
    })
    .await;
}
