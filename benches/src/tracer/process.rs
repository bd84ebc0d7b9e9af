//! The server as a process of its own, and what both sides use.

use std::fs::read_to_string;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::{NamedTempFile, TempDir};

use super::agents::BUSY;
use super::{Arguments, reports};

const PATIENCE: Duration = Duration::from_secs(20);

/// A running server with a token for each node.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    child: Child,
    _tokens: NamedTempFile,
    _history: TempDir,
}

impl Server {
    pub(crate) fn start(arguments: &Arguments) -> Result<Self> {
        let (at, metrics) = (free()?, free()?);
        let mut tokens = NamedTempFile::new()?;
        // As the chart has it.
        let history = TempDir::new()?;
        for number in 0..arguments.nodes + BUSY {
            writeln!(
                tokens,
                "{} {}",
                reports::node(number),
                reports::token(number)
            )?;
        }
        let child = Command::new(&arguments.binary)
            .args([
                "--kubernetes=false",
                "--log-level=error",
                &format!("--http-address={at}"),
                &format!("--metrics-address={metrics}"),
                &format!("--stream-readers={}", arguments.readers + 100),
                &format!("--node-tokens={}", tokens.path().display()),
                &format!("--history-folder={}", history.path().display()),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("failed to start {}", arguments.binary.display()))?;
        let server = Self {
            at,
            child,
            _tokens: tokens,
            _history: history,
        };
        let start = Instant::now();
        while TcpStream::connect(at).is_err() {
            if start.elapsed() > PATIENCE {
                bail!("{} does not listen", arguments.binary.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Seconds of processor time so far.
    pub(crate) fn processor(&self) -> Result<f64> {
        processor(&self.child.id().to_string())
    }

    /// A line of `/proc/PID/status` in KiB.
    pub(crate) fn memory(&self, line: &str) -> Result<u64> {
        let status = read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let found = status.lines().find_map(|text| text.strip_prefix(line));
        let kibibytes = found.and_then(|text| text.split_whitespace().next());
        Ok(kibibytes.context("no such line of status")?.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of processor time of this process so far.
pub(crate) fn own_processor() -> Result<f64> {
    processor("self")
}

fn processor(process: &str) -> Result<f64> {
    let stat = read_to_string(format!("/proc/{process}/stat"))?;
    let fields = stat.rsplit(") ").next().context("no fields")?;
    let ticks = fields.split(' ').skip(11).take(2);
    let ticks = ticks.map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(f64::from(ticks) / 100.0)
}

/// Lets this process and its children have so many files open.
pub(crate) fn raise_open_files(wanted: usize) -> Result<()> {
    let limits = read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line
        .and_then(|line| line.split_whitespace().next())
        .context("no limit of open files")?;
    if soft == "unlimited" || soft.parse::<usize>()? >= wanted {
        return Ok(());
    }
    let raised = Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string()])
        .arg(format!("--nofile={wanted}:"))
        .status();
    if !raised.is_ok_and(|status| status.success()) {
        bail!("too few files may be open ({soft}): run `ulimit -n {wanted}` first");
    }
    Ok(())
}

fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
