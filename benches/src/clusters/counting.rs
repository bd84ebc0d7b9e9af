//! A socket before the Engine's that counts the bytes which come through.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail};
use docker::{Address, Endpoint};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// Ends with its value.
pub(crate) struct Counter {
    socket: PathBuf,
    sent: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Counter {
    pub(crate) fn before(engine: &Endpoint, folder: &Path) -> Result<Self> {
        let Address::Unix(engine) = engine.address.clone() else {
            bail!("bytes are counted on a socket of this machine only, not on {engine}");
        };
        let socket = folder.join("counted.sock");
        let listener = UnixListener::bind(&socket)?;
        let sent = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(serve(listener, engine, Arc::clone(&sent)));
        Ok(Self { socket, sent, task })
    }

    /// For `DOCKER_HOST`.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Bytes that went to the Engine since the last call.
    pub(crate) fn take(&self) -> u64 {
        self.sent.swap(0, Ordering::Relaxed)
    }
}

async fn serve(listener: UnixListener, engine: PathBuf, sent: Arc<AtomicU64>) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(engine) = UnixStream::connect(&engine).await else {
            continue;
        };
        let (client, engine) = (client.into_split(), engine.into_split());
        tokio::spawn(pass(client.0, engine.1, Arc::clone(&sent)));
        tokio::spawn(pass(engine.0, client.1, Arc::default()));
    }
}

/// Passes on, the end of the stream as well. Whoever goes away ends it.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: Arc<AtomicU64>,
) {
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        count.fetch_add(length as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    // The other side may be gone already.
    drop(to.shutdown().await);
}
