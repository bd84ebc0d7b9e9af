//! One container: start, probes, end, termination message, back-off, start again.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, Pod,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::environment::{Surroundings, command, environment};
use super::image::ImageOf;
use super::node::Node;
use super::{Shared, lock, probe, volumes};
use crate::network::PodNetwork;
use crate::process::tail;
use crate::sandbox::{Mount, Sandbox};

const FIRST_BACK_OFF: Duration = Duration::from_millis(300);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(5);

/// When a container that has ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    Always,
    OnFailure,
    Never,
}

/// A container of a pod that is being played.
pub(super) struct Play {
    pub(super) shared: Arc<Shared>,
    pub(super) node: Arc<Node>,
    pub(super) pod: Arc<Pod>,
    pub(super) container: Container,
    pub(super) folder: PathBuf,
    pub(super) network: Option<Arc<PodNetwork>>,
    pub(super) grace: Duration,
    pub(super) status: Mutex<ContainerStatus>,
    pub(super) changed: Arc<Notify>,
}

impl Play {
    /// Plays the container until it need not run any more or `stop` says so.
    pub(super) async fn run(&self, restart: Restart, mut stop: watch::Receiver<bool>) {
        match self.image(&mut stop).await {
            Some(ImageOf::Test) => {}
            Some(ImageOf::Runtime) => return self.do_nothing(restart, &mut stop).await,
            None => return,
        }
        let mut back_off = FIRST_BACK_OFF;
        loop {
            let end = self.run_once(&mut stop).await;
            let failed = end.exit_code != 0;
            self.update(|status| {
                status.ready = false;
                status.started = Some(false);
                status.state = Some(ContainerState {
                    terminated: Some(end.clone()),
                    ..Default::default()
                });
            });
            let again = restart == Restart::Always || restart == Restart::OnFailure && failed;
            if *stop.borrow() || !again {
                return;
            }
            // Long enough to be seen, as between two rounds of a kubelet.
            tokio::select! { () = sleep(FIRST_BACK_OFF / 2) => {}, () = asked(&mut stop) => return }
            self.update(|status| {
                status.last_state = status.state.take();
                status.state = Some(waiting(
                    "CrashLoopBackOff",
                    "back-off restarting failed container",
                ));
            });
            tokio::select! { () = sleep(back_off) => {}, () = asked(&mut stop) => return }
            back_off = (back_off * 2).min(LONGEST_BACK_OFF);
            self.update(|status| status.restart_count += 1);
        }
    }

    async fn run_once(&self, stop: &mut watch::Receiver<bool>) -> ContainerStateTerminated {
        let started_at = now();
        let mut child = match self.start() {
            Ok(child) => child,
            Err(error) => {
                return ContainerStateTerminated {
                    exit_code: 128,
                    reason: Some("ContainerCannotRun".into()),
                    message: Some(format!("{error:#}")),
                    started_at: Some(started_at.clone()),
                    finished_at: Some(started_at),
                    ..Default::default()
                };
            }
        };
        let pid = child.id().unwrap_or_default();
        self.update(|status| {
            status.state = Some(ContainerState {
                running: Some(ContainerStateRunning {
                    started_at: Some(started_at.clone()),
                }),
                ..Default::default()
            });
            status.started = Some(self.container.startup_probe.is_none());
            status.ready =
                self.container.readiness_probe.is_none() && self.container.startup_probe.is_none();
        });
        let exit = tokio::select! {
            exit = child.wait() => exit,
            () = self.probe(pid) => end(&mut child, self.grace).await,
            () = asked(stop) => end(&mut child, self.grace).await,
        };
        self.terminated(exit.unwrap_or_default(), started_at)
    }

