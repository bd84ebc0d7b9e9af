//! The peer of `cluster create`: the same calls to the Engine in the same order, by hand.
//!
//! It is given the plan, so it pays neither for finding it nor for looking whether names and ports are free; it tells
//! nobody, undoes nothing and writes no kubeconfig on this machine.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use docker::models::{NetworkCreateRequest, VolumeCreateRequest};
use docker::{Command, Engine, File};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use provisioner::cluster::{HostAlias, NodeFile};
use provisioner::observed::Container;
use provisioner::payload::{self, NetworkFacts};
use provisioner::step::{Ready, Step};
use provisioner::{entrypoint, names, run};
use serde_json::Value;

use super::planning::Planner;

/// Between two questions whether nodes are Ready.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn create(planner: &Planner, steps: &[Step]) -> Result<()> {
    let provisioner = &planner.provisioner;
    let bare = Bare {
        engine: &provisioner.engine,
        fixes: provisioner.settings.fixes,
        network: OnceLock::new(),
    };
    for step in steps {
        let Step::Together(some) = step else {
            bare.step(step).await?;
            continue;
        };
        let all: Vec<_> = some.iter().map(|step| bare.step(step)).collect();
        stream::iter(all)
            .buffer_unordered(provisioner.settings.parallel)
            .try_collect::<Vec<()>>()
            .await?;
    }
    Ok(())
}

struct Bare<'a> {
    engine: &'a Engine,
    fixes: entrypoint::Fixes,
    network: OnceLock<NetworkFacts>,
}

impl Bare<'_> {
    async fn step(&self, step: &Step) -> Result<()> {
        let engine = self.engine;
        match step {
            Step::EnsureImage { image } | Step::EnsureBalancerImage { image } => {
                let found = engine.image(image).await?;
                found.with_context(|| format!("the Engine has no image {image}"))?;
            }
            Step::EnsureNetwork { name, .. } => self.network(name).await?,
            Step::EnsureVolume { name, cluster } => self.volume(name, cluster).await?,
            Step::CreateContainer(spec) => {
                let body = payload::container(spec, self.network.get());
                engine.create(&spec.name, body).await?;
            }
            Step::WriteEntrypoint { container, aliases } => {
                self.entrypoint(container, aliases).await?;
            }
            Step::WriteBalancer {
                container, config, ..
            } => {
                let (path, content) = (names::BALANCER_CONFIG_PATH, config.to_yaml());
                engine.put_file(container, path, 0o744, content).await?;
            }
            Step::Start { container, until } => {
                engine.start(container).await?;
                self.wait_for_line(container, *until).await?;
            }
            Step::WaitForNodes { server, nodes, .. } => self.wait_for_nodes(server, nodes).await?,
            Step::MergeKubeconfig { server, .. } => {
                let kubeconfig = engine.get_file(server, names::KUBECONFIG_PATH).await?;
                kubeconfig.context("the server has no kubeconfig")?;
            }
            other => bail!("the peer cannot {}", other.describe()),
        }
        Ok(())
    }

    async fn network(&self, name: &str) -> Result<()> {
        if !self.engine.networks_named(name).await?.is_empty() {
            bail!("network {name} is there already");
        }
        let masquerade = "com.docker.network.bridge.enable_ip_masquerade";
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            options: Some([(masquerade.to_owned(), "true".to_owned())].into()),
            labels: Some([(names::LABEL_APP.to_owned(), names::APP.to_owned())].into()),
            ..NetworkCreateRequest::default()
        };
        let id = self.engine.create_network(request).await?;
        let network = self.engine.network(&id).await?.context("no network")?;
        self.network
            .set(run::facts_of(&network, false))
            .map_err(|_| anyhow!("the plan makes two networks"))
    }

    async fn volume(&self, name: &str, cluster: &str) -> Result<()> {
        if self.engine.volume(name).await?.is_some() {
            bail!("volume {name} is there already");
        }
        let labels = [
            (names::LABEL_APP, names::APP),
            (names::LABEL_CLUSTER, cluster),
            (names::LABEL_VERSION, names::K3D_VERSION),
        ];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver: Some("local".to_owned()),
            labels: Some(labels.into()),
            ..VolumeCreateRequest::default()
        };
        self.engine.create_volume(request).await?;
        Ok(())
    }

    async fn entrypoint(&self, container: &str, aliases: &[HostAlias]) -> Result<()> {
        let inspected = self.engine.inspect(container).await?;
        let node = Container::of(inspected).context("not a node")?;
        let gateway = self.network.get().and_then(|it| it.gateway.clone());
        let facts = entrypoint::NodeFacts {
            role: node.role,
            command: &node.command(),
            env: &node.env(),
            volumes: &node.binds(),
            host_network: false,
        };
        let names = entrypoint::Names {
            gateway: gateway.and_then(|gateway| gateway.parse().ok()),
            aliases,
            members: &[],
        };
        let files: Vec<File> = entrypoint::files(self.fixes, &facts, &names)?
            .into_iter()
            .map(
                |NodeFile {
                     path,
                     mode,
                     content,
                 }| File {
                    path,
                    mode,
                    content: content.into(),
                },
            )
            .collect();
        Ok(self.engine.put_files(container, &files).await?)
    }

    async fn wait_for_line(&self, container: &str, until: Ready) -> Result<()> {
        let Some(wanted) = until.line().map(str::to_lowercase) else {
            return Ok(());
        };
        let mut lines = self.engine.logs(container, true, 0);
        while let Some(line) = lines.next().await {
            if line?.to_lowercase().contains(&wanted) {
                return Ok(());
            }
        }
        bail!("{container} ended before it said \"{wanted}\"")
    }

    async fn wait_for_nodes(&self, server: &str, wanted: &[String]) -> Result<()> {
        let command = Command::new(["kubectl", "get", "nodes", "-o", "json"]);
        loop {
            let output = self.engine.exec(server, &command, None).await?;
            if output.is_success() {
                let answer: Value = serde_json::from_slice(&output.stdout)?;
                if wanted.iter().all(|name| is_ready(&answer, name)) {
                    return Ok(());
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn is_ready(answer: &Value, name: &str) -> bool {
    let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let nodes = all(&answer["items"]);
    let node = nodes.iter().find(|node| node["metadata"]["name"] == name);
    node.is_some_and(|node| {
        let conditions = all(&node["status"]["conditions"]);
        let mut conditions = conditions.iter();
        conditions.any(|it| it["type"] == "Ready" && it["status"] == "True")
    })
}
