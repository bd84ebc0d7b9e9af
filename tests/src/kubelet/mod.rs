//! A kubelet for as many nodes as a test wants: it registers them, and plays every pod bound to them as processes.
//!
//! ```text
//!  watch of pods ─▶ one task per pod ─▶ volumes ─▶ one task per container ─▶ pod-sandbox ─▶ the image's binary
//!                        │                              │ probes, back-off, termination message
//!                        └──────── status patch ◀───────┘
//! ```
//!
//! A node is a folder; `hostPath` volumes come from it. An image is a static binary, or, on a node with a container runtime,
//! pulled there, after which its container does nothing. What a real kubelet does and the tests
//! depend on is done the same way: Secret volumes are swapped by renaming `..data`, exec probes run inside the container,
//! restarts back off (in tenths of seconds instead of ten), deletion sends SIGTERM first.

mod container;
mod environment;
mod hosts;
mod image;
mod node;
mod pod;
mod probe;
mod status;
mod volumes;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::network::Network;
pub use node::{Node, NodeSpec};

/// Plays the pods of its nodes until it is dropped.
pub struct Kubelet {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// What every pod's task needs.
struct Shared {
    client: Client,
    folder: PathBuf,
    network: Arc<Network>,
    port: u16,
    /// The last part of an image's name, without its tag, and the binary that the image holds.
    images: BTreeMap<String, PathBuf>,
    sandbox: PathBuf,
    nodes: Mutex<BTreeMap<String, Arc<Node>>>,
    hosts: hosts::Hosts,
}

impl Kubelet {
    pub fn start(
        client: Client,
        folder: &Path,
        network: Arc<Network>,
        port: u16,
        images: BTreeMap<String, PathBuf>,
    ) -> Result<Self> {
        allow_many_watches();
        let shared = Arc::new(Shared {
            client,
            folder: folder.to_path_buf(),
            network,
            port,
            images,
            sandbox: sandbox_program()?,
            nodes: Mutex::default(),
            hosts: hosts::Hosts::create(folder)?,
        });
        std::fs::create_dir_all(folder.join("nodes"))?;
        let tasks = vec![
            tokio::spawn(play_pods(shared.clone())),
            tokio::spawn(node::renew_leases(shared.clone())),
        ];
        Ok(Self { shared, tasks })
    }

    /// Registers nodes and waits until the API server has them.
    pub async fn add_nodes(&self, nodes: impl IntoIterator<Item = NodeSpec>) -> Result<()> {
        futures::stream::iter(nodes)
            .map(|spec| async {
                let node = Arc::new(Node::create(
                    &self.shared.folder,
                    &self.shared.client,
                    spec,
                )?);
                // Known before it is registered: its first pod may come at once.
                lock(&self.shared.nodes).insert(node.name.clone(), node.clone());
                node.register().await
            })
            .buffer_unordered(16)
            .try_collect::<()>()
            .await
    }

    pub fn node(&self, name: &str) -> Result<Arc<Node>> {
        lock(&self.shared.nodes)
            .get(name)
            .cloned()
            .with_context(|| format!("no node {name}"))
    }

    /// All nodes, by name.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        lock(&self.shared.nodes).values().cloned().collect()
    }

    /// What the containers of a pod have printed so far, restarts included; still there when the pod is gone.
    pub fn log(&self, namespace: &str, pod: &str) -> String {
        read_logs(&self.shared.folder.join("logs").join(namespace).join(pod))
    }

    /// Pod name and log of every pod that ever ran in a name space.
    pub fn logs(&self, namespace: &str) -> BTreeMap<String, String> {
        let folder = self.shared.folder.join("logs").join(namespace);
        entries(&folder)
            .map(|path| {
                (
                    path.file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned(),
                    read_logs(&path),
                )
            })
            .collect()
    }

