//! A server that keeps every report, and can be away.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tracer_model::{Report, ReportedPull, RuntimeState};

#[derive(Clone, Default)]
struct Kept {
    reports: Arc<Mutex<Vec<(Instant, Report)>>>,
    is_away: Arc<AtomicBool>,
    resync: Arc<AtomicBool>,
}

pub(crate) struct Server {
    pub(crate) url: String,
    kept: Kept,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let kept = Kept::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/api/v1/report", post(keep))
            .with_state(kept.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, kept }
    }

    pub(crate) fn is_away(&self, is_away: bool) {
        self.kept.is_away.store(is_away, Ordering::SeqCst);
    }

    /// Forgets all, as after a restart, and wants everything anew.
    pub(crate) fn forgets(&self) {
        self.kept.reports.lock().unwrap().clear();
        self.kept.resync.store(true, Ordering::SeqCst);
    }

    pub(crate) fn reports(&self) -> Vec<(Instant, Report)> {
        self.kept.reports.lock().unwrap().clone()
    }

    /// Every state of pulls that was told, in order, those that ended included.
    pub(crate) fn told(&self) -> Vec<(Instant, ReportedPull)> {
        self.reports()
            .into_iter()
            .flat_map(|(at, report)| {
                let pulls = report.pulls.into_iter().chain(report.finished);
                pulls.map(move |pull| (at, pull)).collect::<Vec<_>>()
            })
            .collect()
    }

    pub(crate) fn finished(&self) -> Vec<ReportedPull> {
        let reports = self.reports().into_iter();
        reports.flat_map(|(_, report)| report.finished).collect()
    }

    pub(crate) async fn wait<T>(&self, what: &str, found: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            if Instant::now() > deadline {
                let last: Vec<_> = self.reports().into_iter().rev().take(4).collect();
                panic!("{what} did not happen; the last reports:\n{last:#?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn wait_finished(&self, count: usize) -> Vec<ReportedPull> {
        self.wait("the end of the pulls", |server| {
            let finished = server.finished();
            (finished.len() >= count).then_some(finished)
        })
        .await
    }

    pub(crate) async fn wait_runtime(&self, state: RuntimeState) {
        self.wait(&format!("the runtime being {state:?}"), |server| {
            let reports = server.reports();
            let (_, last) = reports.last()?;
            (last.runtime.as_ref()?.state == state).then_some(())
        })
        .await;
    }
}

async fn keep(
    State(kept): State<Kept>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    if kept.is_away.load(Ordering::SeqCst) {
        return (StatusCode::SERVICE_UNAVAILABLE, "");
    }
    let is_compressed = headers
        .get("content-encoding")
        .is_some_and(|value| value == "gzip");
    let mut text = String::new();
    if is_compressed {
        flate2::read::GzDecoder::new(&body[..])
            .read_to_string(&mut text)
            .unwrap();
    } else {
        text = String::from_utf8(body.to_vec()).unwrap();
    }
    let report: Report = serde_json::from_str(&text).expect("a report");
    if kept.resync.load(Ordering::SeqCst) && report.kind != tracer_model::ReportKind::Full {
        return (StatusCode::CONFLICT, r#"{"resync":true}"#);
    }
    kept.resync.store(false, Ordering::SeqCst);
    kept.reports.lock().unwrap().push((Instant::now(), report));
    (StatusCode::OK, "{}")
}
