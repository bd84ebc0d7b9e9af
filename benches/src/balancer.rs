//! The load balancer over loopback: what it adds to a direct connection, in turn with direct ones.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use provisioner::balancer::Balancer;

use crate::node_writer::resident_memory;
use crate::samples::Samples;

const CLIENTS: Ipv4Addr = Ipv4Addr::LOCALHOST;
const NODE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

const ROUNDS: usize = 2000;
const STREAMS: usize = 11;
const STREAM: usize = 1 << 30;
const OPEN: usize = 1000;

/// What a client wants of the node.
const ECHO: u8 = 1;
const SWALLOW: u8 = 2;

pub(crate) fn measure() -> Result<String> {
    let node = TcpListener::bind((NODE, 0))?;
    let port = node.local_addr()?.port();
    thread::spawn(move || answer_all(&node));
    let mut starts = Samples::empty();
    for _ in 0..20 {
        starts.push(Running::start(port)?.started);
    }
    let running = Running::start(port)?;
    let idle = resident_memory(running.child.id())?;
    let direct = SocketAddr::from((NODE, port));
    let through = SocketAddr::from((CLIENTS, port));

    let mut short = [Samples::empty(), Samples::empty()];
    let mut trips = [Samples::empty(), Samples::empty()];
    let mut streams = [Samples::empty(), Samples::empty()];
    let mut open = [connect(direct, ECHO)?, connect(through, ECHO)?];
    for _ in 0..ROUNDS {
        for (index, address) in [direct, through].into_iter().enumerate() {
            // In turn, so that a busy moment of the machine is in both.
            short[index].add(&mut || trip(&mut connect(address, ECHO)?))?;
            trips[index].add(&mut || trip(&mut open[index]))?;
        }
    }
    for _ in 0..STREAMS {
        for (index, address) in [direct, through].into_iter().enumerate() {
            streams[index].add(&mut || stream(address))?;
        }
    }
    let mut held = Vec::with_capacity(OPEN);
    for _ in 0..OPEN {
        let mut connection = connect(through, ECHO)?;
        trip(&mut connection)?;
        held.push(connection);
    }
    let busy = resident_memory(running.child.id())?;
    Ok(format!(
        "| start of the process to the first connection taken | {} | limit 1 s |\n\
         | connection, one byte there and back, closed | {} | {} direct |\n\
         | one byte there and back on an open connection | {} | {} direct |\n\
         | 1 GiB in one connection | {} | {} direct, {:.2} x |\n\
         | RSS, idle and with {OPEN} open connections | {idle} KiB, {busy} KiB | no limit |",
        starts.text(),
        short[1].text(),
        short[0].text(),
        trips[1].text(),
        trips[0].text(),
        rate(&streams[1]),
        rate(&streams[0]),
        streams[1].percentile(50).as_secs_f64() / streams[0].percentile(50).as_secs_f64(),
    ))
}

/// The process that is measured.
pub(crate) fn balance(file: &Path) -> Result<()> {
    Ok(Balancer::new(file).listening_at(CLIENTS.into()).serve()?)
}

struct Running {
    child: Child,
    started: Duration,
    _folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is ours and has nothing to save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(port: u16) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("values.yaml");
        let settings = "settings:\n  workerConnections: 4096\n";
        fs::write(
            &file,
            format!("ports:\n  {port}.tcp:\n  - {NODE}\n{settings}"),
        )?;
        let start = Instant::now();
        let child = Command::new(std::env::current_exe()?)
            .arg("balance")
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()?;
        let mut running = Self {
            child,
            started: Duration::ZERO,
            _folder: folder,
        };
        while TcpStream::connect((CLIENTS, port)).is_err() {
            if start.elapsed() > Duration::from_secs(10) {
                bail!("the load balancer does not listen");
            }
            thread::sleep(Duration::from_micros(200));
        }
        running.started = start.elapsed();
        Ok(running)
    }
}

fn connect(address: SocketAddr, wish: u8) -> Result<TcpStream> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    connection.write_all(&[wish])?;
    Ok(connection)
}

fn trip(connection: &mut TcpStream) -> Result<()> {
    connection.write_all(&[7])?;
    connection.read_exact(&mut [0])?;
    Ok(())
}

/// Sends a lot, and waits until the node has had it all.
fn stream(address: SocketAddr) -> Result<()> {
    let mut connection = connect(address, SWALLOW)?;
    let chunk = vec![7; 256 * 1024];
    for _ in 0..STREAM / chunk.len() {
        connection.write_all(&chunk)?;
    }
    connection.shutdown(Shutdown::Write)?;
    connection.read_exact(&mut [0]).context("the node got less")
}

fn rate(samples: &Samples) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a round number")]
    let rate = |percent| STREAM as f64 / samples.percentile(percent).as_secs_f64() / 1e9;
    format!("{:.2} GB/s ({:.2} to {:.2})", rate(50), rate(100), rate(1))
}

fn answer_all(node: &TcpListener) {
    for connection in node.incoming().flatten() {
        // Whoever goes away ends it.
        thread::spawn(move || drop(answer(connection)));
    }
}

fn answer(mut connection: TcpStream) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut wish = [0];
    connection.read_exact(&mut wish)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut left = STREAM;
    loop {
        let count = connection.read(&mut buffer)?;
        match wish {
            _ if count == 0 => break,
            [SWALLOW] => left = left.saturating_sub(count),
            _ => connection.write_all(&buffer[..count])?,
        }
    }
    if left == 0 {
        connection.write_all(&[1])?;
    }
    Ok(())
}
