//! One test's cluster: started whole, described when the test fails, gone when it ends.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::FutureExt;
use kube::Client;
use tempfile::TempDir;

use crate::api_server::ApiServer;
use crate::kubelet::{Kubelet, NodeSpec};
use crate::network::Network;
use crate::settings::Settings;
use crate::tools::Tools;
use crate::wait::eventually;

const PREFIX: &str = "berth-test-";

/// The control plane, its nodes and the tools to talk to it.
pub struct Cluster {
    // Order of fields is order of death: pods before the server they talk to, the folder last.
    kubelet: Option<Kubelet>,
    pub api: ApiServer,
    pub client: Client,
    pub tools: Tools,
    pub settings: Settings,
    network: Arc<Network>,
    folder: TempDir,
}

impl Cluster {
    /// An API server alone: no controllers, no nodes.
    pub async fn api_server_only() -> Result<Self> {
        Self::api_server_from(Settings::from_env()).await
    }

    /// An API server alone, from the programs that `settings` name.
    pub async fn api_server_from(settings: Settings) -> Result<Self> {
        remove_what_killed_tests_left();
        let prefix = if settings.keep {
            "berth-kept-".to_string()
        } else {
            format!("{PREFIX}{}-", std::process::id())
        };
        let folder = tempfile::Builder::new()
            .prefix(&prefix)
            .disable_cleanup(settings.keep)
            .tempdir_in(fast_folder())
            .context("failed to create the test's folder")?;
        let network = Arc::new(Network::claim()?);
        let api = ApiServer::start(&settings, folder.path(), &network.gateway()).await?;
        let client = api.client().await?;
        let tools = Tools::new(&settings, api.kubeconfig(), folder.path())?;
        Ok(Self {
            kubelet: None,
            api,
            client,
            tools,
            settings,
            network,
            folder,
        })
    }

    /// A cluster with controllers, scheduler and these nodes.
    pub async fn with_nodes(nodes: impl IntoIterator<Item = NodeSpec>) -> Result<Self> {
        let mut cluster = Self::api_server_only().await?;
        cluster.api.start_controllers()?;
        let kubelet = Kubelet::start(
            cluster.client.clone(),
            cluster.folder.path(),
            cluster.network.clone(),
            cluster.api.port,
            images(&cluster.settings)?,
        )?;
        kubelet.add_nodes(nodes).await?;
        cluster.kubelet = Some(kubelet);
        Ok(cluster)
    }

    /// The kubelet of a cluster that has nodes.
    pub fn kubelet(&self) -> Result<&Kubelet> {
        self.kubelet.as_ref().context("this cluster has no nodes")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends pods first, then the servers; leaves nothing behind unless it is to be kept.
    async fn shut_down(mut self) -> Result<()> {
        self.kubelet = None;
        if self.settings.keep {
            return Ok(());
        }
        let pods = self.folder.path().join("pods");
        eventually("the end of all pods", Duration::from_secs(10), || async {
            if pods.exists() {
                std::fs::remove_dir_all(&pods)
            } else {
                Ok(())
            }
        })
        .await
    }

    fn describe(&self) -> String {
        let kubectl = |arguments: &[&str]| {
            let program = self.settings.program("kubectl").unwrap_or_default();
            let output = std::process::Command::new(program)
                .args(arguments)
                .args(["--request-timeout=10s"])
                .env("KUBECONFIG", self.api.kubeconfig())
                .output();
            match output {
                Ok(output) => {
                    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
                }
                Err(error) => error.to_string(),
            }
        };
        let mut text = String::new();
        for arguments in [
            &["get", "registryconfigs", "-o", "yaml"][..],
            &[
                "get",
                "nodes,pods,daemonsets,deployments,jobs,secrets,configmaps",
                "-A",
                "-o",
                "wide",
            ],
            &[
                "get",
                "events",
                "-A",
                "--sort-by=.metadata.creationTimestamp",
            ],
        ] {
            let _ = writeln!(
                text,
                "== kubectl {} ==\n{}",
                arguments.join(" "),
                kubectl(arguments)
            );
        }
        text + &self
            .kubelet
            .as_ref()
            .map(Kubelet::describe)
            .unwrap_or_default()
            + &self.api.describe()
    }
}

impl Drop for Cluster {
    #[expect(
        clippy::print_stderr,
        reason = "the reader of a kept cluster needs its place"
    )]
    fn drop(&mut self) {
        if self.settings.keep {
            eprintln!("kept: {}", self.folder.path().display());
        }
    }
}

/// Runs a test on a cluster with these nodes; when it fails, shows what there is to see.
pub async fn scenario(
    nodes: impl IntoIterator<Item = NodeSpec>,
    test: impl AsyncFnOnce(&mut Cluster) -> Result<()>,
) {
    let started = Cluster::with_nodes(nodes).await;
    examine(started, test).await;
}

/// Runs a test on an API server without controllers and nodes.
pub async fn api_scenario(test: impl AsyncFnOnce(&mut Cluster) -> Result<()>) {
    let started = Cluster::api_server_only().await;
    examine(started, test).await;
}

#[expect(
    clippy::print_stderr,
    clippy::panic,
    reason = "this is how a test fails and what it shows"
)]
async fn examine(started: Result<Cluster>, test: impl AsyncFnOnce(&mut Cluster) -> Result<()>) {
    let mut cluster = match started {
        Ok(cluster) => cluster,
        Err(error) => panic!("{error:#}"),
    };
    let outcome = AssertUnwindSafe(test(&mut cluster)).catch_unwind().await;
    if !matches!(outcome, Ok(Ok(()))) {
        eprintln!("{}", cluster.describe());
    }
    let ended = cluster.shut_down().await;
    match outcome {
        Ok(Ok(())) if ended.is_err() => panic!("{ended:?}"),
        Ok(Ok(())) => {}
        Ok(Err(error)) => panic!("{error:#}"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The process that made a folder stands in its name.
fn remove_what_killed_tests_left() {
    for entry in std::fs::read_dir(fast_folder())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('-'))
            .map(|(owner, _)| owner.to_string());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            // Another test may be at it, too; a full disk may still be mounted, and then the folder stays.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Memory, where the machine has such a place: etcd waits for the disk at every write.
fn fast_folder() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        Path::new("/tmp")
    }
}

fn images(settings: &Settings) -> Result<BTreeMap<String, std::path::PathBuf>> {
    let mut images = BTreeMap::new();
    for (image, binary) in [
        ("berth-operator", "berth-operator"),
        ("berth-node-writer", "node-writer"),
        ("node-writer", "node-writer"),
    ] {
        images.insert(image.to_string(), settings.binary(binary)?);
    }
    // Only tests of the tracer need them; a pod whose image is missing says so.
    for image in ["berth-tracer-agent", "berth-tracer-server"] {
        if let Ok(binary) = settings.binary(image) {
            images.insert(image.to_string(), binary);
        }
    }
    Ok(images)
}
