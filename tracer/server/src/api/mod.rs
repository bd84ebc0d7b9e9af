//! The HTTP interface: reports in, pulls and events out, the web page beside them.

pub(crate) mod answers;
mod assets;
mod figures;
mod layers;
mod pulls;
mod report;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use daemon::http::Readiness;
use tokio::sync::{Semaphore, watch};

use crate::identity::Identities;
use crate::rates::number;
use crate::tracer::Tracer;

/// What requests are answered from.
#[derive(Clone, Debug)]
pub struct Service {
    pub tracer: Arc<Tracer>,
    pub identities: Arc<Identities>,
    /// Whether reports of the earlier program are taken.
    pub legacy_agents: bool,
    pub readers: Arc<Readers>,
    pub readiness: Readiness,
    /// For the whole body of a report.
    pub body_deadline: Duration,
    /// True when the process is to end.
    pub stopping: watch::Receiver<bool>,
}

/// How many may read the stream at once.
#[derive(Debug)]
pub struct Readers {
    places: Arc<Semaphore>,
    most: usize,
    /// How many came so far.
    came: AtomicU64,
}

impl Readers {
    /// Places for so many.
    pub fn new(most: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(most)),
            most,
            came: AtomicU64::new(0),
        }
    }

    /// A place in the row of readers, from 0 to 1: wherever the row ends, the places in it lie evenly.
    fn place_in_row(&self) -> f64 {
        const GOLDEN: f64 = 0.618_033_988_749_895;
        (number(self.came.fetch_add(1, Ordering::Relaxed)) * GOLDEN).fract()
    }

    fn present(&self) -> usize {
        self.most - self.places.available_permits()
    }
}

/// Every route; unknown ones below `/api/` are answered in JSON.
pub fn routes(service: Service) -> Router {
    let health = |service: Service| {
        get(move || async move {
            if service.readiness.is_ready() {
                (StatusCode::OK, "ready\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
            }
        })
    };
    Router::new()
        .route("/api/v1/report", only(post(report::take), "POST"))
        .route("/api/v1/pulls", only(get(pulls::list), "GET, HEAD"))
        .route("/api/v1/pulls/{*id}", only(get(pulls::one), "GET, HEAD"))
        .route("/api/v1/nodes", only(get(figures::nodes), "GET, HEAD"))
        .route("/api/v1/images", only(get(figures::images), "GET, HEAD"))
        .route("/api/v1/stats", only(get(figures::stats), "GET, HEAD"))
        .route(
            "/api/v1/throughput",
            only(get(figures::throughput), "GET, HEAD"),
        )
        .route("/api/v1/events", only(get(stream::events), "GET, HEAD"))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", health(service.clone()))
        .fallback(assets::serve)
        .layer(middleware::from_fn(secure))
        .with_state(service)
}

fn only(methods: MethodRouter<Service>, allowed: &'static str) -> MethodRouter<Service> {
    methods.fallback(move || async move {
        let mut answer = answers::error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
        answer
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static(allowed));
        answer
    })
}

/// What browsers may do with an answer: nothing but show it, and ask this server for more.
async fn secure(request: Request, next: Next) -> Response {
    const HEADERS: [(&str, &str); 6] = [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        (
            "permissions-policy",
            "camera=(), microphone=(), geolocation=()",
        ),
        ("cross-origin-opener-policy", "same-origin"),
        (
            "content-security-policy",
            "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ];
    let mut answer = next.run(request).await.into_response();
    for (name, value) in HEADERS {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}
