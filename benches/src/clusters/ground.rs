//! Where clusters are measured: an Engine, programs with a home of their own, and names that tell what to take away.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use docker::{Endpoint, Engine, Environment};
use provisioner::names;
use provisioner::observed::Container;
use tempfile::TempDir;
use tokio::process::Command;

/// What is made while it is taken away is found the next time.
const ROUNDS: usize = 3;

/// After this time an Engine has done what nobody waits for any more.
pub(crate) const SETTLED: Duration = Duration::from_secs(2);

/// A program that makes clusters.
pub(crate) struct Tool {
    pub name: &'static str,
    pub program: PathBuf,
}

pub(crate) struct Ground {
    pub engine: Engine,
    /// The image that nodes run.
    pub image: String,
    /// Docker's command line.
    pub docker: PathBuf,
    /// Ours first.
    pub tools: Vec<Tool>,
    /// What every name begins with.
    tag: String,
    home: TempDir,
    docker_config: PathBuf,
}

impl Ground {
    pub(crate) async fn new(berth: &Path, image: &str, docker: &Path) -> Result<Self> {
        let program = berth
            .canonicalize()
            .with_context(|| format!("{} is not built", berth.display()))?;
        let environment = Environment::of_process();
        let engine = Engine::connect(Endpoint::resolve(&environment)?).await?;
        if engine.image(image).await?.is_none() {
            bail!("the Engine has no image {image}; pull it or make it first");
        }
        let mut tools = vec![Tool {
            name: "berth",
            program,
        }];
        let mut k3d = environment.path.iter().map(|folder| folder.join("k3d"));
        tools.extend(k3d.find(|file| file.is_file()).map(|program| Tool {
            name: "k3d",
            program,
        }));
        Ok(Self {
            engine,
            image: image.to_owned(),
            docker: docker.to_owned(),
            tools,
            tag: format!("bench-{}", std::process::id()),
            home: tempfile::tempdir()?,
            docker_config: environment.docker_config,
        })
    }

    pub(crate) fn berth(&self) -> &Tool {
        &self.tools[0]
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A name for a cluster.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.tag)
    }

    /// A name for an image.
    pub(crate) fn image_name(&self, what: &str) -> String {
        format!("{}-{what}:1", self.tag)
    }

    /// A call of a tool. Its kubeconfig and settings are its own, and it ends with us.
    pub(crate) fn command<T: AsRef<OsStr>>(&self, tool: &Tool, arguments: &[T]) -> Command {
        let mut command = Command::new(&tool.program);
        command
            .args(arguments)
            .env("HOME", self.home.path())
            .env("DOCKER_CONFIG", &self.docker_config)
            .env_remove("KUBECONFIG")
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// How long a call takes, from the start of the process to its end.
    pub(crate) async fn time<T: AsRef<OsStr>>(
        &self,
        tool: &Tool,
        arguments: &[T],
    ) -> Result<Duration> {
        let mut command = self.command(tool, arguments);
        let start = Instant::now();
        let output = command.output().await?;
        let elapsed = start.elapsed();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.trim().lines().rev().take(5).collect::<Vec<_>>();
            let said = said.into_iter().rev().collect::<Vec<_>>().join("\n");
            bail!("{} failed ({}): {said}", tool.name, output.status);
        }
        Ok(elapsed)
    }

    /// Takes away all clusters of ours, whole ones and others.
    pub(crate) async fn clear(&self) -> Result<()> {
        let label = format!("{}={}", names::LABEL_APP, names::APP);
        let prefix = names::prefixed(&self.tag);
        for _ in 0..ROUNDS {
            let containers = self.engine.containers(&[&label]).await?;
            let containers = containers.into_iter().filter_map(Container::of);
            let containers: Vec<_> = containers
                .filter(|container| container.cluster.starts_with(&self.tag))
                .collect();
            for container in &containers {
                let removed = self.engine.remove(&container.name, true, true).await;
                if let Err(error) = removed
                    && !error.is_not_found()
                {
                    return Err(error.into());
                }
            }
            for network in self.engine.networks(&[&label]).await? {
                let name = network.name.unwrap_or_default();
                if name.starts_with(&prefix) {
                    self.engine.remove_network(&name).await?;
                }
            }
            for volume in self.engine.volumes(&[&label]).await? {
                if volume.name.starts_with(&prefix) {
                    self.engine.remove_volume(&volume.name, true).await?;
                }
            }
            if containers.is_empty() {
                break;
            }
        }
        // The kubeconfig does not grow from run to run.
        match std::fs::remove_dir_all(self.home.path().join(".kube")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Takes away clusters and the images that were made.
    pub(crate) async fn leave(&self) -> Result<()> {
        if self.clear().await.is_err() {
            // What the Engine was asked for last may only now be there.
            tokio::time::sleep(SETTLED).await;
            self.clear().await?;
        }
        for image in self.engine.images().await? {
            for name in image.repo_tags {
                if name.starts_with(&self.tag) {
                    self.engine.remove_image(&name, true).await?;
                }
            }
        }
        Ok(())
    }
}
