//! Applies the file to the ports: starts, updates and ends what serves each of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::config::{Config, Port, Protocol};
use super::dial::{Shared, Target};
use super::limit::Limit;
use super::log::Log;
use super::watch::Watch;
use super::{tcp, udp};

/// The lines that other tools wait for.
const STARTED: &str = "start worker processes";

/// More threads than this only cost memory: a laptop has many clusters, and each a load balancer.
const THREADS: usize = 4;

/// Why the load balancer could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No threads, no signals.
    #[error("failed to start the load balancer")]
    Start(#[source] io::Error),
}

/// Serves the ports that the file names until a signal ends the process (SIGTERM, SIGINT, SIGQUIT).
///
/// Needs no run time of its caller and must not be called inside one; [`Balancer::run`] is for that.
pub fn serve(file: &Path) -> Result<(), ServeError> {
    Balancer::new(file).serve()
}

/// A connection needs two files, and the soft limit is often 1024.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where that is not allowed the limit that holds is served.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// A load balancer, before it runs.
pub struct Balancer {
    file: PathBuf,
    address: Option<IpAddr>,
    log: Box<dyn Write + Send>,
}

impl Balancer {
    /// Serves what this file says, on all addresses; logs to standard error.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            address: None,
            log: Box::new(io::stderr()),
        }
    }

    /// Listens at this address alone.
    #[must_use]
    pub fn listening_at(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Logs to somewhere else.
    #[must_use]
    pub fn logging_to(mut self, log: impl Write + Send + 'static) -> Self {
        self.log = Box::new(log);
        self
    }

    /// As the function [`serve`].
    pub fn serve(self) -> Result<(), ServeError> {
        raise_file_limit();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.min(THREADS))
            .enable_all()
            .build()
            .map_err(ServeError::Start)?;
        let result = runtime.block_on(self.run());
        // Nothing is waited for: a look-up of a name may take seconds.
        runtime.shutdown_background();
        result
    }

    /// Runs until a signal ends it. Dropped, it no longer listens; connections go on as long as their run time.
    pub async fn run(self) -> Result<(), ServeError> {
        let listen = |kind| signal(kind).map_err(ServeError::Start);
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut quit = listen(SignalKind::quit())?;
        let mut reload = listen(SignalKind::hangup())?;
        let mut watch = Watch::new(self.file);
        let mut ports = Ports::new(self.address, Log::new(self.log));
        if !watch.file().exists() {
            let file = watch.file().display();
            ports.shared.log.notice(format_args!("waiting for {file}"));
        }
        loop {
            ports.serve_written(&mut watch).await;
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = quit.recv() => return Ok(()),
                _ = reload.recv() => watch.forget(),
                () = watch.wait() => {}
            }
        }
    }
}

/// What is served.
struct Ports {
    address: Option<IpAddr>,
    shared: Arc<Shared>,
    served: HashMap<Port, Served>,
    /// The last good file.
    config: Option<Config>,
}

struct Served {
    target: Arc<Target>,
    /// None while the port cannot be had.
    task: Option<JoinHandle<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Ports {
    fn new(address: Option<IpAddr>, log: Log) -> Self {
        let limit = Limit::new(Config::of([]).settings.worker_connections);
        Self {
            address,
            shared: Arc::new(Shared::new(limit, log)),
            served: HashMap::new(),
            config: None,
        }
    }

    async fn serve_written(&mut self, watch: &mut Watch) {
        match watch.written().await {
            None => self.listen(false),
            Some(written) => match read(written) {
                Ok(config) => self.apply(config).await,
                Err(why) => self.refuse(watch.file(), &why),
            },
        }
    }

    fn refuse(&self, file: &Path, why: &str) {
        let instead = match self.config {
            Some(_) => "the last good one stays in force",
            None => "waiting for a better one",
        };
        let file = file.display();
        self.shared
            .log
            .error(format_args!("{file} is not applied: {why}; {instead}"));
    }

    /// Goes over to another file. Connections through ports that stay notice nothing.
    async fn apply(&mut self, config: Config) {
        let limit = config.settings.worker_connections;
        self.shared.limit.resize(limit);
        let gone: Vec<Port> = self
            .served
            .keys()
            .filter(|port| !config.ports.contains_key(port))
            .copied()
            .collect();
        for port in gone {
            let task = self
                .served
                .remove(&port)
                .and_then(|mut served| served.task.take());
            if let Some(task) = task {
                task.abort();
                // The port is free again only when the task is gone; that it was aborted is no news.
                let _ = task.await;
            }
        }
        let idle = config.settings.proxy_timeout();
        for (port, nodes) in &config.ports {
            match self.served.get(port) {
                Some(served) => served.target.update(nodes, idle),
                None => self.add(*port, nodes, &config),
            }
        }
        self.listen(true);
        self.check_names(&config.ports);
        self.config = Some(config);
        self.shared.log.notice(STARTED);
    }

    fn add(&mut self, port: Port, nodes: &[String], config: &Config) {
        let target = Target::new(port, nodes, config.settings.proxy_timeout());
        let served = Served {
            target: Arc::new(target),
            task: None,
        };
        self.served.insert(port, served);
    }

    /// Takes the ports that are not taken yet; who has them may go, so it is tried again each second.
    fn listen(&mut self, first: bool) {
        for (port, served) in &mut self.served {
            if served.task.is_none() {
                match start(self.address, *port, &self.shared, &served.target) {
                    Ok(task) => served.task = Some(task),
                    Err(error) if first => self
                        .shared
                        .log
                        .error(format_args!("failed to listen at {port}: {error}")),
                    Err(_) => {}
                }
            }
        }
    }

    /// Says which nodes nobody knows, without waiting for the answers.
    fn check_names(&self, ports: &BTreeMap<Port, Vec<String>>) {
        let names: BTreeSet<String> = ports.values().flatten().cloned().collect();
        for name in names {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move {
                if shared.names.resolve(&name, 0).await.is_empty() {
                    shared.not_found(&name);
                }
            });
        }
    }
}

fn start(
    address: Option<IpAddr>,
    port: Port,
    shared: &Arc<Shared>,
    target: &Arc<Target>,
) -> io::Result<JoinHandle<()>> {
    let (shared, target) = (Arc::clone(shared), Arc::clone(target));
    Ok(match port.protocol {
        Protocol::Tcp => {
            let listener = tcp::listen(address, port.number)?;
            tokio::spawn(tcp::accept(listener, shared, target))
        }
        Protocol::Udp => {
            let socket = udp::listen(address, port.number)?;
            tokio::spawn(udp::serve(socket, shared, target))
        }
    })
}

/// What was read, as a configuration or as the reason why it is none.
fn read(written: io::Result<Vec<u8>>) -> Result<Config, String> {
    let bytes = written.map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    if text.trim().is_empty() {
        // Somebody is about to write it, or meant to.
        return Err("it is empty".to_owned());
    }
    Config::parse(&text).map_err(|error| with_sources(&error))
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
