//! Clusters whose Docker objects are made one by one as k3d makes them: names, labels, environment, mounts, restart policy.
//!
//! They stand for clusters of the other tool, which must be listed, started, extended and deleted like our own.

use std::os::unix::fs::PermissionsExt;

use anyhow::Result;

use super::{Engine, Session};

const TOKEN: &str = "QwErTyUiOpAsDfGhJkLz";
/// What k3d's own entrypoint does, in short: whatever prepares the node, then k3s, which is told to end in time.
const ENTRYPOINT: &str = r#"#!/bin/sh
for script in /bin/k3d-entrypoint-*.sh; do
  [ ! -e "$script" ] || "$script" || exit 1
done
/bin/k3s "$@" &
k3s=$!
trap 'kill -TERM $k3s' TERM INT QUIT HUP
wait $k3s
"#;
const VERSION: &str = "k3d.version=v5.9.0";

/// One server and one agent without a load balancer, started.
pub async fn one_server_one_agent(session: &Session, cluster: &str) -> Result<()> {
    let engine = &session.engine;
    let network = Network::create(engine, cluster).await?;
    let port = crate::process::free_ports::<1>()?[0].to_string();
    let binding = format!("0.0.0.0:{port}:6443");
    let server = format!("k3d-{cluster}-server-0");
    let mut arguments = container(cluster, "server", &server, &network);
    for (key, value) in [("host", "0.0.0.0"), ("hostIP", "0.0.0.0"), ("port", &port)] {
        arguments.extend(label(&format!("k3d.server.api.{key}"), value));
    }
    arguments.extend(words(&["--publish", &binding, session.node_image()]));
    arguments.extend(words(&["server", "--tls-san", "0.0.0.0"]));
    run(engine, &server, &arguments).await?;
    let agent = format!("k3d-{cluster}-agent-0");
    let mut arguments = container(cluster, "agent", &agent, &network);
    let url = format!("K3S_URL=https://{server}:6443");
    arguments.extend(words(&["--env", &url, session.node_image(), "agent"]));
    run(engine, &agent, &arguments).await
}

struct Network {
    name: String,
    id: String,
    range: String,
}

impl Network {
    async fn create(engine: &Engine, cluster: &str) -> Result<Self> {
        let name = format!("k3d-{cluster}");
        let masquerade = "com.docker.network.bridge.enable_ip_masquerade=true";
        let create = ["network", "create", "--driver", "bridge"];
        let flags = ["--opt", masquerade, "--label", "app=k3d", &name];
        engine.run(&[&create[..], &flags].concat()).await?;
        let volume = image_volume(cluster);
        let of = format!("k3d.cluster={cluster}");
        let create = ["volume", "create", "--label", "app=k3d"];
        let flags = ["--label", &of, "--label", VERSION, &volume];
        engine.run(&[&create[..], &flags].concat()).await?;
        let inspected = engine.inspect("network", &name).await?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
        Ok(Self {
            name,
            id: text(&inspected["Id"]),
            range: text(&inspected["IPAM"]["Config"][0]["Subnet"]),
        })
    }
}

/// `docker create` up to the image, as for every node.
fn container(cluster: &str, role: &str, name: &str, network: &Network) -> Vec<String> {
    let mut arguments = words(&["create", "--name", name, "--hostname", name]);
    arguments.extend(words(&[
        "--entrypoint",
        "/bin/k3d-entrypoint.sh",
        "--privileged",
        "--init",
        "--userns",
        "host",
        "--tmpfs",
        "/run",
        "--tmpfs",
        "/var/run",
        "--restart",
        "unless-stopped",
        "--network",
        &network.name,
    ]));
    let mount = format!("{}:/k3d/images", image_volume(cluster));
    let token = format!("K3S_TOKEN={TOKEN}");
    arguments.extend(words(&["--volume", &mount, "--env", &token]));
    arguments.extend(words(&[
        "--env",
        "K3S_KUBECONFIG_OUTPUT=/output/kubeconfig.yaml",
        "--label",
        "app=k3d",
        "--label",
        VERSION,
    ]));
    let url = format!("https://k3d-{cluster}-server-0:6443");
    for (key, value) in [
        ("k3d.role", role),
        ("k3d.cluster", cluster),
        ("k3d.cluster.imageVolume", &image_volume(cluster)),
        ("k3d.cluster.network", &network.name),
        ("k3d.cluster.network.id", &network.id),
        ("k3d.cluster.network.external", "false"),
        ("k3d.cluster.network.iprange", &network.range),
        ("k3d.cluster.token", TOKEN),
        ("k3d.cluster.url", &url),
        ("k3d.server.loadbalancer", ""),
    ] {
        arguments.extend(label(key, value));
    }
    arguments
}

fn image_volume(cluster: &str) -> String {
    format!("k3d-{cluster}-images")
}

fn label(key: &str, value: &str) -> [String; 2] {
    ["--label".into(), format!("{key}={value}")]
}

fn words(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(ToString::to_string).collect()
}

async fn run(engine: &Engine, name: &str, arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    engine.run(&arguments).await?;
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("k3d-entrypoint.sh");
    std::fs::write(&script, ENTRYPOINT)?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o744))?;
    let target = format!("{name}:/bin/");
    engine
        .run(&["cp", &script.display().to_string(), &target])
        .await?;
    engine.run(&["start", name]).await.map(drop)
}
