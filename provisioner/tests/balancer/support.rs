//! A running load balancer, its file, its log, and nodes that answer.

use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener, UdpSocket as StdUdp};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use provisioner::balancer::Balancer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

pub(crate) const STARTED: &str = "start worker processes";
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) folder: tempfile::TempDir,
    log: Lines,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// A load balancer whose file was there before it.
    pub(crate) async fn with(file: &str) -> Self {
        let running = Self::starting(Some(file));
        running.logged(STARTED, 1).await;
        running
    }

    pub(crate) fn starting(file: Option<&str>) -> Self {
        Self::starting_at(LOCAL, file)
    }

    pub(crate) fn starting_at(address: IpAddr, file: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("values.yaml");
        if let Some(file) = file {
            fs::write(&path, file).unwrap();
        }
        let log = Lines::default();
        let balancer = Balancer::new(&path)
            .listening_at(address)
            .logging_to(log.clone());
        let task = tokio::spawn(async move { balancer.run().await.unwrap() });
        Self { folder, log, task }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("values.yaml")
    }

    /// Writes the file and waits until it is applied.
    pub(crate) async fn apply(&self, file: &str) {
        let before = self.log.count(STARTED);
        fs::write(self.file(), file).unwrap();
        self.logged(STARTED, before + 1).await;
    }

    pub(crate) async fn logged(&self, text: &str, times: usize) {
        let log = &self.log;
        eventually(&format!("{times} x {text:?} in the log"), async || {
            (log.count(text) >= times).then_some(())
        })
        .await;
    }

    pub(crate) fn log(&self) -> String {
        self.log.text()
    }

    pub(crate) fn count(&self, text: &str) -> usize {
        self.log.count(text)
    }
}

pub(crate) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What is logged, shared with the one who logs.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    fn count(&self, text: &str) -> usize {
        let lines = self.text();
        lines.lines().filter(|line| line.contains(text)).count()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A port that is free at all addresses used here, outside the range that clients are given.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let seed = std::process::id().wrapping_mul(2_654_435_761);
    (0..10_000)
        .find_map(|_| {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            let port = u16::try_from(10_000 + seed.wrapping_add(next * 7) % 20_000).unwrap();
            let free = (1..=5).all(|last| {
                let address = (Ipv4Addr::new(127, 0, 0, last), port);
                StdListener::bind(address).is_ok() && StdUdp::bind(address).is_ok()
            });
            free.then_some(port)
        })
        .unwrap()
}

pub(crate) fn node(number: u8, port: u16) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 0, number), port).into()
}

/// The file for one TCP port and the nodes 127.0.0.`n`.
pub(crate) fn file(port: u16, nodes: &[u8]) -> String {
    format!("ports:\n{}", mapping(port, "tcp", nodes))
}

pub(crate) fn mapping(port: u16, protocol: &str, nodes: &[u8]) -> String {
    let nodes: Vec<_> = nodes
        .iter()
        .map(|node| format!("  - 127.0.0.{node}\n"))
        .collect();
    format!("  {port}.{protocol}:\n{}", nodes.concat())
}

/// A node that says its number and then echoes until the client ends.
pub(crate) async fn echo(number: u8, port: u16) -> JoinHandle<()> {
    let listener = TcpListener::bind(node(number, port)).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                if write.write_all(&[number]).await.is_ok() {
                    // A client that goes away ends it.
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                }
            });
        }
    })
}

pub(crate) async fn connect(port: u16) -> TcpStream {
    TcpStream::connect((LOCAL, port)).await.unwrap()
}

/// The number of the node that answers a new connection.
pub(crate) async fn greeting(port: u16) -> io::Result<u8> {
    greeted(&mut connect(port).await).await
}

pub(crate) async fn greeted(stream: &mut TcpStream) -> io::Result<u8> {
    stream.read_u8().await
}
