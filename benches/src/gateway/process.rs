//! A server on a port of its own, and what it uses.

use std::fs::read_to_string;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::Arguments;
use super::client;
use super::engine::Engine;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server with a folder of its own, which go together.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Server {
    /// The gateway, with an empty store; one that reads only the socket finds no data root.
    pub(crate) fn gateway(
        arguments: &Arguments,
        engine: &Engine,
        only_socket: bool,
    ) -> Result<Self> {
        let (folder, at) = (place(arguments)?, free()?);
        let mut command = Command::new(&arguments.binary);
        command.env("DOCKER_HOST", &engine.host);
        command.args([
            "--address",
            &at.to_string(),
            "--log-level",
            "error",
            "--store",
        ]);
        command.arg(folder.path().join("store"));
        if only_socket {
            let nowhere = folder.path().join("nowhere");
            command
                .arg("--data-root")
                .arg(&nowhere)
                .arg("--containerd")
                .arg(&nowhere);
        }
        Self::start(command, folder, at, "/readyz")
    }

    /// Debian's docker-registry, with an empty store.
    pub(crate) fn registry(arguments: &Arguments) -> Result<Self> {
        let (folder, at) = (place(arguments)?, free()?);
        let root = folder.path().join("store");
        let file = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{at}'}}\n",
            root.display()
        );
        std::fs::write(&file, text)?;
        let mut command = Command::new(&arguments.registry);
        command.arg("serve").arg(&file);
        Self::start(command, folder, at, "/v2/")
    }

    fn start(mut command: Command, folder: TempDir, at: SocketAddr, ready: &str) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("failed to start {}", command.get_program().display()))?;
        let server = Self {
            at,
            child,
            _folder: folder,
        };
        let start = Instant::now();
        while !client::ask(at, "GET", ready).is_ok_and(|answer| answer.status == 200) {
            if start.elapsed() > PATIENCE {
                bail!("{} does not answer", command.get_program().display());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    /// Seconds of processor time so far.
    pub(crate) fn processor(&self) -> Result<f64> {
        let stat = read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit(") ").next().context("no fields")?;
        let ticks = fields.split(' ').skip(11).take(2);
        let ticks = ticks.map(str::parse::<u32>).sum::<Result<u32, _>>()?;
        Ok(f64::from(ticks) / 100.0)
    }

    /// The most KiB of memory so far.
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kibibytes.context("no VmHWM")?.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn place(arguments: &Arguments) -> Result<TempDir> {
    std::fs::create_dir_all(&arguments.disk)?;
    Ok(tempfile::Builder::new()
        .prefix("gateway-bench")
        .tempdir_in(&arguments.disk)?)
}

fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
