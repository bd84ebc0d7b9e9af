//! The Engine of another machine, through `ssh HOST docker system dial-stdio`.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// How much of what `ssh` says is kept for the error.
const WORDS: usize = 2048;

/// How long its last words are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The arguments of `ssh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SshCommand(Vec<String>);

impl SshCommand {
    /// The same words as docker's own: the remote user's shell reads the last part.
    pub(crate) fn new(
        user: Option<&str>,
        host: &str,
        port: Option<u16>,
        socket: Option<&str>,
    ) -> Self {
        let mut words: Vec<String> = ["-o", "ConnectTimeout=20", "-T"].map(Into::into).into();
        if let Some(user) = user {
            words.extend(["-l".to_owned(), user.to_owned()]);
        }
        if let Some(port) = port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        words.extend(["--".to_owned(), host.to_owned(), "docker".to_owned()]);
        if let Some(socket) = socket {
            words.extend(["--host".to_owned(), quoted(&format!("unix://{socket}"))]);
        }
        words.extend(["system".to_owned(), "dial-stdio".to_owned()]);
        Self(words)
    }
}

/// A word that a POSIX shell takes as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A running `ssh`; dropping it ends the process.
pub(crate) struct SshStream {
    // Kept, because it ends when dropped.
    _child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    said: Arc<Mutex<Vec<u8>>>,
    heard: bool,
    farewell: Farewell,
}

/// Ends when all that `ssh` said is there.
type Farewell = Pin<Box<dyn Future<Output = ()> + Send>>;

impl SshStream {
    pub(crate) fn start(command: &SshCommand) -> io::Result<Self> {
        let mut child = Command::new("ssh")
            .args(&command.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("failed to run ssh: {error}")))?;
        let missing = || io::Error::other("a pipe to ssh is missing");
        let said = Arc::default();
        let errors = child.stderr.take().ok_or_else(missing)?;
        let words = tokio::spawn(keep_words(errors, Arc::clone(&said)));
        // A shared connection stays in the background and keeps the pipe open for as long as it likes.
        let farewell = async { drop(tokio::time::timeout(LAST_WORDS, words).await) };
        Ok(Self {
            input: child.stdin.take(),
            output: child.stdout.take().ok_or_else(missing)?,
            _child: child,
            said,
            heard: false,
            farewell: Box::pin(farewell),
        })
    }

    fn failure(&self) -> io::Error {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let words = String::from_utf8_lossy(&said);
        let words: Vec<&str> = words.lines().map(str::trim).collect();
        io::Error::new(
            io::ErrorKind::NotConnected,
            format!("ssh ended without a connection: {}", words.join("; ")),
        )
    }
}

async fn keep_words(mut errors: ChildStderr, said: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 512];
    while let Ok(count @ 1..) = errors.read(&mut buffer).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let room = WORDS.saturating_sub(said.len()).min(count);
        said.extend_from_slice(&buffer[..room]);
    }
}

impl AsyncRead for SshStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.output).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.heard = true;
        } else if !self.heard && buffer.remaining() > 0 {
            ready!(self.farewell.as_mut().poll(context));
            return Poll::Ready(Err(self.failure()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.input {
            Some(input) => Pin::new(input).poll_write(context, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.input {
            Some(input) => Pin::new(input).poll_flush(context),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Closing the pipe is what tells the other side that nothing more comes.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::SshCommand;

    #[test]
    fn ssh_is_run_as_docker_runs_it() {
        let table = [
            (
                SshCommand::new(None, "box", None, None),
                "-o ConnectTimeout=20 -T -- box docker system dial-stdio",
            ),
            (
                SshCommand::new(Some("ada"), "box", Some(2222), Some("/run/docker.sock")),
                "-o ConnectTimeout=20 -T -l ada -p 2222 -- box docker --host unix:///run/docker.sock system dial-stdio",
            ),
            (
                SshCommand::new(None, "box", None, Some("/x'; reboot")),
                r"-o ConnectTimeout=20 -T -- box docker --host 'unix:///x'\''; reboot' system dial-stdio",
            ),
        ];
        for (command, expected) in table {
            assert_eq!(command.0.join(" "), expected);
        }
    }
}
