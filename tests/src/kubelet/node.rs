//! A node: an object in the API server, a folder on this machine, and the faults that a test gives it.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Shared, lock};

const RENEWAL: Duration = Duration::from_secs(10);

/// What a node is registered as.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub kubelet_version: String,
}

impl NodeSpec {
    pub fn worker(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            kubelet_version: "v1.33.3+k3s1".into(),
        }
    }

    pub fn control_plane(name: impl Into<String>) -> Self {
        Self::worker(name).label("node-role.kubernetes.io/control-plane", "true")
    }

    /// `count` workers named `<prefix>-0`, `<prefix>-1`, ...
    pub fn workers(prefix: &str, count: usize) -> Vec<Self> {
        (0..count)
            .map(|number| Self::worker(format!("{prefix}-{number}")))
            .collect()
    }

    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        self.kubelet_version = version.into();
        self
    }
}

#[derive(Debug, Default)]
struct Faults {
    read_only: bool,
    crashing_image: Option<String>,
    ready_only_with: Option<String>,
    full: Vec<PathBuf>,
}

/// A registered node.
pub struct Node {
    pub name: String,
    /// Its file system.
    pub root: PathBuf,
    spec: NodeSpec,
    client: Client,
    faults: Mutex<Faults>,
    runtime: Mutex<Option<PathBuf>>,
    pub(super) up: watch::Sender<bool>,
}

impl Node {
    pub(super) fn create(folder: &Path, client: &Client, spec: NodeSpec) -> Result<Self> {
        let root = folder.join("nodes").join(&spec.name);
        std::fs::create_dir_all(&root)?;
        Ok(Self {
            name: spec.name.clone(),
            root,
            spec,
            client: client.clone(),
            faults: Mutex::default(),
            runtime: Mutex::default(),
            up: watch::Sender::new(true),
        })
    }

