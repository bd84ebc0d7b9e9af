//! JSON answers: errors with a reason, bodies with a name, compressed for whoever takes it.

use std::fmt::Write as _;
use std::io::Write as _;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

/// Smaller bodies do not get smaller.
const WORTH_IT: usize = 1024;

/// An error that says why.
pub(crate) fn error(status: StatusCode, why: impl std::fmt::Display) -> Response {
    let body = json!({"error": why.to_string()}).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A body of JSON, or 304 when the asker has it.
pub(super) fn of<T: Serialize>(asked: &HeaderMap, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => named(asked, "application/json", "no-cache", body.into()),
        Err(problem) => {
            tracing::error!(error = %problem, "failed to write an answer as JSON");
            error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "failed to write the answer",
            )
        }
    }
}

/// A body under its name.
pub(super) fn named(
    asked: &HeaderMap,
    content_type: &str,
    cache: &'static str,
    body: std::borrow::Cow<'_, [u8]>,
) -> Response {
    let name = etag(&body);
    let mut answer = if has(asked, header::IF_NONE_MATCH, &name) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if body.len() >= WORTH_IT && has(asked, header::ACCEPT_ENCODING, "gzip") {
        let mut answer = Body::from(squeezed(&body)).into_response();
        let encoding = HeaderValue::from_static("gzip");
        answer
            .headers_mut()
            .insert(header::CONTENT_ENCODING, encoding);
        answer
    } else {
        Body::from(body.into_owned()).into_response()
    };
    let headers = answer.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    for (header, value) in [
        (header::ETAG, name.as_str()),
        (header::CONTENT_TYPE, content_type),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(header, value);
        }
    }
    answer
}

fn etag(body: &[u8]) -> String {
    let mut name = String::from("W/\"");
    for byte in Sha256::digest(body).iter().take(12) {
        // Writing into a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name.push('"');
    name
}

/// Whether a list in a header holds a word; `q=0` means no.
fn has(asked: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    let words = asked
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    words
        .map(|entry| {
            entry
                .split_once(';')
                .map_or((entry, ""), |(word, q)| (word, q))
        })
        .any(|(entry, q)| entry.trim() == word && q.trim() != "q=0")
}

fn squeezed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Memory takes every byte.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
