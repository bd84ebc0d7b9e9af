//! `/`, `/healthz`, `/readyz` and `/metrics`, on the registry's own port: a registry of k3d has one.

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};

use super::Gateway;
use super::reply::Reply;

pub(super) fn answer(gateway: &Gateway, request: &Request<Body>) -> Option<Response<Body>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let (status, text) = match request.uri().path() {
        "/" => (StatusCode::OK, "berth-gateway\n".to_owned()),
        "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => readiness(gateway),
        "/metrics" => (StatusCode::OK, gateway.metrics.text(&gateway.store)),
        _ => return None,
    };
    let reply = Reply::new(status)
        .with("content-type", "text/plain; version=0.0.4; charset=utf-8")
        .with("content-length", text.len().to_string());
    let is_head = request.method() == Method::HEAD;
    Some(reply.body(if is_head {
        Body::empty()
    } else {
        Body::from(text)
    }))
}

/// Pushed content is served without an Engine, but whoever waits for the gateway wants the Engine's.
fn readiness(gateway: &Gateway) -> (StatusCode, String) {
    let lacks = if gateway.readiness.is_ready() {
        gateway.mirror.ready().err().map(|error| error.to_string())
    } else {
        Some("it starts or ends".to_owned())
    };
    match lacks {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(lacks) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {lacks}\n"),
        ),
    }
}
