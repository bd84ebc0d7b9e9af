//! The operator's binary against a real API server: how fast a change arrives, and what many resources cost.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use api::RegistryConfig;
use api::names::{LABEL_REVISION, REVISION_NONE, Role, daemon_set};
use e2e::settings::repository;
use e2e::{Cluster, eventually};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::samples::{Samples, milliseconds};

const NAMESPACE: &str = "berth-system";
const CHANGES: usize = 100;
const MANY: usize = 1_000;
const RESYNC_SECONDS: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) fn measure(binary: &Path) -> Result<String> {
    tokio::runtime::Runtime::new()?.block_on(measure_on_cluster(binary))
}

async fn measure_on_cluster(binary: &Path) -> Result<String> {
    let mut cluster = Cluster::api_server_only().await?;
    cluster.api.start_controllers()?;
    let crd = repository()
        .join("crds/registryconfigs-pre-1.25.yaml")
        .display()
        .to_string();
    cluster.tools.kubectl(&["apply", "-f", &crd]).await?;
    cluster
        .tools
        .kubectl(&["create", "namespace", NAMESPACE])
        .await?;
    cluster
        .tools
        .kubectl(&[
            "create",
            "secret",
            "generic",
            "berth-revision-key",
            "-n",
            NAMESPACE,
        ])
        .await?;
    let operator = Operator::start(binary, &cluster)?;
    let changes = changes(&cluster).await?;
    let (settled, writes) = many(&cluster).await?;
    let memory = operator.memory()?;
    Ok(format!(
        "| change of a RegistryConfig to Secret and first DaemonSet updated | {} | limits p50 50 ms, p99 250 ms |\n\
         | {MANY} RegistryConfigs that select no nodes, created and settled | {} | no limit |\n\
         | writes in a resync of all of them | {writes} | limit 0 |\n\
         | operator's RSS with all of them | {} MiB | limit 40 MiB |",
        changes.text(),
        milliseconds(settled),
        memory / 1024,
    ))
}

