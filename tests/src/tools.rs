//! kubectl and helm as users run them, against the test's own API server.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::settings::Settings;

/// What a program answered.
#[derive(Debug)]
pub struct Answer {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

/// Runs kubectl and helm with the administrator's kubeconfig.
#[derive(Clone, Debug)]
pub struct Tools {
    kubectl: PathBuf,
    helm: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

impl Tools {
    pub fn new(settings: &Settings, kubeconfig: PathBuf, home: &Path) -> Result<Self> {
        Ok(Self {
            kubectl: settings.program("kubectl")?,
            helm: settings.program("helm")?,
            kubeconfig,
            home: home.to_path_buf(),
        })
    }

    /// kubectl; an exit code other than 0 is an error that holds stderr.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        succeeded(
            "kubectl",
            arguments,
            self.try_kubectl(arguments, None).await?,
        )
    }

    /// `kubectl apply -f -`.
    pub async fn apply(&self, manifest: &str) -> Result<String> {
        let arguments = ["apply", "-f", "-"];
        succeeded(
            "kubectl",
            &arguments,
            self.try_kubectl(&arguments, Some(manifest)).await?,
        )
    }

    /// kubectl, when the test wants to see it fail.
    pub async fn try_kubectl(&self, arguments: &[&str], stdin: Option<&str>) -> Result<Answer> {
        self.run(&self.kubectl, arguments, stdin).await
    }

    pub async fn helm(&self, arguments: &[&str]) -> Result<String> {
        succeeded("helm", arguments, self.try_helm(arguments).await?)
    }

    pub async fn try_helm(&self, arguments: &[&str]) -> Result<Answer> {
        self.run(&self.helm, arguments, None).await
    }

    async fn run(&self, program: &Path, arguments: &[&str], stdin: Option<&str>) -> Result<Answer> {
        let mut child = Command::new(program)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .stdin(if stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to start {}", program.display()))?;
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            pipe.write_all(text.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        Ok(Answer {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

fn succeeded(program: &str, arguments: &[&str], answer: Answer) -> Result<String> {
    if answer.success {
        return Ok(answer.stdout);
    }
    bail!(
        "{program} {}: {}{}",
        arguments.join(" "),
        answer.stdout,
        answer.stderr
    )
}
