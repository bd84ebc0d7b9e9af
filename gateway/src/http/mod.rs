//! The protocol: requests in, documents and blobs out.
//!
//! ```text
//!  request -- route --> what of which repository -- ask --> who, how far, which headers
//!      read:  look --> pushed content, else the mirror          --> manifests, blobs, listing
//!      write: access --> store                                  --> manifests, blobs, uploads
//! ```

mod adopt;
mod ask;
mod blobs;
mod document;
mod error;
mod listing;
mod look;
mod manifests;
mod paging;
mod probes;
mod range;
mod reply;
mod route;
mod uploads;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use crate::access::Access;
use crate::metrics::Metrics;
use crate::mirror::Mirror;
use crate::store::Store;
use crate::target::Registries;

use ask::Ask;
use error::Refusal;
use route::Route;

/// Everything that answers are made of.
pub struct Gateway {
    /// What was pushed, and what is kept of others.
    pub store: Store,
    /// The Engine and the registries behind it.
    pub mirror: Arc<dyn Mirror>,
    /// Who may do what.
    pub access: Access,
    /// Which registries `ns` may name.
    pub registries: Registries,
    /// How much a request may bring.
    pub limits: Limits,
    /// What is counted.
    pub metrics: Metrics,
    /// What `/readyz` says.
    pub readiness: daemon::http::Readiness,
}

/// How much a request may bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a manifest.
    pub manifest: usize,
    /// The most bytes of a blob.
    pub blob: u64,
    /// How long the next bytes of a body may take.
    pub body_rest: Duration,
    /// Whether a manifest may name content that is not here.
    pub sparse: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest: 8 << 20,
            blob: 64 << 30,
            body_rest: Duration::from_secs(60),
            sparse: false,
        }
    }
}

/// Answers a request.
pub async fn answer(gateway: &Gateway, peer: SocketAddr, request: Request<Body>) -> Response<Body> {
    if let Some(response) = probes::answer(gateway, &request) {
        return response;
    }
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = Route::parse(&path);
    let word = route.as_ref().map_or("none", Route::word);
    let refused = |refusal: Refusal| {
        let (code, reason) = (refusal.code, refusal.message.clone());
        (refusal.into_response(), Some((code, reason)))
    };
    let (response, reason) = match route {
        Ok(route) => match dispatch(gateway, peer, route, request).await {
            Ok(response) => (response, None),
            Err(refusal) => refused(refusal),
        },
        Err(error) => refused(error.into()),
    };
    let status = response.status();
    gateway
        .metrics
        .answered(word, &method, status, started.elapsed());
    log(&method, &path, peer, status, started.elapsed(), reason);
    finished(response, &method)
}

async fn dispatch(
    gateway: &Gateway,
    peer: SocketAddr,
    route: Route,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let (ask, body) = Ask::read(peer, request)?;
    gateway.access.admit(ask.peer).map_err(look::forbidden)?;
    let reads = matches!(ask.method, Method::GET | Method::HEAD);
    let methods = route.methods();
    match (&ask.method, route) {
        (_, Route::Base) if reads => listing::base(gateway, &ask).await,
        (_, Route::Catalog) if reads => listing::catalog(gateway, &ask).await,
        (_, Route::Tags(name)) if reads => listing::tags(gateway, &ask, name).await,
        (_, Route::Referrers(name, digest)) if reads => {
            listing::referrers(gateway, &ask, name, &digest)
        }
        (_, Route::Manifest(name, reference)) if reads => {
            manifests::get(gateway, &ask, name, &reference).await
        }
        (&Method::PUT, Route::Manifest(name, reference)) => {
            manifests::put(gateway, &ask, name, reference, body).await
        }
        (&Method::DELETE, Route::Manifest(name, reference)) => {
            manifests::delete(gateway, &ask, name, &reference).await
        }
        (_, Route::Blob(name, digest)) if reads => blobs::get(gateway, &ask, name, &digest).await,
        (&Method::DELETE, Route::Blob(name, digest)) => {
            blobs::delete(gateway, &ask, name, &digest).await
        }
        (&Method::POST, Route::Uploads(name)) => uploads::start(gateway, &ask, name, body).await,
        (method, Route::Upload(name, id)) if *method != Method::POST => {
            uploads::go_on(gateway, &ask, name, id, body).await
        }
        (method, _) => Err(Refusal::method(
            methods,
            format!("there is no {method} here"),
        )),
    }
}

/// What every answer has. An answer to HEAD is one to GET without its body.
fn finished(mut response: Response<Body>, method: &Method) -> Response<Body> {
    response.headers_mut().insert(
        HeaderName::from_static("docker-distribution-api-version"),
        HeaderValue::from_static("registry/2.0"),
    );
    if method != Method::HEAD {
        return response;
    }
    reply::state_length(&mut response);
    response.map(|_| Body::empty())
}

/// One line for each request. Queries and headers may hold secrets and stay out.
fn log(
    method: &Method,
    path: &str,
    peer: SocketAddr,
    status: StatusCode,
    took: Duration,
    reason: Option<(&'static str, String)>,
) {
    let milliseconds = took.as_millis();
    let (code, reason) = reason.unzip();
    if status.is_server_error() {
        tracing::warn!(
            http.method = %method, http.path = path, http.status = status.as_u16(), peer = %peer.ip(), milliseconds,
            code, reason, "request failed"
        );
    } else {
        tracing::info!(
            http.method = %method, http.path = path, http.status = status.as_u16(), peer = %peer.ip(), milliseconds,
            code, reason, "request"
        );
    }
}
