//! An engine that refuses one request: a socket in front of the real one, which counts what would change something.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// The longest head of a request that the engine's client sends.
const LONGEST_HEAD: usize = 64 * 1024;

/// Gone with this value.
pub struct FaultyEngine {
    folder: TempDir,
    changes: Arc<AtomicUsize>,
    listener: JoinHandle<()>,
}

impl FaultyEngine {
    /// Answers the `fails`th POST or PUT (from 1) with an error, and hands everything else to `socket`.
    pub fn start(socket: &Path, fails: usize) -> Result<Self> {
        let folder = TempDir::new()?;
        let listener = UnixListener::bind(folder.path().join("docker.sock"))?;
        let changes = Arc::new(AtomicUsize::new(0));
        let (socket, counter) = (socket.to_path_buf(), changes.clone());
        let listener = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (socket, counter) = (socket.clone(), counter.clone());
                // A client that goes away in the middle is no concern of this test.
                tokio::spawn(async move { relay(stream, &socket, &counter, fails).await });
            }
        });
        Ok(Self {
            folder,
            changes,
            listener,
        })
    }

    pub fn docker_host(&self) -> String {
        format!(
            "unix://{}",
            self.folder.path().join("docker.sock").display()
        )
    }

    /// How many POSTs and PUTs there were.
    pub fn changes(&self) -> usize {
        self.changes.load(Ordering::Relaxed)
    }
}

impl Drop for FaultyEngine {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn relay(
    mut client: UnixStream,
    socket: &PathBuf,
    changes: &AtomicUsize,
    fails: usize,
) -> Result<()> {
    let (head, rest) = read_head(&mut client).await?;
    let changing = head.starts_with("POST ") || head.starts_with("PUT ");
    if changing && changes.fetch_add(1, Ordering::Relaxed) + 1 == fails {
        let body = r#"{"message":"refused by the test"}"#;
        let answer = format!(
            "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        client.write_all(answer.as_bytes()).await?;
        return Ok(());
    }
    let mut engine = UnixStream::connect(socket).await?;
    engine.write_all(one_request(&head).as_bytes()).await?;
    engine.write_all(&rest).await?;
    tokio::io::copy_bidirectional(&mut client, &mut engine).await?;
    Ok(())
}

/// The head, with the empty line at its end, and what of the body came with it.
async fn read_head(client: &mut UnixStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    while bytes.len() < LONGEST_HEAD {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes)?, rest));
        }
        if client.read_buf(&mut bytes).await? == 0 {
            bail!("the connection ended inside a head");
        }
    }
    bail!("a head of more than {LONGEST_HEAD} bytes")
}

/// The same request, after which the engine closes the connection, so that each connection carries one; but for those that
/// become something else than HTTP.
fn one_request(head: &str) -> String {
    if head.to_ascii_lowercase().contains("\r\nupgrade:") {
        return head.to_string();
    }
    let lines = head.split("\r\n");
    let kept: Vec<&str> = lines
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"))
        .collect();
    kept.join("\r\n")
        .replacen("\r\n", "\r\nConnection: close\r\n", 1)
}

/// The socket that `DOCKER_HOST` names.
pub fn socket_of(host: Option<&str>) -> Result<PathBuf> {
    let host = host.unwrap_or("unix:///var/run/docker.sock");
    let path = host.strip_prefix("unix://");
    Ok(path.context("DOCKER_HOST must name a socket here")?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_carries_one_request_unless_it_is_upgraded() {
        let head = "GET /info HTTP/1.1\r\nHost: docker\r\nConnection: keep-alive\r\n\r\n";
        assert_eq!(
            one_request(head),
            "GET /info HTTP/1.1\r\nConnection: close\r\nHost: docker\r\n\r\n"
        );
        let upgraded = "POST /exec/1/start HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
        assert_eq!(one_request(upgraded), upgraded);
    }
}
