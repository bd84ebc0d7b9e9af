//! What every port shares, and the way from a port to a node that answers.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::config::Port;
use super::limit::Limit;
use super::log::Log;
use super::names::Names;
use super::upstream::{AVOIDED, Upstreams};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A thing that happens to every connection is said once in this time.
const REPEATED: Duration = Duration::from_secs(10);

/// What all ports share.
pub(super) struct Shared {
    pub(super) names: Names,
    pub(super) limit: Limit,
    pub(super) log: Log,
    full: Mutex<Option<Instant>>,
}

/// One port: its nodes and its time-out, which both may change while it is served.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) port: Port,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    upstreams: Upstreams,
    idle: Duration,
}

impl Shared {
    pub(super) fn new(limit: Limit, log: Log) -> Self {
        Self {
            names: Names::default(),
            limit,
            log,
            full: Mutex::new(None),
        }
    }

    /// Says that the limit is reached, unless that was said a moment ago.
    pub(super) fn full(&self) {
        let mut said = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|when| when.elapsed() > REPEATED) {
            *said = Some(Instant::now());
            self.log.error(format_args!(
                "{} worker_connections are not enough: who comes now waits; raise settings.workerConnections",
                self.limit.size()
            ));
        }
    }

    pub(super) fn not_found(&self, name: &str) {
        self.log
            .error(format_args!("host not found in upstream \"{name}\""));
    }

    /// Connects to the node whose turn it is, or to the next one that answers.
    pub(super) async fn connect(&self, target: &Target) -> Option<TcpStream> {
        for name in target.turn() {
            let addresses = self.names.resolve(&name, target.port.number).await;
            if addresses.is_empty() {
                self.unresolved(target, &name);
                continue;
            }
            match first_that_answers(&addresses).await {
                Ok(server) => {
                    target.answered(&name);
                    return Some(server);
                }
                Err(error) => self.failed(target, &name, &error),
            }
        }
        None
    }

    pub(super) fn unresolved(&self, target: &Target, name: &str) {
        if target.failed(name) {
            self.not_found(name);
        }
    }

    pub(super) fn failed(&self, target: &Target, name: &str, error: &io::Error) {
        self.names.forget(name);
        if target.failed(name) {
            self.log.error(format_args!(
                "upstream {name}:{} failed: {error}; others are preferred for {} s",
                target.port.number,
                AVOIDED.as_secs()
            ));
        }
    }
}

impl Target {
    pub(super) fn new(port: Port, nodes: &[String], idle: Duration) -> Self {
        let upstreams = Upstreams::new(nodes);
        Self {
            port,
            state: Mutex::new(State { upstreams, idle }),
        }
    }

    /// Goes on with other nodes and another time-out; connections that exist keep theirs.
    pub(super) fn update(&self, nodes: &[String], idle: Duration) {
        let mut state = self.state();
        state.upstreams.replace(nodes);
        state.idle = idle;
    }

    pub(super) fn idle(&self) -> Duration {
        self.state().idle
    }

    pub(super) fn turn(&self) -> Vec<String> {
        self.state().upstreams.turn(Instant::now())
    }

    pub(super) fn answered(&self, name: &str) {
        self.state().upstreams.answered(name);
    }

    fn failed(&self, name: &str) -> bool {
        self.state().upstreams.failed(name, Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn first_that_answers(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}
