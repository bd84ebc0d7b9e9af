//! Connections: accepted up to a limit, with TLS or without, each with its time limits, ended in peace.

mod stall;
mod tls;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use crate::http::{self, Gateway};
use stall::Stalling;
pub use tls::{TlsError, acceptor};

/// The most bytes of a request's line and headers.
const HEADER_BYTES: usize = 64 << 10;

/// What connections may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Open connections at a time; more wait to be accepted.
    pub connections: usize,
    /// How long headers, and a TLS handshake, may take.
    pub headers: Duration,
    /// How long a client may not take any bytes of an answer.
    pub stall: Duration,
    /// How long answers may go on after the request to stop.
    pub drain: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connections: 1024,
            headers: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            drain: Duration::from_secs(30),
        }
    }
}

/// Answers until `stop` ends, and then what was begun.
pub async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    patience: Patience,
    stop: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(patience.connections));
    let patience = Arc::new(patience);
    tokio::pin!(stop);
    loop {
        let (place, stream, peer) = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &places) => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause_after(&error).await;
                    continue;
                }
            },
        };
        let connection = Connection {
            gateway: gateway.clone(),
            peer,
            patience: patience.clone(),
            watcher: graceful.watcher(),
            _place: place,
        };
        tokio::spawn(connection.run(stream, tls.clone()));
    }
    drop(listener);
    if tokio::time::timeout(patience.drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("connections were still open after the time for them; they are cut");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    // The semaphore is never closed.
    let place = places
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((place, stream, peer))
}

/// A connection that went away before it was accepted says nothing about the next one; a lack of descriptors does.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    ) {
        tracing::warn!(%error, "failed to accept a connection");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

struct Connection {
    gateway: Arc<Gateway>,
    peer: SocketAddr,
    patience: Arc<Patience>,
    watcher: Watcher,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        // Small answers go out at once; large ones fill their packets anyway.
        let _ = stream.set_nodelay(true);
        let open = self.gateway.metrics.connections().clone();
        open.inc();
        match tls {
            None => self.talk(stream).await,
            Some(tls) => {
                match tokio::time::timeout(self.patience.headers, tls.accept(stream)).await {
                    Ok(Ok(stream)) => self.talk(stream).await,
                    Ok(Err(error)) => {
                        tracing::debug!(%error, peer = %self.peer.ip(), "no TLS came of a connection");
                    }
                    Err(_) => {
                        tracing::debug!(peer = %self.peer.ip(), "a TLS handshake took too long");
                    }
                }
            }
        }
        open.dec();
    }

    async fn talk(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self {
            gateway,
            peer,
            patience,
            watcher,
            _place,
        } = self;
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let gateway = gateway.clone();
            async move {
                Ok::<_, std::convert::Infallible>(
                    http::answer(&gateway, peer, request.map(Body::new)).await,
                )
            }
        });
        let stream = TokioIo::new(Stalling::new(stream, patience.stall));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience.headers)
            .max_buf_size(HEADER_BYTES)
            .serve_connection(stream, service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, peer = %peer.ip(), "a connection ended early");
        }
    }
}
