//! Where a node is: DNS at the moment of the connection, remembered for a second.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::lookup_host;
use tokio::time::timeout;

/// A container that comes back may have another address, so an answer is not kept for long.
const REMEMBERED: Duration = Duration::from_secs(1);

/// The Engine's name server answers at once; what takes longer than this was forwarded to somebody who does not know.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Answers of the last second.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: Mutex<HashMap<String, (Instant, Vec<SocketAddr>)>>,
}

impl Names {
    /// The addresses of a node at a port, IPv4 first; none when nobody knows the name.
    pub(super) async fn resolve(&self, name: &str, port: u16) -> Vec<SocketAddr> {
        let mut addresses = match self.remembered(name) {
            Some(addresses) => addresses,
            None => self.ask(name).await,
        };
        for address in &mut addresses {
            address.set_port(port);
        }
        addresses
    }

    /// Asks anew next time, because what was known did not answer.
    pub(super) fn forget(&self, name: &str) {
        self.known().remove(name);
    }

    async fn ask(&self, name: &str) -> Vec<SocketAddr> {
        let mut addresses: Vec<_> = match timeout(TIMEOUT, lookup_host((name, 0))).await {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        addresses.sort_by_key(SocketAddr::is_ipv6);
        addresses.dedup();
        let mut known = self.known();
        known.retain(|_, (when, _)| when.elapsed() < REMEMBERED);
        known.insert(name.to_owned(), (Instant::now(), addresses.clone()));
        addresses
    }

    fn remembered(&self, name: &str) -> Option<Vec<SocketAddr>> {
        let known = self.known();
        let (when, addresses) = known.get(name)?;
        (when.elapsed() < REMEMBERED).then(|| addresses.clone())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Vec<SocketAddr>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
