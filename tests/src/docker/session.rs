//! One test's home, names and programs, and the check that it left nothing behind.

use std::os::unix::fs::symlink;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use serde_json::Value;
use tempfile::TempDir;

use super::invocation::{Answer, Invocation};
use super::{Engine, remains};
use crate::settings::{DockerSettings, Settings};

static SESSIONS: AtomicUsize = AtomicUsize::new(0);

/// What a test works with.
pub struct Session {
    pub engine: Engine,
    settings: Settings,
    mark: String,
    home: TempDir,
    volumes: Mutex<Vec<String>>,
}

impl Session {
    async fn start(settings: Settings, docker: DockerSettings) -> Result<Self> {
        let engine = Engine::connect(docker).await?;
        remains::remove_of_killed_tests(&engine).await?;
        let mark = format!(
            "{}{}x{}-",
            remains::PREFIX,
            std::process::id(),
            SESSIONS.fetch_add(1, Ordering::Relaxed)
        );
        let home = tempfile::Builder::new()
            .prefix(&mark)
            .disable_cleanup(settings.keep)
            .tempdir()?;
        for folder in ["bin", "config", "tmp"] {
            std::fs::create_dir(home.path().join(folder))?;
        }
        let berth = settings.binary("berth")?;
        for name in ["berth", "k3d"] {
            symlink(&berth, home.path().join("bin").join(name))?;
        }
        Ok(Self {
            engine,
            settings,
            mark,
            home,
            volumes: Mutex::default(),
        })
    }