    /// Keeps the container's readiness; returns when liveness asks for a restart.
    async fn probe(&self, pid: u32) {
        let spec = self.spec_file();
        let target = probe::Target {
            sandbox: &self.shared.sandbox,
            spec: &spec,
            pid,
            address: self
                .network
                .as_ref()
                .map(|network| network.address.as_str()),
            container: &self.container,
            node: &self.node,
        };
        if let Some(startup) = &self.container.startup_probe {
            let started = Notify::new();
            tokio::select! {
                () = probe::watch(&target, startup, false, |healthy| if healthy { started.notify_one() }) => {}
                () = started.notified() => {}
            }
            self.update(|status| {
                status.started = Some(true);
                status.ready = self.container.readiness_probe.is_none();
            });
        }
        let dead = Notify::new();
        let readiness = async {
            match &self.container.readiness_probe {
                Some(readiness) => {
                    probe::watch(&target, readiness, false, |ready| {
                        self.update(|status| status.ready = ready);
                    })
                    .await;
                }
                None => std::future::pending().await,
            }
        };
        let liveness = async {
            match &self.container.liveness_probe {
                Some(liveness) => {
                    probe::watch(&target, liveness, true, |alive| {
                        if !alive {
                            dead.notify_one();
                        }
                    })
                    .await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! { () = readiness => {}, () = liveness => {}, () = dead.notified() => {} }
    }

    fn start(&self) -> Result<Child> {
        std::fs::create_dir_all(&self.folder)?;
        std::fs::write(self.folder.join("termination"), "")?;
        let sandbox = self.sandbox()?;
        prepare_mount_points(&sandbox)?;
        std::fs::write(self.spec_file(), serde_json::to_vec(&sandbox)?)?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file()?)?;
        let host_network = self
            .pod
            .spec
            .as_ref()
            .and_then(|spec| spec.host_network)
            .unwrap_or(false);
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        if sandbox.network.is_none() && !host_network {
            command.arg("--net");
        }
        command
            .arg(&self.shared.sandbox)
            .arg("run")
            .arg(self.spec_file())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("failed to start unshare")
    }

    fn sandbox(&self) -> Result<Sandbox> {
        let image = self.container.image.as_deref().unwrap_or_default();
        let name = image_name(image);
        let binary = self
            .shared
            .images
            .get(name)
            .with_context(|| format!("no image {image} on this machine"))?;
        let entry_point = format!(
            "/{}",
            binary.file_name().unwrap_or_default().to_string_lossy()
        );
        let host = self.shared.network.gateway();
        let around = Surroundings {
            api_host: &host,
            api_port: self.shared.port,
            pod_address: self
                .network
                .as_ref()
                .map(|network| network.address.as_str()),
        };
        let env = environment(&self.pod, &self.container, &around)?;
        let security = self.container.security_context.clone().unwrap_or_default();
        let pod_security = self
            .pod
            .spec
            .as_ref()
            .and_then(|spec| spec.security_context.clone())
            .unwrap_or_default();
        let id = |own: Option<i64>, pod: Option<i64>| {
            u32::try_from(own.or(pod).unwrap_or(0)).unwrap_or(0)
        };
        Ok(Sandbox {
            root: self.folder.join("root"),
            read_only_root: security.read_only_root_filesystem.unwrap_or(false),
            mounts: self.mounts(binary, &entry_point)?,
            network: self.network.as_ref().map(|network| network.file()),
            user: id(security.run_as_user, pod_security.run_as_user),
            group: id(security.run_as_group, pod_security.run_as_group),
            working_dir: self
                .container
                .working_dir
                .clone()
                .unwrap_or_else(|| "/".into())
                .into(),
            command: command(&self.container, &entry_point, &env),
            env,
            crash: self.node.crashes(name),
        })
    }

    fn mounts(&self, binary: &Path, entry_point: &str) -> Result<Vec<Mount>> {
        let fixed = |source: &str| Mount {
            source: source.into(),
            target: source.into(),
            read_only: false,
        };
        let mut mounts = vec![
            Mount {
                source: binary.to_path_buf(),
                target: entry_point.into(),
                read_only: true,
            },
            fixed("/proc"),
            fixed("/dev/null"),
            fixed("/dev/random"),
            fixed("/dev/urandom"),
            fixed("/dev/zero"),
            Mount {
                source: self.folder.join("termination"),
                target: self.termination_path().into(),
                read_only: false,
            },
        ];
        mounts.extend(self.shared.hosts.files().map(|(source, target)| Mount {
            source,
            target: target.into(),
            read_only: true,
        }));
        for mount in self.container.volume_mounts.iter().flatten() {
            let volumes = self
                .pod
                .spec
                .iter()
                .flat_map(|spec| spec.volumes.iter().flatten());
            let volume = volumes
                .clone()
                .find(|volume| volume.name == mount.name)
                .with_context(|| format!("no volume {}", mount.name))?;
            let (source, read_only) = match &volume.host_path {
                Some(path) => (
                    volumes::host_path(&self.node.root, path)?,
                    self.node.is_read_only(),
                ),
                None => (
                    self.pod_folder().join("volumes").join(&mount.name),
                    volume.empty_dir.is_none(),
                ),
            };
            let source = mount
                .sub_path
                .as_ref()
                .map_or_else(|| source.clone(), |path| source.join(path));
            mounts.push(Mount {
                source,
                target: mount.mount_path.clone().into(),
                read_only: read_only || mount.read_only.unwrap_or(false),
            });
        }
        Ok(mounts)
    }

    fn terminated(&self, exit: ExitStatus, started_at: Time) -> ContainerStateTerminated {
        let code = exit
            .code()
            .unwrap_or_else(|| 128 + exit.signal().unwrap_or(0));
        ContainerStateTerminated {
            exit_code: code,
            signal: exit.signal(),
            reason: Some(if code == 0 { "Completed" } else { "Error" }.into()),
            message: self.termination_message(code != 0),
            started_at: Some(started_at),
            finished_at: Some(now()),
            ..Default::default()
        }
    }

    fn termination_message(&self, failed: bool) -> Option<String> {
        let bytes = std::fs::read(self.folder.join("termination")).unwrap_or_default();
        let message = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).into_owned();
        if !message.is_empty() {
            return Some(message);
        }
        let falls_back =
            self.container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
        (failed && falls_back).then(|| {
            self.log_file()
                .map(|log| tail(&log, 80))
                .unwrap_or_default()
        })
    }

    fn termination_path(&self) -> &str {
        self.container
            .termination_message_path
            .as_deref()
            .unwrap_or("/dev/termination-log")
    }

    fn pod_folder(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    fn spec_file(&self) -> PathBuf {
        self.folder.join("sandbox.json")
    }

    fn log_file(&self) -> Result<PathBuf> {
        let meta = &self.pod.metadata;
        let folder = self
            .shared
            .folder
            .join("logs")
            .join(meta.namespace.as_deref().unwrap_or_default())
            .join(meta.name.as_deref().unwrap_or_default());
        std::fs::create_dir_all(&folder)?;
        let restarts = lock(&self.status).restart_count;
        Ok(folder.join(format!("{}-{restarts:04}.log", self.container.name)))
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut ContainerStatus)) {
        change(&mut lock(&self.status));
        self.changed.notify_one();
    }
}

/// The status of a container that has not been started yet.
pub(super) fn not_started(container: &Container) -> ContainerStatus {
    ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        started: Some(false),
        state: Some(waiting("ContainerCreating", "")),
        ..Default::default()
    }
}

