//! One run of the program under test.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// What the program answered.
#[derive(Debug)]
pub struct Answer {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// Both streams, for texts whose stream depends on the manner in which the program was called.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A command line with its environment, not yet run.
pub struct Invocation {
    program: PathBuf,
    command: Command,
    arguments: Vec<String>,
    stdin: Option<Vec<u8>>,
}

impl Invocation {
    pub(super) fn new(program: PathBuf, arguments: &[&str], namespace: Option<&Path>) -> Self {
        let mut command = match namespace {
            Some(namespace) => entered(namespace, &program),
            None => Command::new(&program),
        };
        command.args(arguments).env_clear();
        Self {
            program,
            command,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            stdin: None,
        }
    }

    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    #[must_use]
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Starts it; the test decides when it ends.
    pub fn spawn(mut self) -> Result<Child> {
        self.command
            .stdin(if self.stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to start {}", self.program.display()))
    }

    /// Runs it to its end, whatever that is.
    pub async fn run(self) -> Result<Answer> {
        let stdin = self.stdin.clone();
        let mut child = self.spawn()?;
        if let (Some(bytes), Some(mut pipe)) = (stdin, child.stdin.take()) {
            pipe.write_all(&bytes).await?;
        }
        let output = child.wait_with_output().await?;
        Ok(Answer {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it and expects exit code 0.
    pub async fn succeeds(self) -> Result<Answer> {
        self.ends_with(0).await
    }

    /// Runs it and expects this exit code.
    pub async fn ends_with(self, code: i32) -> Result<Answer> {
        let line = self.line();
        let answer = self.run().await?;
        if answer.code == Some(code) {
            return Ok(answer);
        }
        bail!(
            "{line}: exit code {:?} instead of {code}\n--- stdout\n{}--- stderr\n{}",
            answer.code,
            answer.stdout,
            answer.stderr
        )
    }

    fn line(&self) -> String {
        let name = self.program.file_name().unwrap_or_default();
        format!("{} {}", name.to_string_lossy(), self.arguments.join(" "))
    }
}

/// A program in another network namespace; it takes the place of what enters it, so signals reach it.
fn entered(namespace: &Path, program: &Path) -> Command {
    let mut command = Command::new("/usr/bin/nsenter");
    command
        .arg(format!("--net={}", namespace.display()))
        .arg("--")
        .arg(program);
    command
}
