//! Pages that watch the stream as the web page does, in one thread, and connections that never read.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;

const REQUEST: &[u8] =
    b"GET /api/v1/events?named=true&heartbeat=event&layers=false HTTP/1.1\r\nHost: bench\r\n\r\n";
/// Of whoever never reads with all layers: much that is not taken.
const WHOLE: &[u8] = b"GET /api/v1/events HTTP/1.1\r\nHost: bench\r\n\r\n";
/// What comes after a silence of so long is the next batch.
const SILENCE: Duration = Duration::from_millis(150);
/// The server ends a connection that takes nothing for 30 s: another one takes its place before.
const NEXT: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(60);

/// What one reader got.
#[derive(Default)]
struct Got {
    batches: AtomicU64,
    bytes: AtomicU64,
    ended: AtomicBool,
}

/// All readers; they read until dropped.
pub(crate) struct Readers {
    at: SocketAddr,
    got: Vec<Arc<Got>>,
    runtime: Runtime,
    never: Arc<Mutex<Vec<TcpStream>>>,
}

impl Readers {
    /// Opens so many.
    pub(crate) fn open(at: SocketAddr, count: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("readers")
            .enable_all()
            .build()?;
        let got: Vec<Arc<Got>> = (0..count).map(|_| Arc::default()).collect();
        for got in &got {
            let got = Arc::clone(got);
            runtime.spawn(async move {
                // A reader whose stream ends is one that gets no batches.
                let _ = read(at, &got).await;
                got.ended.store(true, Ordering::Relaxed);
            });
        }
        let start = Instant::now();
        let reads = |got: &Arc<Got>| got.bytes.load(Ordering::Relaxed) > 0;
        while !got.iter().all(reads) {
            if start.elapsed() > PATIENCE {
                bail!(
                    "only {} of {count} readers get something",
                    got.iter().filter(|got| reads(got)).count()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            at,
            got,
            runtime,
            never: Arc::default(),
        })
    }

    /// From now on there is one that never reads.
    pub(crate) fn add_one_that_never_reads(&self) -> Result<()> {
        let (at, never) = (self.at, Arc::clone(&self.never));
        let first = self.runtime.block_on(silent(at))?;
        never.lock().ok().context("a thread failed")?.push(first);
        self.runtime.spawn(async move {
            loop {
                tokio::time::sleep(NEXT).await;
                if let Ok(stream) = silent(at).await
                    && let Ok(mut never) = never.lock()
                {
                    never.push(stream);
                }
            }
        });
        Ok(())
    }

    /// Batches of each and bytes of all since the last time.
    pub(crate) fn take(&self) -> (Vec<u64>, u64) {
        let batches = self
            .got
            .iter()
            .map(|got| got.batches.swap(0, Ordering::Relaxed))
            .collect();
        let bytes = self
            .got
            .iter()
            .map(|got| got.bytes.swap(0, Ordering::Relaxed))
            .sum();
        (batches, bytes)
    }
}

async fn read(at: SocketAddr, got: &Got) -> Result<()> {
    let mut stream = TcpStream::connect(at).await?;
    stream.write_all(REQUEST).await?;
    let mut buffer = vec![0; 64 << 10];
    let mut last = Instant::now();
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let now = Instant::now();
        if now.duration_since(last) > SILENCE {
            got.batches.fetch_add(1, Ordering::Relaxed);
        }
        last = now;
        got.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }
}

async fn silent(at: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // What the kernel takes in its stead is little.
    socket.set_recv_buffer_size(4096)?;
    let mut stream = socket.connect(at).await?;
    stream.write_all(WHOLE).await?;
    Ok(stream)
}