    /// A name that no other test uses; `suffix` tells the clusters of a test apart.
    pub fn name(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.mark)
    }

    /// The folder that is this test's home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.home.path().join("kubeconfig")
    }

    pub fn node_image(&self) -> &str {
        &self.engine.settings().node_image
    }

    pub fn registry_image(&self) -> &str {
        &self.engine.settings().registry_image
    }

    /// `k3d ARGUMENTS`: the binary under the name that k3d's users type.
    pub fn k3d(&self, arguments: &[&str]) -> Invocation {
        self.invoke("k3d", arguments)
    }

    /// `berth ARGUMENTS`.
    pub fn berth(&self, arguments: &[&str]) -> Invocation {
        self.invoke("berth", arguments)
    }

    /// The `PATH` of invocations, with further folders in front.
    pub fn path_with(&self, folders: &[PathBuf]) -> String {
        let own = [self.home.path().join("bin")];
        let system = ["/usr/bin", "/bin"].map(PathBuf::from);
        let all = folders.iter().chain(&own).chain(&system);
        let names: Vec<String> = all.map(|folder| folder.display().to_string()).collect();
        names.join(":")
    }

    /// A program where the engine publishes its ports.
    fn start_of(&self, program: PathBuf, arguments: &[&str]) -> Invocation {
        let namespace = self.engine.settings().namespace.as_deref();
        Invocation::new(program, arguments, namespace)
    }

    fn invoke(&self, name: &str, arguments: &[&str]) -> Invocation {
        let home = self.home.path();
        let invocation = self
            .start_of(home.join("bin").join(name), arguments)
            .env("PATH", self.path_with(&[]))
            .env("HOME", home)
            .env("TMPDIR", home.join("tmp"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("KUBECONFIG", self.kubeconfig())
            .env("LOG_COLORS", "false");
        match &self.engine.settings().host {
            Some(host) => invocation.env("DOCKER_HOST", host),
            None => invocation,
        }
    }

    /// `k3d cluster create NAME` with the node image of the tests, and further flags.
    pub async fn create(&self, name: &str, flags: &[&str]) -> Result<Answer> {
        let fixed = ["cluster", "create", name, "--image", self.node_image()];
        let answer = self.k3d(&[&fixed[..], flags].concat()).succeeds().await;
        self.remember_volumes().await?;
        answer
    }

    pub async fn delete(&self, name: &str) -> Result<Answer> {
        self.remember_volumes().await?;
        self.k3d(&["cluster", "delete", name]).succeeds().await
    }

    /// Volumes without a name are found again by what mounts them; call it while that is there.
    pub async fn remember_volumes(&self) -> Result<()> {
        let mounted = remains::mounted_volumes(&self.engine, &self.mark).await?;
        let mut volumes = self
            .volumes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        volumes.extend(mounted);
        Ok(())
    }

    /// kubectl with the kubeconfig that the program under test has written.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let answer = self
            .start_of(self.settings.program("kubectl")?, arguments)
            .env("KUBECONFIG", self.kubeconfig())
            .env("HOME", self.home.path())
            .env("PATH", "/usr/bin:/bin")
            .succeeds()
            .await?;
        Ok(answer.stdout)
    }

    /// An answer of `kubectl get ... -o json`.
    pub async fn get(&self, arguments: &[&str]) -> Result<Value> {
        let text = self
            .kubectl(&[&["get", "-o", "json"], arguments].concat())
            .await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The answer of a command that prints JSON.
    pub async fn json(&self, arguments: &[&str]) -> Result<Value> {
        let answer = self.k3d(arguments).succeeds().await?;
        serde_json::from_str(&answer.stdout).with_context(|| format!("not JSON: {}", answer.stdout))
    }

    /// k3d's own notion of a cluster that works: its kubeconfig can be had, and its API server answers.
    pub async fn is_reachable(&self, name: &str) -> Result<()> {
        let merge = ["kubeconfig", "merge", name, "--kubeconfig-switch-context"];
        let answer = self.k3d(&merge).succeeds().await?;
        let file = answer.stdout.trim();
        self.kubectl(&["--kubeconfig", file, "cluster-info"])
            .await
            .map(drop)
    }

    /// The nodes that the API server of the current context knows, sorted.
    pub async fn kubernetes_nodes(&self) -> Result<Vec<String>> {
        let names = self.kubectl(&["get", "nodes", "-o", "name"]).await?;
        let mut names: Vec<String> = names
            .lines()
            .map(|name| name.trim_start_matches("node/").to_string())
            .collect();
        names.sort();
        Ok(names)
    }

    /// What should not be there any more.
    async fn left_behind(&self) -> Result<Vec<String>> {
        let mut left = remains::in_engine(&self.engine, &self.mark).await?;
        let remembered = self
            .volumes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let volumes = self.engine.volumes("").await?;
        left.extend(
            volumes
                .into_iter()
                .filter(|volume| remembered.contains(volume))
                .map(|volume| format!("anonymous volume {volume}")),
        );
        for folder in ["config", "tmp"] {
            let files = files_below(&self.home.path().join(folder))?;
            left.extend(files.iter().map(|file| format!("file {}", file.display())));
        }
        if let Ok(text) = std::fs::read_to_string(self.kubeconfig()) {
            left.extend(
                text.lines()
                    .filter(|line| line.contains(&self.mark))
                    .map(|line| format!("line of the kubeconfig: {}", line.trim())),
            );
        }
        left.sort();
        left.dedup();
        Ok(left)
    }

    async fn end(self, succeeded: bool) -> Result<()> {
        let left = self.left_behind().await;
        if self.settings.keep {
            return Ok(());
        }
        remains::remove(&self.engine, &self.mark).await?;
        let left = left?;
        ensure!(
            !succeeded || left.is_empty(),
            "left behind:\n{}",
            left.join("\n")
        );
        Ok(())
    }
}

/// Files in a folder and its folders. Empty folders do nobody harm.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// Runs a test on the Docker Engine; when it fails, shows its containers.
///
/// # Panics
///
/// When the test fails or leaves something behind.
pub async fn scenario(test: impl AsyncFnOnce(&Session) -> Result<()>) {
    let settings = Settings::from_env();
    let docker = settings.docker.clone();
    examine(settings, docker, "docker", test).await;
}

/// Runs a test on podman's socket.
///
/// # Panics
///
/// When the test fails or leaves something behind.
pub async fn podman_scenario(test: impl AsyncFnOnce(&Session) -> Result<()>) {
    let settings = Settings::from_env();
    let podman = settings.podman.clone();
    examine(settings, podman, "podman", test).await;
}

/// Where a newer engine keeps its images.
#[derive(Clone, Copy, Debug)]
pub enum ImageStore {
    /// Docker's own, in overlay2.
    Graph,
    /// containerd's.
    Containerd,
}

/// Runs a test on a newer Docker Engine.
///
/// # Panics
///
/// When the test fails or leaves something behind.
pub async fn newer_docker_scenario(
    store: ImageStore,
    test: impl AsyncFnOnce(&Session) -> Result<()>,
) {
    let settings = Settings::from_env();
    let engine = match store {
        ImageStore::Graph => settings.newer_docker_graph.clone(),
        ImageStore::Containerd => settings.newer_docker_containerd.clone(),
    };
    examine(settings, engine, "newer-docker", test).await;
}

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::panic,
    reason = "this is how a test fails and what it shows"
)]
async fn examine(
    settings: Settings,
    engine: Option<DockerSettings>,
    name: &str,
    test: impl AsyncFnOnce(&Session) -> Result<()>,
) {
    let Some(engine) = engine else {
        assert!(
            settings.left_out(name),
            "no {name} in the environment: run tests/env/up and source ~/.cache/berth/env"
        );
        println!("SKIPPED: {name} (BERTH_SKIP)");
        return;
    };
    let session = match Session::start(settings, engine).await {
        Ok(session) => session,
        Err(error) => panic!("{error:#}"),
    };
    let outcome = AssertUnwindSafe(test(&session)).catch_unwind().await;
    let succeeded = matches!(outcome, Ok(Ok(())));
    if !succeeded {
        eprintln!(
            "{}",
            remains::describe(&session.engine, &session.mark).await
        );
    }
    let ended = session.end(succeeded).await;
    match (outcome, ended) {
        (Ok(Ok(())), Ok(())) => {}
        (Ok(Err(error)), _) | (Ok(Ok(())), Err(error)) => panic!("{error:#}"),
        (Err(panic), _) => std::panic::resume_unwind(panic),
    }
}
