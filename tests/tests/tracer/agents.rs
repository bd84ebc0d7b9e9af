use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::containerd::{self, Containerd};
use e2e::eventually;
use e2e::process::{Server, free_ports};
use e2e::registry::Registry;
use e2e::settings::Settings;
use serde_json::{Value, json};

use super::http::ask;

const SOON: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;
const RATE: u32 = 2 << 20;
/// In the order in which a pull goes through them.
const PHASES: [&str; 5] = ["queued", "resolving", "downloading", "unpacking", "done"];

fn server(settings: &Settings, folder: &Path, ports: [u16; 2]) -> Result<Server> {
    let arguments = [
        "--kubernetes=false".to_owned(),
        format!("--http-address=127.0.0.1:{}", ports[0]),
        format!("--metrics-address=127.0.0.1:{}", ports[1]),
        format!("--history-folder={}", folder.join("history").display()),
    ];
    let program = settings.binary("berth-tracer-server")?;
    Server::start(&program, arguments, folder.join("server.log"))
}

fn agent(settings: &Settings, folder: &Path, socket: &Path, port: u16) -> Result<Server> {
    let arguments = [
        "--node-name=worker-1".to_owned(),
        format!("--server-url=http://127.0.0.1:{port}"),
        format!("--socket={}", socket.display()),
        format!("--certs-d={}", folder.join("certs.d").display()),
        "--http-address=off".to_owned(),
        "--report-interval=200ms".to_owned(),
    ];
    let program = settings.binary("berth-tracer-agent")?;
    Server::start(&program, arguments, folder.join("agent.log"))
}

/// Waits until `path` is answered with what `wanted` takes.
async fn answered(
    port: u16,
    path: &str,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Value> {
    eventually(what, SOON, || async {
        let (status, found) = ask(port, "GET", path, "", "")?;
        ensure!(status == 200 && wanted(&found), "{status} {found}");
        Ok::<_, anyhow::Error>(found)
    })
    .await
}

/// What was seen of one pull while it went on.
#[derive(Default)]
struct Seen {
    phases: Vec<usize>,
    most: u64,
}

impl Seen {
    /// Notes one more answer: nothing goes back, and a total that is known is the manifest's.
    fn add(&mut self, pull: &Value, total: u64) -> Result<()> {
        let phase = pull["phase"].as_str().context("no phase")?;
        let phase = PHASES.iter().position(|known| *known == phase);
        let phase = phase.with_context(|| format!("an unexpected phase: {pull}"))?;
        ensure!(self.phases.last() <= Some(&phase), "back to {pull}");
        if self.phases.last() != Some(&phase) {
            self.phases.push(phase);
        }
        let bytes = pull["downloadedBytes"].as_u64().context("no bytes")?;
        ensure!(bytes >= self.most, "fewer than {}: {pull}", self.most);
        self.most = bytes;
        if pull["totalKnown"] == true {
            ensure!(pull["totalBytes"] == total, "not {total}: {pull}");
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_pull_is_exact_from_start_to_end_and_a_restart_of_the_server_loses_none_of_it()
-> Result<()> {
    let settings = Settings::from_env();
    let home = tempfile::Builder::new()
        .prefix("berth-tracer-")
        .tempdir_in("/tmp")?;
    let folder = home.path();
    let registry = Registry::start(&settings, RATE).await?;
    let small = registry.holds("lib/small", "v1", &[50_000])?;
    let large = registry.holds("lib/large", "v1", &[8 * MIB, 5 * MIB, 2 * MIB, MIB / 2])?;
    let certs_d = folder.join("certs.d");
    let host = certs_d.join(&registry.address);
    std::fs::create_dir_all(&host)?;
    let hosts = format!("server = \"http://{}\"\n", registry.address);
    std::fs::write(host.join("hosts.toml"), hosts)?;
    let runtime =
        Containerd::start(&settings, &folder.join("run/containerd.sock"), &certs_d).await?;
    let ports: [u16; 2] = free_ports()?;
    let [port, _] = ports;
    let mut first = server(&settings, folder, ports)?;
    let mut agent = agent(&settings, folder, &runtime.socket, port)?;
    let connected =
        |nodes: &Value| nodes.pointer("/nodes/0/runtime/state") == Some(&json!("connected"));
    answered(port, "/api/v1/nodes", "a connected agent", connected).await?;

    let name = |image: &str| format!("{}/lib/{image}:v1", registry.address);
    containerd::pull(&runtime.socket, &name("small")).await?;
    let one_done = |list: &Value| list["total"] == 1;
    let ended = "/api/v1/pulls?state=succeeded";
    let list = answered(port, ended, "the small pull", one_done).await?;
    let before = list["pulls"][0].clone();
    ensure!(before["imageRef"] == name("small"), "{before}");
    ensure!(before["totalBytes"] == small.total, "{before}");

    let (socket, image) = (runtime.socket.clone(), name("large"));
    let pulling = tokio::spawn(async move { containerd::pull(&socket, &image).await });
    let mut seen = Seen::default();
    let active = "/api/v1/pulls?state=active";
    let begun = |list: &Value| {
        list.pointer("/pulls/0/downloadedBytes")
            .and_then(Value::as_u64)
            > Some(3 << 20)
    };
    let list = answered(port, active, "bytes of the large pull", begun).await?;
    let id = list["pulls"][0]["id"].clone();
    seen.add(&list["pulls"][0], large.total)?;

    first.kill();
    let _second = server(&settings, folder, ports)?;
    let path = format!("/api/v1/pulls/{}", id.as_str().context("no id")?);
    let again = answered(port, active, "the large pull once more", |list| {
        list["pulls"][0]["id"] == id
    })
    .await?;
    seen.add(&again["pulls"][0], large.total)?;
    let list = answered(port, ended, "the small pull of before", one_done).await?;
    ensure!(list["pulls"][0] == before, "{list} is not {before}");

    let end = loop {
        let pull = answered(port, &path, "the large pull", |_| true).await?;
        seen.add(&pull, large.total)?;
        if pull["state"] != "active" {
            break pull;
        }
    };
    pulling.await??;
    let phases: Vec<&str> = seen.phases.iter().map(|phase| PHASES[*phase]).collect();
    ensure!(
        phases.starts_with(&["downloading"]) && phases.ends_with(&["done"]),
        "{phases:?}"
    );
    ensure!(seen.most == large.total, "{end}");
    for (pointer, expected) in [
        ("/state", json!("succeeded")),
        ("/imageRef", json!(name("large"))),
        ("/nameConfidence", json!("exact")),
        ("/totalBytes", json!(large.total)),
        ("/digest", json!(large.digest)),
        ("/layersDone", json!(4)),
        ("/registry", json!(registry.address)),
    ] {
        ensure!(
            end.pointer(pointer) == Some(&expected),
            "{pointer} is not {expected}: {end:#}"
        );
    }
    let (_, all) = ask(port, "GET", "/api/v1/pulls", "", "")?;
    ensure!(all["total"] == 2, "{all}");
    agent.check()
}
