//! The request to stop: SIGTERM from a kubelet, SIGINT from a person.

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// A future that ends at the first SIGTERM or SIGINT. The handlers stand when this returns, so no signal is missed.
pub fn shutdown() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