/// `registry/path/name:tag@digest` -> `name`.
pub(super) fn image_name(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split(['@', ':']).next().unwrap_or(last)
}

pub(super) fn waiting(reason: &str, message: &str) -> ContainerState {
    ContainerState {
        waiting: Some(ContainerStateWaiting {
            reason: Some(reason.into()),
            message: Some(message.into()),
        }),
        ..Default::default()
    }
}

/// Ends when somebody wants the container to stop.
pub(super) async fn asked(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone wants it, too.
    drop(stop.wait_for(|stop| *stop).await);
}

async fn end(child: &mut Child, grace: Duration) -> std::io::Result<ExitStatus> {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        // It may have ended in this moment.
        let _ = kill_process(pid, Signal::TERM);
    }
    if let Ok(exit) = timeout(grace, child.wait()).await {
        return exit;
    }
    child.start_kill()?;
    child.wait().await
}

fn prepare_mount_points(sandbox: &Sandbox) -> Result<()> {
    std::fs::create_dir_all(&sandbox.root)?;
    for mount in &sandbox.mounts {
        let point = sandbox.root.join(mount.target.strip_prefix("/")?);
        if mount.source.is_dir() {
            std::fs::create_dir_all(&point)?;
        } else if !point.exists() {
            std::fs::create_dir_all(point.parent().context("no folder")?)?;
            std::fs::write(&point, "")?;
        }
    }
    Ok(())
}

pub(super) fn now() -> Time {
    Time(jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::image_name;

    #[test]
    fn an_image_is_known_by_the_last_part_of_its_name() {
        for (image, name) in [
            ("node-writer", "node-writer"),
            ("ghcr.io/x/node-writer:1.0", "node-writer"),
            ("host:5000/a/berth-operator@sha256:00", "berth-operator"),
        ] {
            assert_eq!(image_name(image), name);
        }
    }
}
