//! Agents of all nodes in one thread: some pull, the others say every 10 to 15 s that they are there.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::runtime::Runtime;
use tokio::time::{sleep, sleep_until};

use super::connection::Connection;
use super::process::Server;
use super::reports::{self, Series};

/// More nodes, on which pulls in great number begin and end.
pub(crate) const BUSY: usize = 100;
/// Pulls of one report.
const TOGETHER: u64 = 5;
/// A server takes ten reports a second of one node.
const PACE: Duration = Duration::from_millis(105);
const PATIENCE: Duration = Duration::from_secs(120);

/// How long answers took.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) times: Vec<Duration>,
    pub(crate) failed: u64,
}

/// Answers as they come.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Mutex<Answers>>);

impl Book {
    /// What came since the last time.
    pub(crate) fn take(&self) -> Answers {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, time: Duration, status: &Result<u16>) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(status, Ok(200)) {
            answers.times.push(time);
        } else {
            answers.failed += 1;
        }
    }
}

/// All agents; they work until dropped.
pub(crate) struct Agents {
    pub(crate) answers: Book,
    at: SocketAddr,
    nodes: usize,
    runtime: Runtime,
    rounds: AtomicU64,
}

impl Agents {
    /// Connects every node, the first `pulling` of them in the middle of a pull.
    pub(crate) fn connect(server: &Server, nodes: usize, pulling: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("agents")
            .enable_all()
            .build()?;
        let answers = Book::default();
        let connected = Arc::new(AtomicU64::new(0));
        for number in 0..nodes {
            let (book, connected, at) = (answers.clone(), Arc::clone(&connected), server.at);
            runtime.spawn(async move {
                // What fails is counted where answers are.
                let failed = live(at, number, number < pulling, &book, &connected).await;
                book.note(Duration::ZERO, &failed.map(|()| 0));
            });
        }
        let start = Instant::now();
        while connected.load(Ordering::Relaxed) < nodes as u64 {
            if start.elapsed() > PATIENCE {
                bail!(
                    "only {} of {nodes} nodes are connected",
                    connected.load(Ordering::Relaxed)
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            answers,
            at: server.at,
            nodes,
            runtime,
            rounds: AtomicU64::new(0),
        })
    }

    /// Begins and ends so many pulls on nodes of their own, besides what goes on.
    pub(crate) fn pull(&self, pulls: u64) -> Result<()> {
        let round = self.rounds.fetch_add(1, Ordering::Relaxed);
        let each = pulls.div_ceil(BUSY as u64);
        let (at, nodes) = (self.at, self.nodes);
        let tasks: Vec<_> = (nodes..nodes + BUSY)
            .map(|number| {
                let book = self.answers.clone();
                self.runtime
                    .spawn(async move { churn(at, number, round, each, &book).await })
            })
            .collect();
        self.runtime.block_on(async {
            for task in tasks {
                task.await??;
            }
            Ok(())
        })
    }
}

/// One agent.
async fn live(
    at: SocketAddr,
    number: usize,
    pulls: bool,
    book: &Book,
    connected: &AtomicU64,
) -> Result<()> {
    // Agents start one after another.
    sleep(Duration::from_millis(number as u64 * 2)).await;
    let mut series = Series::new(number);
    let mut connection = Connection::open(at).await?;
    let id = "1763690400-bench";
    let mut thousandths = 0;
    let first: Vec<_> = pulls
        .then(|| reports::pull(number, id, 0))
        .into_iter()
        .collect();
    let status = connection
        .ask(&series.request("full", &first, &[])?)
        .await?;
    if status != 200 {
        bail!("the first report was answered {status}");
    }
    connected.fetch_add(1, Ordering::Relaxed);
    let start = tokio::time::Instant::now();
    let mut beats = 0;
    loop {
        beats += 1;
        let period = if pulls {
            1000
        } else {
            // Spread as by chance, and the same in every run.
            10_000 + number as u64 * 7919 % 5000
        };
        sleep_until(start + Duration::from_millis(period * beats)).await;
        let request = if pulls {
            thousandths = (thousandths + 3) % 1000;
            series.request("delta", &[reports::pull(number, id, thousandths)], &[])?
        } else {
            series.request("heartbeat", &[], &[])?
        };
        let sent = Instant::now();
        let status = connection.ask(&request).await;
        book.note(sent.elapsed(), &status);
        status?;
    }
}

/// Pulls of one node, some at once.
async fn churn(at: SocketAddr, number: usize, round: u64, pulls: u64, book: &Book) -> Result<()> {
    let mut connection = Connection::open(at).await?;
    let mut series = Series::new(number);
    let name = |count: u64| format!("{round}-{count}");
    let mut begun: Vec<String> = Vec::new();
    let mut next = 0;
    let mut kind = "full";
    let start = tokio::time::Instant::now();
    let mut reports_sent = 0;
    while next < pulls || !begun.is_empty() {
        let beginning: Vec<String> = (next..pulls.min(next + TOGETHER)).map(name).collect();
        next += beginning.len() as u64;
        let active: Vec<_> = beginning
            .iter()
            .map(|id| reports::pull(number, id, 500))
            .collect();
        let finished: Vec<_> = begun.iter().map(|id| reports::ended(number, id)).collect();
        let request = series.request(kind, &active, &finished)?;
        sleep_until(start + PACE * reports_sent).await;
        reports_sent += 1;
        let sent = Instant::now();
        let status = connection.ask(&request).await;
        book.note(sent.elapsed(), &status);
        match status? {
            200 => {}
            status => bail!("a report was answered {status}"),
        }
        kind = "delta";
        begun = beginning;
    }
    Ok(())
}
