//! The server, and agents that report made-up pulls to it.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use e2e::process::{Server, free_ports};
use e2e::settings::Settings;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::chromium::until;
use super::http::request;

pub(crate) struct Tracer {
    pub(crate) port: u16,
    metrics: u16,
    server: RefCell<Option<Server>>,
    sequence: Cell<u64>,
    /// Of the cluster whose pods and Events it knows, if it knows one.
    kubeconfig: Option<PathBuf>,
    folder: TempDir,
}

impl Tracer {
    pub(crate) fn start() -> Result<Self> {
        Self::start_with(None)
    }

    /// One that knows the pods and Events of a cluster.
    pub(crate) fn start_with(kubeconfig: Option<PathBuf>) -> Result<Self> {
        let [port, metrics] = free_ports()?;
        let this = Self {
            port,
            metrics,
            server: RefCell::default(),
            sequence: Cell::new(0),
            kubeconfig,
            folder: tempfile::tempdir()?,
        };
        this.again()?;
        Ok(this)
    }

    /// Starts it, at the same address each time and with its history.
    pub(crate) fn again(&self) -> Result<()> {
        let program = Settings::from_env().binary("berth-tracer-server")?;
        let config = self
            .kubeconfig
            .as_deref()
            .unwrap_or(Path::new(""))
            .display();
        let arguments = [
            format!("KUBECONFIG={config}"),
            program.display().to_string(),
            format!("--http-address=127.0.0.1:{}", self.port),
            format!("--metrics-address=127.0.0.1:{}", self.metrics),
            format!(
                "--history-folder={}",
                self.folder.path().join("history").display()
            ),
            format!("--kubernetes={}", self.kubeconfig.is_some()),
        ];
        let env = Path::new("/usr/bin/env");
        let mut server = Server::start(env, arguments, self.folder.path().join("server.log"))?;
        let ready = until("the tracer's server", || {
            let (status, _) = request(self.port, "GET", "/readyz", None)?;
            ensure!(status == 200, "{status}");
            Ok(())
        });
        if ready.is_err() {
            server.check()?;
        }
        self.server.replace(Some(server));
        ready
    }

    pub(crate) fn stop(&self) {
        self.server.replace(None);
    }

    pub(crate) fn url(&self, rest: &str) -> String {
        format!("http://127.0.0.1:{}/{rest}", self.port)
    }

    /// Everything that goes on on a node, and what ended since.
    pub(crate) fn report(&self, node: &str, pulls: &[Value], finished: &[Value]) -> Result<()> {
        self.post(node, pulls, finished, "connected")
    }

    /// A node without pulls whose runtime is in this state.
    pub(crate) fn report_runtime(&self, node: &str, state: &str) -> Result<()> {
        self.post(node, &[], &[], state)
    }

    fn post(&self, node: &str, pulls: &[Value], finished: &[Value], runtime: &str) -> Result<()> {
        self.sequence.set(self.sequence.get() + 1);
        let report = json!({
            "protocol": 2, "kind": "full", "nodeName": node, "bootId": "a-test", "sequence": self.sequence.get(),
            "timestamp": Timestamp::now().to_string(), "agentVersion": "0.1.0", "pulls": pulls, "finished": finished,
            "runtime": {"state": runtime, "name": "containerd", "version": "1.7.24"},
        });
        let (status, answer) = request(self.port, "POST", "/api/v1/report", Some(&report))?;
        ensure!(status == 200, "{status}: {answer}");
        Ok(())
    }
}

pub(crate) fn ago(seconds: i64) -> String {
    (Timestamp::now() - SignedDuration::from_secs(seconds)).to_string()
}

/// A digest that looks like one.
fn digest(number: u64) -> String {
    let hex = format!("{:016x}", (number + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    format!("sha256:{}", hex.repeat(4))
}

/// A pull with three layers of which this share is there.
pub(crate) fn pull(id: &str, image: &str, mebibytes: u64, percent: u64) -> Value {
    let total = mebibytes << 20;
    let done = total * percent / 100;
    let (registry, rest) = image.split_once('/').unwrap_or(("docker.io", image));
    let (repository, tag) = rest.split_once(':').unwrap_or((rest, "latest"));
    let layer = |order: u64, state: &str, total: u64, done: u64| {
        json!({
            "digest": digest(order), "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "totalBytes": total, "downloadedBytes": done, "totalKnown": true, "state": state, "order": order,
            "bytesPerSec": if state == "downloading" { 6_500_000.0 } else { 0.0 },
        })
    };
    let state = if percent < 100 {
        "downloading"
    } else {
        "unpacking"
    };
    json!({
        "id": id, "imageRef": image, "phase": state, "startedAt": ago(8), "progressAt": ago(0), "totalKnown": true,
        "totalBytes": total, "downloadedBytes": done, "unpackedBytes": done / 3, "cachedBytes": total / 8,
        "bytesPerSec": if percent < 100 { 6_500_000.0 } else { 0.0 },
        "etaSeconds": if percent < 100 { json!(f64::from(u32::try_from((total - done) >> 16).unwrap_or(0)) / 99.0 + 1.0) } else { Value::Null },
        "registry": registry, "repository": repository, "tag": tag, "digest": digest(77),
        "nameConfidence": "exact", "source": "lease",
        "expectedEndpoints": [{"url": "https://mirror.internal:5000/v2"}, {"url": format!("https://{registry}/v2")}],
        "layers": [
            layer(0, "cached", total / 8, total / 8), layer(1, "done", done / 3, done / 3),
            layer(2, state, total - total / 8 - done / 3, done - done / 3),
        ],
    })
}

/// The same pull at its end.
pub(crate) fn ended(mut pull: Value) -> Value {
    let total = pull["totalBytes"].clone();
    pull["phase"] = json!("done");
    pull["downloadedBytes"] = total.clone();
    pull["unpackedBytes"] = total;
    pull["bytesPerSec"] = json!(0.0);
    pull["etaSeconds"] = Value::Null;
    pull["completedAt"] = json!(ago(0));
    pull["downloadedAt"] = json!(ago(2));
    pull
}

/// The same pull as one that came to nothing.
pub(crate) fn failed(mut pull: Value, class: &str, message: &str) -> Value {
    pull["phase"] = json!("failed");
    pull["failure"] = json!({"class": class, "message": message});
    pull["bytesPerSec"] = json!(0.0);
    pull["etaSeconds"] = Value::Null;
    pull["completedAt"] = json!(ago(0));
    pull
}