    /// The files of every node below `/etc` and the end of every log: what a failed test shows.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for node in self.nodes().iter().take(5) {
            let _ = writeln!(
                text,
                "== files of {} ==\n{}",
                node.name,
                list_files(&node.path("/etc"))
            );
        }
        for namespace in entries(&self.shared.folder.join("logs")) {
            for pod in entries(&namespace).take(30) {
                let log = read_logs(&pod);
                let lines: Vec<&str> = log.lines().collect();
                let end = lines[lines.len().saturating_sub(25)..].join("\n");
                let _ = writeln!(
                    text,
                    "== log of {} ==\n{end}",
                    pod.file_name().unwrap_or_default().to_string_lossy()
                );
            }
        }
        text
    }

    /// The address of a pod that has one, as seen from the test.
    pub async fn pod_address(&self, namespace: &str, pod: &str) -> Result<String> {
        let pod = Api::<Pod>::namespaced(self.shared.client.clone(), namespace)
            .get(pod)
            .await?;
        pod.status
            .and_then(|status| status.pod_ip)
            .context("the pod has no address")
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        for node in self.nodes() {
            node.release();
        }
    }
}

/// Every instance of the node-writer watches files; 128 for the whole machine is a default made for desktops.
fn allow_many_watches() {
    let limit = Path::new("/proc/sys/fs/inotify/max_user_instances");
    let enough = std::fs::read_to_string(limit)
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok())
        .is_some_and(|n| n >= 8192);
    if !enough {
        // Without the right to raise it only tests with very many nodes fail, and they say why.
        let _ = std::fs::write(limit, "8192");
    }
}

fn sandbox_program() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let path = test
        .ancestors()
        .nth(2)
        .context("the test has no folder")?
        .join("pod-sandbox");
    anyhow::ensure!(
        path.is_file(),
        "{} is missing; `cargo build -p e2e --bins` makes it",
        path.display()
    );
    Ok(path)
}

async fn play_pods(shared: Arc<Shared>) {
    let pods = Api::<Pod>::all(shared.client.clone());
    let mut events = watcher(pods, watcher::Config::default().fields("spec.nodeName!=")).boxed();
    let mut playing: HashMap<String, watch::Sender<Option<Pod>>> = HashMap::new();
    let mut seen = Vec::new();
    // Ends with this task, and every process with it.
    let mut tasks = JoinSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => seen.clear(),
            Ok(Event::InitApply(pod)) => {
                seen.push(pod.uid().unwrap_or_default());
                hand_over(&shared, &mut tasks, &mut playing, pod);
            }
            Ok(Event::InitDone) => {
                for (uid, pod) in &playing {
                    if !seen.contains(uid) {
                        pod.send_replace(None);
                    }
                }
            }
            Ok(Event::Apply(pod)) => hand_over(&shared, &mut tasks, &mut playing, pod),
            Ok(Event::Delete(pod)) => {
                if let Some(sender) = playing.remove(&pod.uid().unwrap_or_default()) {
                    sender.send_replace(None);
                }
            }
            // The watcher starts again by itself; a restarting API server is part of the tests.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
        }
        while tasks.try_join_next().is_some() {}
        playing.retain(|_, sender| !sender.is_closed());
    }
}

fn hand_over(
    shared: &Arc<Shared>,
    tasks: &mut JoinSet<()>,
    playing: &mut HashMap<String, watch::Sender<Option<Pod>>>,
    pod: Pod,
) {
    let node = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.node_name.clone())
        .unwrap_or_default();
    let Some(node) = lock(&shared.nodes).get(&node).cloned() else {
        return;
    };
    shared.hosts.learn(&pod);
    let uid = pod.uid().unwrap_or_default();
    if let Some(sender) = playing.get(&uid) {
        sender.send_replace(Some(pod));
        return;
    }
    let (sender, receiver) = watch::channel(Some(pod.clone()));
    playing.insert(uid, sender);
    tasks.spawn(pod::play(shared.clone(), node, pod, receiver));
}

fn read_logs(folder: &Path) -> String {
    let mut files: Vec<_> = entries(folder).collect();
    files.sort();
    files
        .iter()
        .map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned())
        .collect()
}

fn list_files(folder: &Path) -> String {
    let mut text = String::new();
    for path in entries(folder) {
        if path.is_dir() {
            text += &list_files(&path);
        } else {
            let content = std::fs::read(&path).unwrap_or_default();
            let _ = writeln!(
                text,
                "-- {} --\n{}",
                path.display(),
                String::from_utf8_lossy(&content[..content.len().min(2000)])
            );
        }
    }
    text
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}

/// A panic elsewhere must not hide itself behind a poisoned lock here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
