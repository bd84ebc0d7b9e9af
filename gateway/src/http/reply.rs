//! Answers, with every header that clients read.

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use super::ask::Ask;
use super::error::Refusal;
use super::range::{self, Wanted};
use crate::content::{Blob, Document};
use crate::names::Digest;

/// An answer without a body, of one header after the other.
pub(super) struct Reply(Response<Body>);

impl Reply {
    pub(super) fn new(status: StatusCode) -> Self {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        Self(response)
    }

    /// A header. One that cannot be sent is left out: all values here were checked before.
    pub(super) fn with(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.0
                .headers_mut()
                .append(HeaderName::from_static(name), value);
        }
        self
    }

    /// The digest, for clients that check it and for those that ask again.
    pub(super) fn of(self, digest: &Digest) -> Self {
        self.with("docker-content-digest", digest.as_str())
            .with("etag", format!("\"{digest}\""))
    }

    pub(super) fn body(self, body: impl Into<Body>) -> Response<Body> {
        let body = body.into();
        self.0.map(|_| body)
    }

    pub(super) fn done(self) -> Response<Body> {
        let mut response = self.0;
        state_length(&mut response);
        response
    }
}

/// Says how long the body is, which an answer without a body could not show. 204 and 304 have none by definition.
pub(super) fn state_length(response: &mut Response<Body>) {
    let bodyless = matches!(
        response.status(),
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    if bodyless || response.headers().contains_key(header::CONTENT_LENGTH) {
        return;
    }
    if let Some(length) = response.body().size_hint().exact() {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// A list.
pub(super) fn json(media_type: &str, link: Option<String>, value: &Value) -> Response<Body> {
    let text = value.to_string();
    let reply = Reply::new(StatusCode::OK)
        .with("content-type", media_type)
        .with("content-length", text.len().to_string());
    match link {
        Some(link) => reply.with("link", link).body(text),
        None => reply.body(text),
    }
}

/// A manifest, or that the client has it.
pub(super) fn document(ask: &Ask, document: Document) -> Response<Body> {
    if has_it(ask, &document.digest) {
        return Reply::new(StatusCode::NOT_MODIFIED)
            .of(&document.digest)
            .done();
    }
    Reply::new(StatusCode::OK)
        .of(&document.digest)
        .with("content-type", &document.media_type)
        .with("content-length", document.bytes.len().to_string())
        .body(document.bytes)
}

/// A blob, a part of it, or that the client has it.
pub(super) fn blob(ask: &Ask, blob: &Blob) -> Result<Response<Body>, Refusal> {
    if has_it(ask, &blob.digest) {
        return Ok(Reply::new(StatusCode::NOT_MODIFIED).of(&blob.digest).done());
    }
    let (status, bytes) = match wanted(ask, blob) {
        Wanted::Whole => (StatusCode::OK, 0..blob.size),
        Wanted::Part(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
        Wanted::Beyond => return Err(beyond(blob)),
    };
    let mut reply = Reply::new(status)
        .of(&blob.digest)
        .with("content-type", "application/octet-stream")
        .with("accept-ranges", "bytes")
        .with("content-length", (bytes.end - bytes.start).to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, blob.size);
        reply = reply.with("content-range", range);
    }
    if ask.is_head() || bytes.is_empty() {
        return Ok(reply.body(Body::empty()));
    }
    Ok(reply.body(Body::from_stream(blob.bytes.read(bytes))))
}

fn has_it(ask: &Ask, digest: &Digest) -> bool {
    range::matches_tag(ask.header(&header::IF_NONE_MATCH), digest.as_str())
}

/// Ranges are for GET, and only while the client's part is of this very blob.
fn wanted(ask: &Ask, blob: &Blob) -> Wanted {
    let same = |tag: &str| tag.trim_matches('"') == blob.digest.as_str();
    let applies = !ask.is_head() && ask.header(&header::IF_RANGE).is_none_or(same);
    let header = ask.header(&header::RANGE).filter(|_| applies);
    range::wanted(header, blob.size)
}

fn beyond(blob: &Blob) -> Refusal {
    let message = format!(
        "the blob has {} bytes, and none of those that are wanted",
        blob.size
    );
    let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", message);
    match HeaderValue::from_str(&format!("bytes */{}", blob.size)) {
        Ok(range) => refusal.with(header::CONTENT_RANGE, range),
        Err(_) => refusal,
    }
}
