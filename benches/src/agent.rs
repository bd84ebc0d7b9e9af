//! The tracer's agent as a process beside a real containerd: CPU and memory while nothing happens and while it pulls, and how
//! soon a total is known.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use e2e::containerd::{Containerd, arrived, pull};
use e2e::eventually;
use e2e::registry::Registry;
use e2e::settings::Settings;
use jiff::Timestamp;
use tracer_model::{Phase, Report, RuntimeState};

use crate::samples::{Samples, milliseconds};

const MIB: usize = 1 << 20;
/// Of each connection to the registry; containerd opens three at a time.
const BYTES_PER_SECOND: u32 = 1 << 20;
/// 96 MiB, some half a minute.
const LARGE: [usize; 6] = [16; 6];
const SMALL_PULLS: usize = 10;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The release binary.
    #[arg(
        long,
        default_value = "target/x86_64-unknown-linux-gnu/release/berth-tracer-agent"
    )]
    binary: PathBuf,
    /// Seconds in which nothing is pulled.
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// Print the rows of docs/performance.md.
    #[arg(long)]
    markdown: bool,
}

struct Row {
    what: String,
    measured: String,
    target: &'static str,
    passes: bool,
}

pub(crate) fn measure(arguments: &Arguments) -> Result<String> {
    let rows = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(rows(arguments))?;
    let lines: Vec<String> = rows
        .iter()
        .map(|row| line(row, arguments.markdown))
        .collect();
    let header = if arguments.markdown {
        "| what | figure | limit | |\n|---|---|---|---|\n"
    } else {
        ""
    };
    Ok(format!("{header}{}", lines.join("\n")))
}

fn line(row: &Row, is_markdown: bool) -> String {
    let verdict = if row.passes { "pass" } else { "FAIL" };
    if is_markdown {
        format!(
            "| {} | {} | {} | {verdict} |",
            row.what, row.measured, row.target
        )
    } else {
        format!(
            "{verdict}  {}: target {}, measured {}",
            row.what, row.target, row.measured
        )
    }
}

async fn rows(arguments: &Arguments) -> Result<Vec<Row>> {
    let settings = Settings::from_env();
    let folder = tempfile::tempdir()?;
    let registry = Registry::start(&settings, BYTES_PER_SECOND).await?;
    let socket = folder.path().join("run/containerd.sock");
    let certs_d = folder.path().join("certs.d");
    let runtime = Containerd::start(&settings, &socket, &certs_d).await?;
    let server = Server::start().await?;
    let agent = Agent::start(&arguments.binary, &socket, &certs_d, &server.url)?;
    eventually("a connected agent", Duration::from_secs(20), || async {
        server
            .has(|report| {
                let runtime = report.runtime.as_ref();
                runtime.is_some_and(|runtime| runtime.state == RuntimeState::Connected)
            })
            .context("no report that says so")
    })
    .await?;

    let idle = Used::during(&agent, async {
        tokio::time::sleep(Duration::from_secs(arguments.idle)).await;
        Ok(())
    })
    .await?;
    let sizes: Vec<usize> = (0..).zip(LARGE).map(|(n, size)| size * MIB + n).collect();
    let large = registry.holds("bench/large", "v1", &sizes)?;
    let name = format!("{}/bench/large:v1", registry.address);
    let pulling = Used::during(&agent, async {
        pull(&runtime.socket, &name)
            .await
            .context("failed to pull")?;
        Ok(())
    })
    .await?;
    server.ended(&large.digest).await?;
    let known = totals_known(&registry, &runtime.socket, &server).await?;
    Ok(table(&idle, &pulling, &known, &agent, &arguments.binary)?.into())
}

/// From the manifest's last byte in containerd to the report with the exact total in the server.
async fn totals_known(registry: &Registry, socket: &Path, server: &Server) -> Result<Samples> {
    let mut samples = Samples::empty();
    for number in 0..SMALL_PULLS {
        let repository = format!("bench/small-{number}");
        let image = registry.holds(&repository, "v1", &[MIB, MIB / 2])?;
        let name = format!("{}/{repository}:v1", registry.address);
        pull(socket, &name).await.context("failed to pull")?;
        server.ended(&image.digest).await?;
        let manifest = arrived(socket, &image.digest).await?;
        let told = server
            .has(|report| {
                let pulls = report.pulls.iter().chain(&report.finished);
                let mut known = pulls.filter(|pull| pull.digest == image.digest);
                known.any(|pull| pull.total_known && pull.total_bytes == image.total)
            })
            .context("the total was never told")?;
        let took = told.duration_since(manifest);
        ensure!(took.is_positive(), "told before the manifest was there");
        samples.push(took.unsigned_abs());
    }
    Ok(samples)
}