    /// A file or folder of the node, by its path on the node.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub fn read(&self, path: &str) -> Option<String> {
        std::fs::read(self.path(path))
            .ok()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    pub fn write(&self, path: &str, content: &str) -> Result<()> {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().context("no folder")?)?;
        Ok(std::fs::write(path, content)?)
    }

    /// From now on, images that the tests do not bring themselves are pulled by the runtime at this socket.
    pub fn pull_with(&self, socket: &Path) {
        *lock(&self.runtime) = Some(socket.to_path_buf());
    }

    pub(super) fn runtime(&self) -> Option<PathBuf> {
        lock(&self.runtime).clone()
    }

    /// From the next container start on, the node's file system is read-only.
    pub fn make_read_only(&self) {
        lock(&self.faults).read_only = true;
    }

    /// Containers of images whose name contains this die at once on this node.
    pub fn crash_image(&self, image: &str) {
        lock(&self.faults).crashing_image = Some(image.into());
    }

    /// Exec probes fail in containers that have not this text among their arguments, as a service that does not come up.
    pub fn ready_only_with(&self, argument: &str) {
        lock(&self.faults).ready_only_with = Some(argument.into());
    }

    /// Puts a folder on a file system of its own that has no byte left; what it holds stays.
    pub fn fill_disk(&self, folder: &str) -> Result<()> {
        let folder = self.path(folder);
        std::fs::create_dir_all(&folder)?;
        let kept = self.root.with_extension("kept");
        run(Command::new("cp").arg("-a").arg(&folder).arg(&kept))?;
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k,mode=0755", "full"])
            .arg(&folder))?;
        lock(&self.faults).full.push(folder.clone());
        run(Command::new("cp")
            .arg("-a")
            .arg(kept.join("."))
            .arg(&folder))?;
        run(Command::new("rm").arg("-r").arg(&kept))?;
        let mut filler = std::fs::File::create(folder.join("filler"))?;
        while filler.write_all(&[0; 4096]).is_ok() {}
        Ok(())
    }

    /// Gives a folder to somebody else, so that root without capabilities may not write it.
    pub fn take_rights(&self, folder: &str) -> Result<()> {
        let folder = self.path(folder);
        std::fs::create_dir_all(&folder)?;
        std::os::unix::fs::chown(&folder, Some(65_534), Some(65_534))?;
        Ok(std::fs::set_permissions(
            &folder,
            std::fs::Permissions::from_mode(0o755),
        )?)
    }

    pub fn give_rights_back(&self, folder: &str) -> Result<()> {
        Ok(std::os::unix::fs::chown(
            self.path(folder),
            Some(0),
            Some(0),
        )?)
    }

    /// Ends all faults but missing rights.
    pub fn heal(&self) {
        let faults = std::mem::take(&mut *lock(&self.faults));
        for folder in faults.full {
            // The room is given back; the file system stays under the running containers.
            let _ = std::fs::remove_file(folder.join("filler"));
            lock(&self.faults).full.push(folder);
        }
    }

    /// The kubelet stops: containers run on, nothing is reported any more, the node is `NotReady`.
    pub async fn go_down(&self) -> Result<()> {
        self.up.send_replace(false);
        self.report(false).await
    }

    pub async fn come_back(&self) -> Result<()> {
        self.report(true).await?;
        self.up.send_replace(true);
        Ok(())
    }

    pub(super) fn is_read_only(&self) -> bool {
        lock(&self.faults).read_only
    }

    pub(super) fn crashes(&self, image: &str) -> bool {
        lock(&self.faults)
            .crashing_image
            .as_ref()
            .is_some_and(|part| image.contains(part))
    }

    pub(super) fn refuses(&self, arguments: &[String]) -> bool {
        let wanted = lock(&self.faults).ready_only_with.clone();
        wanted.is_some_and(|wanted| !arguments.contains(&wanted))
    }

    pub(super) fn release(&self) {
        for folder in &lock(&self.faults).full {
            let _ = run(Command::new("umount").arg("--lazy").arg(folder));
        }
    }

    pub(super) async fn register(&self) -> Result<()> {
        let nodes = Api::<NodeObject>::all(self.client.clone());
        let mut labels = self.spec.labels.clone();
        for (key, value) in [
            ("kubernetes.io/hostname", self.name.as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
        ] {
            labels.insert(key.into(), value.into());
        }
        let node = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": self.name, "labels": labels, "annotations": self.spec.annotations},
        }))?;
        nodes
            .create(&PostParams::default(), &node)
            .await
            .with_context(|| format!("failed to create node {}", self.name))?;
        self.renew().await?;
        self.report(true).await
    }

    async fn report(&self, ready: bool) -> Result<()> {
        let nodes = Api::<NodeObject>::all(self.client.clone());
        let resources =
            json!({"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "100Gi"});
        let status = json!({"status": {
            "capacity": resources, "allocatable": resources,
            "addresses": [{"type": "Hostname", "address": self.name}],
            "conditions": [ready_condition(ready)],
            "nodeInfo": {
                "kubeletVersion": self.spec.kubelet_version, "kubeProxyVersion": self.spec.kubelet_version,
                "architecture": "amd64", "operatingSystem": "linux", "osImage": "test", "kernelVersion": "test",
                "containerRuntimeVersion": "containerd://2.0.5-k3s2", "bootID": "", "machineID": "", "systemUUID": "",
            },
        }});
        nodes
            .patch_status(
                &self.name,
                &PatchParams::default(),
                &Patch::Strategic(status),
            )
            .await?;
        Ok(())
    }

    async fn renew(&self) -> Result<()> {
        let leases = Api::<Lease>::namespaced(self.client.clone(), "kube-node-lease");
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self.name},
            "spec": {"holderIdentity": self.name, "leaseDurationSeconds": 40,
                     "renewTime": format!("{:.6}", jiff::Timestamp::now())},
        });
        leases
            .patch(
                &self.name,
                &PatchParams::apply("kubelet").force(),
                &Patch::Apply(lease),
            )
            .await?;
        Ok(())
    }
}

fn ready_condition(ready: bool) -> Value {
    let (status, reason) = if ready {
        ("True", "KubeletReady")
    } else {
        ("False", "KubeletNotReady")
    };
    let now = jiff::Timestamp::now()
        .round(jiff::Unit::Second)
        .unwrap_or_default()
        .to_string();
    json!({"type": "Ready", "status": status, "reason": reason, "message": reason,
           "lastHeartbeatTime": now, "lastTransitionTime": now})
}

/// Keeps the leases of all nodes that are up fresh, as every kubelet does for its own.
pub(super) async fn renew_leases(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        let nodes: Vec<_> = lock(&shared.nodes)
            .values()
            .filter(|node| *node.up.borrow())
            .cloned()
            .collect();
        // An API server that is away is met again at the next round.
        futures::stream::iter(nodes)
            .for_each_concurrent(4, |node| async move { drop(node.renew().await) })
            .await;
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("failed to start {command:?}"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    )
}
