//! Commands run in a running container.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use futures::stream::{Stream, StreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::engine::{ByteStream, Engine};
use crate::error::{Cause, Error, Operation};
use crate::names::checked;

/// How much of each output is kept.
const KEPT: usize = 1024 * 1024;

/// How long an Engine may take to note how a command ended.
const SETTLING: Duration = Duration::from_secs(30);

/// What to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// `KEY=value`, besides those of the container.
    pub env: Vec<String>,
    /// With all the rights that the container could have.
    pub privileged: bool,
}

/// What came of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// 0 when all went well.
    pub exit_code: i64,
    /// The end of what it put out, at most a mebibyte.
    pub stdout: Vec<u8>,
    /// The end of what it complained about, at most a mebibyte.
    pub stderr: Vec<u8>,
    /// Whether the beginning of either is missing.
    pub is_cut: bool,
}

impl Command {
    /// A command without anything special.
    pub fn new<T: Into<String>>(argv: impl IntoIterator<Item = T>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }
}

impl Output {
    /// The exit code is 0.
    pub fn is_success(&self) -> bool {
        self.exit_code == 0
    }

    /// Standard output as text.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl Engine {
    /// Runs a command to its end, feeding it `input`.
    ///
    /// What it puts out is read to its end before its exit code is asked for: before a command has started an Engine
    /// already reports that it does not run, with code 0.
    pub async fn exec(
        &self,
        container: &str,
        command: &Command,
        input: Option<ByteStream>,
    ) -> Result<Output, Error> {
        let program = command.argv.first().map(String::as_str).unwrap_or_default();
        let operation = Operation::new("run", format!("{program} in container {container}"));
        let name = checked(&operation, container)?;
        let config = ExecConfig {
            attach_stdin: Some(input.is_some()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.argv.clone()),
            env: Some(command.env.clone()),
            privileged: Some(command.privileged),
            ..ExecConfig::default()
        };
        let created = self
            .call(operation.clone(), self.docker.create_exec(name, config))
            .await?;
        let started = self
            .patient_call(operation.clone(), self.docker.start_exec(&created.id, None))
            .await?;
        let StartExecResults::Attached {
            output,
            input: writer,
        } = started
        else {
            let reason = "the Engine gave no output to read".to_owned();
            return Err(operation.failed(Cause::Unusable(reason)));
        };
        // A command may end without reading all of its input: then reading ends, and so does writing.
        let mut collected = Collected::default();
        let fed = {
            let feeding = feed(writer, input);
            let reading = collected.read(output);
            tokio::pin!(feeding, reading);
            let mut fed = None;
            loop {
                tokio::select! {
                    result = &mut feeding, if fed.is_none() => fed = Some(result),
                    result = &mut reading => {
                        result.map_err(|error| self.failed(&operation, error))?;
                        break fed.unwrap_or(Ok(()));
                    }
                }
                if let Some(Err(_)) = fed {
                    break fed.unwrap_or(Ok(()));
                }
            }
        };
        fed.map_err(|error| operation.clone().failed(Cause::Input(error)))?;
        let exit_code = self.exit_code(&operation, &created.id).await?;
        Ok(collected.output(exit_code))
    }

    /// A command can close its output long before it ends, and an Engine notes the end a moment after it.
    async fn exit_code(&self, operation: &Operation, id: &str) -> Result<i64, Error> {
        let mut pause = Duration::from_millis(5);
        let mut ended_for = Duration::ZERO;
        loop {
            let exec = self
                .call(operation.clone(), self.docker.inspect_exec(id))
                .await?;
            let is_running = exec.running.unwrap_or_default();
            if let (false, Some(code)) = (is_running, exec.exit_code) {
                return Ok(code);
            }
            if !is_running {
                ended_for += pause;
            }
            if ended_for > SETTLING {
                let reason = "the Engine does not say how it ended".to_owned();
                return Err(operation.clone().failed(Cause::Unusable(reason)));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }
}

/// Writes the input and then says that it ends. Only an input that cannot be read is an error.
async fn feed(
    mut writer: impl AsyncWrite + Unpin,
    input: Option<ByteStream>,
) -> Result<(), io::Error> {
    let Some(mut input) = input else {
        return Ok(());
    };
    while let Some(bytes) = input.next().await {
        if writer.write_all(&bytes?).await.is_err() {
            return Ok(());
        }
    }
    drop(writer.flush().await);
    drop(writer.shutdown().await);
    Ok(())
}

#[derive(Default)]
struct Collected {
    stdout: Tail,
    stderr: Tail,
}

impl Collected {
    async fn read(
        &mut self,
        mut output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
    ) -> Result<(), bollard::errors::Error> {
        while let Some(piece) = output.next().await {
            let piece = match piece {
                Err(error) if is_hang_up(&error) => return Ok(()),
                piece => piece?,
            };
            match piece {
                LogOutput::StdErr { message } => self.stderr.push(&message),
                other => self.stdout.push(&other.into_bytes()),
            }
        }
        Ok(())
    }

    fn output(self, exit_code: i64) -> Output {
        Output {
            exit_code,
            is_cut: self.stdout.is_cut || self.stderr.is_cut,
            stdout: self.stdout.kept.into(),
            stderr: self.stderr.kept.into(),
        }
    }
}

/// Podman hangs up when a command ends before its input does. How it ended is asked for after that.
fn is_hang_up(error: &bollard::errors::Error) -> bool {
    matches!(error, bollard::errors::Error::IOError { err } if err.kind() == io::ErrorKind::ConnectionReset)
}

/// The end of a stream.
#[derive(Default)]
struct Tail {
    kept: VecDeque<u8>,
    is_cut: bool,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        let excess = (self.kept.len() + bytes.len()).saturating_sub(KEPT);
        self.is_cut |= excess > 0;
        self.kept.drain(..excess);
        self.kept.extend(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Tail};

    #[test]
    fn of_a_long_output_the_end_is_kept() {
        let mut tail = Tail::default();
        tail.push(b"beginning");
        assert!(!tail.is_cut);
        tail.push(&vec![b'x'; KEPT - 3]);
        tail.push(b"end");
        assert!(tail.is_cut);
        assert_eq!(tail.kept.len(), KEPT);
        assert!(Vec::from(tail.kept).ends_with(b"xend"));
    }
}
