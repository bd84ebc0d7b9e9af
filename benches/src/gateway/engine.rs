//! An Engine, by its socket and its command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};

pub(crate) struct Engine {
    /// As `DOCKER_HOST` has it.
    pub(crate) host: String,
    pub(crate) socket: PathBuf,
    /// What its images are called in the table.
    pub(crate) kind: String,
    /// Whether containerd keeps its images.
    pub(crate) is_containerd: bool,
    pub(crate) data: PathBuf,
    docker: PathBuf,
}

impl Engine {
    pub(crate) fn new(docker: &Path, host: &str) -> Result<Self> {
        let socket = host
            .strip_prefix("unix://")
            .context("the peer needs an Engine on a Unix socket")?;
        let mut engine = Self {
            host: host.to_owned(),
            socket: socket.into(),
            kind: String::new(),
            is_containerd: false,
            data: PathBuf::new(),
            docker: docker.to_owned(),
        };
        let facts = engine.ask(&[
            "info",
            "--format",
            "{{.ServerVersion}}|{{.Driver}}|{{.DockerRootDir}}|{{json .DriverStatus}}",
        ])?;
        let mut facts = facts.splitn(4, '|');
        let (version, driver) = (facts.next(), facts.next());
        let version: String = version
            .unwrap_or_default()
            .chars()
            .take_while(|it| it.is_ascii_digit() || *it == '.')
            .collect();
        engine.data = facts.next().unwrap_or_default().into();
        engine.is_containerd = facts
            .next()
            .is_some_and(|status| status.contains("io.containerd.snapshotter.v1"));
        let store = if engine.is_containerd {
            "containerd's store"
        } else {
            driver.unwrap_or_default()
        };
        engine.kind = format!("Docker {version}, {store}");
        Ok(engine)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.docker);
        command.arg("--host").arg(&self.host);
        command
    }

    /// What a command says.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<String> {
        let asked = self
            .command()
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .context("failed to run docker")?;
        ensure!(
            asked.status.success(),
            "docker {} failed",
            arguments.join(" ")
        );
        Ok(String::from_utf8_lossy(&asked.stdout).trim().to_owned())
    }

    /// The time as the Engine's events have it; it runs on this machine.
    #[expect(
        clippy::disallowed_methods,
        reason = "events are found by when they were"
    )]
    pub(crate) fn now() -> SystemTime {
        SystemTime::now()
    }

    /// How many exports of an image the Engine began since then, by its own account.
    pub(crate) fn exports(&self, image: &str, since: SystemTime) -> Result<usize> {
        let at = |time: SystemTime| -> Result<String> {
            let time = time.duration_since(UNIX_EPOCH)?;
            Ok(format!("{}.{:09}", time.as_secs(), time.subsec_nanos()))
        };
        // An end that is just now may be before the last event.
        let until = at(Self::now() + Duration::from_millis(300))?;
        let events = self.ask(&[
            "events",
            "--since",
            &at(since)?,
            "--until",
            &until,
            "--filter",
            "event=save",
            "--format",
            "{{.Actor.ID}}",
        ])?;
        Ok(events.lines().filter(|line| *line == image).count())
    }
}
