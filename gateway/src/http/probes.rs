//! `/`, `/healthz`, `/readyz` and `/metrics`, on the registry's own port: a registry of k3d has one.

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};

use super::Gateway;
use super::reply::Reply;

pub(super) fn answer(gateway: &Gateway, request: &Request<Body>) -> Option<Response<Body>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let ready = gateway.readiness.is_ready();
    let (status, text) = match request.uri().path() {
        "/" => (StatusCode::OK, "berth-gateway\n".to_owned()),
        "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if ready => (StatusCode::OK, "ready\n".to_owned()),
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
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
