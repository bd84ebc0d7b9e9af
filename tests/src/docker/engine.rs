//! Docker's own client, for what a test wants to know that the provisioner does not say.

use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::settings::DockerSettings;

/// The engine that the tests use.
#[derive(Clone, Debug)]
pub struct Engine {
    settings: DockerSettings,
}

impl Engine {
    /// Fails with what to do when no engine answers.
    pub async fn connect(settings: DockerSettings) -> Result<Self> {
        let engine = Self { settings };
        engine.run(&["version"]).await.context(
            "no Docker Engine answers; run tests/env/up, which installs docker.io and starts it, and source \
             ~/.cache/berth/env; or leave it out with BERTH_SKIP=docker",
        )?;
        Ok(engine)
    }

    pub fn settings(&self) -> &DockerSettings {
        &self.settings
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.settings.program);
        command.args(arguments);
        if let Some(host) = &self.settings.host {
            command.env("DOCKER_HOST", host);
        }
        command
    }

    /// `docker ARGUMENTS`; prints what the command printed.
    pub async fn run(&self, arguments: &[&str]) -> Result<String> {
        self.run_with_stdin(arguments, None).await
    }

    pub async fn run_with_stdin(&self, arguments: &[&str], stdin: Option<&[u8]>) -> Result<String> {
        let mut child = self
            .command(arguments)
            .stdin(if stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to start {}", self.settings.program.display()))?;
        if let (Some(bytes), Some(mut pipe)) = (stdin, child.stdin.take()) {
            pipe.write_all(bytes).await?;
        }
        let output = child.wait_with_output().await?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "docker {}: {stdout}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(stdout)
    }

    /// What a command prints on both streams.
    pub async fn run_both(&self, arguments: &[&str]) -> Result<String> {
        let output = self
            .command(arguments)
            .stdin(Stdio::null())
            .output()
            .await?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// The inspection of a container, network or volume.
    pub async fn inspect(&self, kind: &str, name: &str) -> Result<Value> {
        let text = self.run(&[kind, "inspect", name]).await?;
        let mut found: Vec<Value> = serde_json::from_str(&text)?;
        match found.pop() {
            Some(object) => Ok(object),
            None => bail!("docker {kind} inspect {name}: nothing"),
        }
    }

    pub async fn container(&self, name: &str) -> Result<Value> {
        self.inspect("container", name).await
    }

    /// What a command in a container prints.
    pub async fn exec(&self, container: &str, command: &[&str]) -> Result<String> {
        self.run(&[&["exec", container], command].concat()).await
    }

    /// A file of a container, running or not.
    pub async fn file(&self, container: &str, path: &str) -> Result<String> {
        self.exec(container, &["cat", path]).await
    }

    /// Names of all containers whose name contains `part`, stopped ones too.
    pub async fn containers(&self, part: &str) -> Result<Vec<String>> {
        self.names(&["ps", "--all", "--format", "{{.Names}}"], part)
            .await
    }

    pub async fn networks(&self, part: &str) -> Result<Vec<String>> {
        self.names(&["network", "ls", "--format", "{{.Name}}"], part)
            .await
    }

    pub async fn volumes(&self, part: &str) -> Result<Vec<String>> {
        self.names(&["volume", "ls", "--format", "{{.Name}}"], part)
            .await
    }

    pub async fn images(&self, part: &str) -> Result<Vec<String>> {
        self.names(
            &["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"],
            part,
        )
        .await
    }

    /// Docker's own name filters differ between engines and versions.
    async fn names(&self, command: &[&str], part: &str) -> Result<Vec<String>> {
        let mut names: Vec<String> = self
            .run(command)
            .await?
            .lines()
            .filter(|name| name.contains(part))
            .map(String::from)
            .collect();
        names.sort();
        Ok(names)
    }

    /// The host port that a container's port is published at.
    pub async fn host_port(&self, container: &str, port: &str) -> Result<u16> {
        let inspected = self.container(container).await?;
        let bindings = &inspected["NetworkSettings"]["Ports"][port];
        let number = bindings[0]["HostPort"]
            .as_str()
            .with_context(|| format!("{container} does not publish {port}: {bindings}"))?;
        Ok(number.parse()?)
    }

    /// The container's ports that are published, as `80/tcp`, sorted.
    pub async fn published(&self, container: &str) -> Result<Vec<String>> {
        let inspected = self.container(container).await?;
        let bindings = inspected["HostConfig"]["PortBindings"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let mut ports: Vec<String> = bindings.keys().cloned().collect();
        ports.sort();
        Ok(ports)
    }

    /// A label of a container.
    pub async fn label(&self, container: &str, key: &str) -> Result<Option<String>> {
        let inspected = self.container(container).await?;
        Ok(inspected["Config"]["Labels"][key]
            .as_str()
            .map(String::from))
    }

    /// An image of a few bytes, which no other test has.
    pub async fn make_small_image(&self, tag: &str) -> Result<()> {
        let archive = std::process::Command::new("tar")
            .args(["-c", "-C", "/bin", "busybox"])
            .output()?
            .stdout;
        let change = format!("LABEL berth.test={tag}");
        let arguments = [
            "import",
            "--change",
            "ENTRYPOINT [\"/busybox\"]",
            "--change",
            &change,
            "-",
            tag,
        ];
        self.run_with_stdin(&arguments, Some(&archive))
            .await
            .map(drop)
    }
}
