//! Connections: so many at once, TLS when wanted, a deadline for headers, a deadline for whoever does not read.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Response, StatusCode, header};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus::IntCounter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::api::answers;
use crate::places::{Busy, Place, Places};

const HANDSHAKE: Duration = Duration::from_secs(10);
/// Until the headers of the next request are there. Agents send a sign of life every 10 to 15 s and keep their connection;
/// whoever is slower holds a place that anybody may take.
const HEADERS: Duration = Duration::from_secs(60);
const HEADER_BYTES: usize = 64 * 1024;
/// A reader that takes nothing for so long is gone.
const WRITE: Duration = Duration::from_secs(30);
/// Answers under way at the end.
const GRACE: Duration = Duration::from_secs(10);
/// Connections that are told to come later, at once; beyond that they are closed without a word.
const REFUSED: usize = 64;
/// For telling one.
const REFUSAL: Duration = Duration::from_secs(5);

/// What connections get.
#[derive(Debug)]
pub struct Terms {
    /// Certificate and key, if there are any.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Who answers.
    pub routes: Router,
    /// How many may be open at once.
    pub connections: usize,
    /// Where refused ones are counted.
    pub refused: IntCounter,
    /// True when the process is to end.
    pub stopping: watch::Receiver<bool>,
}

/// Serves until told to stop, then lets answers under way end.
pub async fn serve(listener: TcpListener, terms: Terms) {
    let mut connections = JoinSet::new();
    let places = Places::new(terms.connections);
    let refusals = Arc::new(Semaphore::new(REFUSED));
    let mut stopping = terms.stopping.clone();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = told(&mut stopping) => break,
        };
        while connections.try_join_next().is_some() {}
        match stream {
            Ok((stream, _)) => {
                // Small answers and events are not to wait for more.
                let _ = stream.set_nodelay(true);
                let tls = terms.tls.clone();
                if let Some(place) = places.take(Instant::now()) {
                    let (routes, stopping) = (terms.routes.clone(), terms.stopping.clone());
                    connections.spawn(connection(stream, tls, routes, place, stopping));
                    continue;
                }
                terms.refused.inc();
                if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                    connections.spawn(async move {
                        // Who does not want to hear it goes without it.
                        let _ = timeout(REFUSAL, refuse(stream, tls)).await;
                        drop(permit);
                    });
                }
            }
            Err(error) => {
                // Mostly too many open files: others end soon.
                tracing::warn!(%error, "failed to accept a connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let end = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, end).await.is_err() {
        tracing::warn!("connections were cut: their answers took too long");
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    routes: Router,
    place: Place,
    stopping: watch::Receiver<bool>,
) {
    let Some(config) = tls else {
        return answer(stream, routes, place, stopping).await;
    };
    match timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => answer(stream, routes, place, stopping).await,
        Ok(Err(error)) => tracing::debug!(%error, "failed to shake hands"),
        Err(_) => tracing::debug!("failed to shake hands in time"),
    }
}

async fn answer<S>(stream: S, routes: Router, place: Place, mut stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let routes = TowerToHyperService::new(routes);
    let counted = service_fn(|request: hyper::Request<Incoming>| {
        let busy = place.busy();
        let answered = routes.call(request);
        async move {
            let answer = answered.await?;
            Ok::<_, std::convert::Infallible>(answer.map(|body| Counted { body, _busy: busy }))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(Deadline::new(stream, WRITE)), counted);
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = place.wanted() => return tracing::debug!("an idle connection gave way to a new one"),
        () = told(&mut stopping) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Answers one request: that there is no place.
async fn refuse(stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>) {
    let Some(config) = tls else {
        return refuse_request(stream).await;
    };
    if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
        refuse_request(stream).await;
    }
}

async fn refuse_request<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let full = service_fn(|_: hyper::Request<Incoming>| async {
        Ok::<_, std::convert::Infallible>(full())
    });
    // It may have gone meanwhile.
    let _ = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), full)
        .await;
}

fn full() -> Response<Body> {
    let mut answer = answers::error(StatusCode::SERVICE_UNAVAILABLE, "too many connections");
    let later = HeaderValue::from_static("5");
    answer.headers_mut().insert(header::RETRY_AFTER, later);
    answer
}

/// A body that says when it has been written.
struct Counted {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn told(stopping: &mut watch::Receiver<bool>) {
    // Without a sender the process ends as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// A stream whose writes fail when the other side takes nothing for too long.
struct Deadline<S> {
    stream: S,
    limit: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S: Unpin> Deadline<S> {
    fn new(stream: S, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            waiting: None,
        }
    }

    fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.waiting = None;
            return outcome;
        }
        let end = Instant::now() + self.limit;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the other side does not read",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Deadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Deadline<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, outcome)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_cut_and_who_reads_slowly_is_not() {
        let (mut near, _far) = {
            let (near, far) = tokio::io::duplex(16);
            (Deadline::new(near, Duration::from_secs(30)), far)
        };
        let error = near.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let (near, mut far) = tokio::io::duplex(16);
        let mut near = Deadline::new(near, Duration::from_secs(30));
        let reads = tokio::spawn(async move {
            let mut taken = 0;
            while taken < 64 {
                sleep(Duration::from_secs(20)).await;
                let mut some = [0; 16];
                taken += tokio::io::AsyncReadExt::read(&mut far, &mut some)
                    .await
                    .unwrap();
            }
        });
        near.write_all(&[0; 64]).await.unwrap();
        reads.await.unwrap();
    }
}
