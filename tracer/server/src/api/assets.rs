//! The web page, from the binary.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use rust_embed::RustEmbed;

use super::answers;

/// Built from `tracer/ui`; files below `assets/` carry a hash of their content in their names.
#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// A file of the page; paths without a file are the page's own addresses.
pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        return answers::error(StatusCode::NOT_FOUND, "not found");
    }
    if method != Method::GET && method != Method::HEAD {
        let mut answer = answers::error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
        let allowed = HeaderValue::from_static("GET, HEAD");
        answer.headers_mut().insert(header::ALLOW, allowed);
        return answer;
    }
    let is_file = path
        .rsplit('/')
        .next()
        .is_some_and(|name| name.contains('.'));
    let path = if path.is_empty() || !is_file {
        "index.html"
    } else {
        path
    };
    let Some(file) = Assets::get(path) else {
        return answers::error(StatusCode::NOT_FOUND, "not found");
    };
    let cache = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let mut answer = answers::named(
        &headers,
        &content_type(file.metadata.mimetype()),
        cache,
        file.data,
    );
    if method == Method::HEAD {
        *answer.body_mut() = axum::body::Body::empty();
    }
    answer
}

fn content_type(kind: &str) -> String {
    if kind.starts_with("text/") {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
    }
}