/// From the patch being sent to the worker DaemonSet carrying the new revision, whose Secret then exists.
async fn changes(cluster: &Cluster) -> Result<Samples> {
    let configs = Api::<RegistryConfig>::all(cluster.client.clone());
    let sets = Api::<DaemonSet>::namespaced(cluster.client.clone(), NAMESPACE);
    let secrets = Api::<Secret>::namespaced(cluster.client.clone(), NAMESPACE);
    configs
        .create(&PostParams::default(), &config("bench", 0)?)
        .await?;
    let name = daemon_set("bench", Role::Workers);
    let mut revision = REVISION_NONE.to_owned();
    revision = next_revision(&sets, &name, revision).await?;
    let mut samples = Samples::empty();
    for number in 1..=CHANGES {
        let waiting = tokio::spawn({
            let (sets, name, revision) = (sets.clone(), name.clone(), revision.clone());
            async move {
                next_revision(&sets, &name, revision)
                    .await
                    .map(|revision| (revision, Instant::now()))
            }
        });
        let patch = json!({"spec": config("bench", number)?.spec});
        let start = Instant::now();
        configs
            .patch("bench", &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        let (next, end) = waiting.await??;
        samples.push(end - start);
        secrets
            .get(&format!("bench-{next}"))
            .await
            .context("the DaemonSet names a Secret that is not there")?;
        revision = next;
    }
    Ok(samples)
}

async fn next_revision(sets: &Api<DaemonSet>, name: &str, before: String) -> Result<String> {
    let changed = await_condition(sets.clone(), name, |set: Option<&DaemonSet>| {
        set.and_then(revision_of)
            .is_some_and(|revision| revision != before && revision != REVISION_NONE)
    });
    let set = tokio::time::timeout(PATIENCE, changed)
        .await
        .context("the revision did not change")??;
    set.as_ref()
        .and_then(revision_of)
        .context("the DaemonSet is gone")
}

fn revision_of(set: &DaemonSet) -> Option<String> {
    let template = &set.spec.as_ref()?.template;
    template
        .metadata
        .as_ref()?
        .labels
        .as_ref()?
        .get(LABEL_REVISION)
        .cloned()
}

/// Time until all are settled, and how many objects changed in the resyncs after that.
async fn many(cluster: &Cluster) -> Result<(Duration, usize)> {
    let configs = Api::<RegistryConfig>::all(cluster.client.clone());
    let start = Instant::now();
    stream::iter(0..MANY)
        .map(|number| {
            let configs = configs.clone();
            async move {
                configs
                    .create(
                        &PostParams::default(),
                        &config(&format!("many-{number}"), number)?,
                    )
                    .await?;
                Ok::<_, anyhow::Error>(())
            }
        })
        .buffer_unordered(8)
        .try_collect::<Vec<_>>()
        .await?;
    let settled = eventually("settled RegistryConfigs", PATIENCE, || async {
        let found = configs.list(&ListParams::default()).await?;
        let open = found.iter().filter(|config| !is_settled(config)).count();
        ensure!(open == 0, "{open} of {} are not settled", found.items.len());
        Ok::<_, anyhow::Error>(start.elapsed())
    })
    .await?;
    let before = versions_at_rest(cluster).await?;
    tokio::time::sleep(Duration::from_secs(RESYNC_SECONDS * 2 + 5)).await;
    let after = versions(cluster).await?;
    let changed = after
        .iter()
        .filter(|version| !before.contains(version))
        .count();
    Ok((settled, changed + before.len().saturating_sub(after.len())))
}

fn is_settled(config: &RegistryConfig) -> bool {
    config
        .status
        .as_ref()
        .is_some_and(|status| status.observed_generation == config.metadata.generation)
}

/// The versions of all objects once nothing moves any more, the DaemonSet controller's own writes included.
async fn versions_at_rest(cluster: &Cluster) -> Result<Vec<String>> {
    let mut last = versions(cluster).await?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let now = versions(cluster).await?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
    bail!("objects never came to rest")
}

async fn versions(cluster: &Cluster) -> Result<Vec<String>> {
    let client = &cluster.client;
    let mut versions = Vec::new();
    for config in Api::<RegistryConfig>::all(client.clone())
        .list_metadata(&ListParams::default())
        .await?
    {
        versions.push(version(
            "config",
            &config.name_any(),
            config.resource_version(),
        ));
    }
    for set in Api::<DaemonSet>::namespaced(client.clone(), NAMESPACE)
        .list_metadata(&ListParams::default())
        .await?
    {
        versions.push(version("set", &set.name_any(), set.resource_version()));
    }
    for secret in Api::<Secret>::namespaced(client.clone(), NAMESPACE)
        .list_metadata(&ListParams::default())
        .await?
    {
        versions.push(version(
            "secret",
            &secret.name_any(),
            secret.resource_version(),
        ));
    }
    Ok(versions)
}

fn version(kind: &str, name: &str, version: Option<String>) -> String {
    format!("{kind}/{name}@{}", version.unwrap_or_default())
}

fn config(name: &str, number: usize) -> Result<RegistryConfig> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "berth.dev/v1alpha1", "kind": "RegistryConfig", "metadata": {"name": name},
        "spec": {
            "nodeSelector": {"matchLabels": {"bench": name}},
            "registries": {"mirrors": {"docker.io": {"endpoint": [format!("https://mirror-{number}.example.com")]}}},
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": 1, "minReadySeconds": 0, "progressDeadlineSeconds": 600}},
        },
    }))?)
}

/// The operator as a process of its own, with the administrator's kubeconfig.
struct Operator(Child);

impl Operator {
    fn start(binary: &Path, cluster: &Cluster) -> Result<Self> {
        let child = Command::new(binary)
            .args([
                "run",
                "--node-writer-image",
                "berth-node-writer:bench",
                "--namespace",
                NAMESPACE,
            ])
            .args([
                "--http-address",
                "127.0.0.1:0",
                "--leader-election",
                "false",
            ])
            .args([
                "--resync-seconds",
                &RESYNC_SECONDS.to_string(),
                "--log-level",
                "warn",
            ])
            .env("KUBECONFIG", cluster.api.kubeconfig())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("failed to start {}", binary.display()))?;
        Ok(Self(child))
    }

    /// Resident memory in KiB.
    fn memory(&self) -> Result<u64> {
        crate::node_writer::resident_memory(self.0.id())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // A process that has ended already needs no end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