fn table(
    idle: &Used,
    pulling: &Used,
    known: &Samples,
    agent: &Agent,
    binary: &Path,
) -> Result<[Row; 6]> {
    let latest = known.percentile(100);
    let most = agent.memory("VmHWM")?;
    Ok([
        Row {
            what: format!("idle {} s, CPU", idle.time.as_secs()),
            measured: idle.share_text(),
            target: "0.1 % of a core",
            passes: idle.share() <= 0.1,
        },
        Row {
            what: "idle, RSS".to_owned(),
            measured: kibibytes(idle.memory),
            target: "8,192 KiB",
            passes: idle.memory <= 8192,
        },
        Row {
            what: format!(
                "while an image of {} layers and 96 MiB is pulled in {} s, CPU",
                LARGE.len(),
                pulling.time.as_secs()
            ),
            measured: pulling.share_text(),
            target: "0.5 % of a core",
            passes: pulling.share() <= 0.5,
        },
        Row {
            what: "most RSS of all the time".to_owned(),
            measured: kibibytes(most),
            target: "no limit",
            passes: true,
        },
        Row {
            what: format!("exact total in the server after the manifest, {SMALL_PULLS} pulls"),
            measured: format!(
                "p50 {}, latest {}",
                milliseconds(known.percentile(50)),
                milliseconds(latest)
            ),
            target: "500 ms",
            passes: latest <= Duration::from_millis(500),
        },
        Row {
            what: "stripped size".to_owned(),
            measured: kibibytes(std::fs::metadata(binary)?.len() / 1024),
            target: "no limit",
            passes: true,
        },
    ])
}

/// `8,192 KiB`
fn kibibytes(number: u64) -> String {
    match (number / 1000, number % 1000) {
        (0, rest) => format!("{rest} KiB"),
        (thousands, rest) => format!("{thousands},{rest:03} KiB"),
    }
}

/// What the agent took while something went on.
struct Used {
    time: Duration,
    cpu: Duration,
    /// In KiB, at the end.
    memory: u64,
}

impl Used {
    async fn during(agent: &Agent, work: impl Future<Output = Result<()>>) -> Result<Self> {
        let (before, began) = (agent.cpu()?, Instant::now());
        work.await?;
        Ok(Self {
            time: began.elapsed(),
            cpu: agent.cpu()?.saturating_sub(before),
            memory: agent.memory("VmRSS")?,
        })
    }

    /// Of a core, in percent.
    fn share(&self) -> f64 {
        100.0 * self.cpu.as_secs_f64() / self.time.as_secs_f64()
    }

    fn share_text(&self) -> String {
        format!("{:.3} % of a core", self.share())
    }
}

struct Agent(Child);

impl Agent {
    fn start(binary: &Path, socket: &Path, certs_d: &Path, server: &str) -> Result<Self> {
        let child = Command::new(binary)
            .env_clear()
            .args(["--node-name=worker-0", "--http-address=127.0.0.1:0"])
            .arg(format!("--server-url={server}"))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--certs-d={}", certs_d.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("failed to start {}; is it built?", binary.display()))?;
        Ok(Self(child))
    }

    /// Of its only thread, by the scheduler's clock.
    fn cpu(&self) -> Result<Duration> {
        let mut sum = Duration::ZERO;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            let nanoseconds = text.split(' ').next().context("no schedstat")?;
            sum += Duration::from_nanos(nanoseconds.parse()?);
        }
        Ok(sum)
    }

    /// In KiB.
    fn memory(&self, field: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status
            .lines()
            .find(|line| line.starts_with(field))
            .with_context(|| format!("no {field}"))?;
        let number = line.split_whitespace().nth(1).context("no number")?;
        Ok(number.parse()?)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

type Reports = Arc<Mutex<Vec<(Timestamp, Report)>>>;

/// Keeps what is reported.
struct Server {
    url: String,
    reports: Reports,
}

impl Server {
    async fn start() -> Result<Self> {
        let reports = Reports::default();
        let routes = Router::new()
            .route("/api/v1/report", post(keep))
            .with_state(reports.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { url, reports })
    }

    /// When a report first said so.
    fn has(&self, says: impl Fn(&Report) -> bool) -> Option<Timestamp> {
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let found = reports.iter().find(|(_, report)| says(report));
        found.map(|(at, _)| *at)
    }

    /// Waits for the end of the pull of this manifest.
    async fn ended(&self, digest: &str) -> Result<()> {
        eventually("the end of a pull", Duration::from_secs(20), || async {
            self.has(|report| {
                let mut ended = report.finished.iter();
                ended.any(|pull| pull.digest == digest && pull.phase == Phase::Done)
            })
            .map(drop)
            .context("not reported")
        })
        .await
    }
}

async fn keep(State(reports): State<Reports>, body: Bytes) -> &'static str {
    let at = Timestamp::now();
    let mut text = String::new();
    let is_compressed = body.starts_with(&[0x1f, 0x8b]);
    let read = if is_compressed {
        flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text)
    } else {
        (&body[..]).read_to_string(&mut text)
    };
    if read.is_ok()
        && let Ok(report) = serde_json::from_str(&text)
    {
        reports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((at, report));
    }
    "{}"
}
