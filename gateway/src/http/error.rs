//! Refusals: a status, and `{"errors":[{"code","message","detail"}]}` with the codes of the specification.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::route::RouteError;
use crate::mirror::MirrorError;
use crate::names::GrammarError;
use crate::store::StoreError;
use crate::target::TargetError;

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Boxed: a refusal is the error of most functions here, and a document is large beside everything else.
    detail: Box<Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            detail: Box::new(Value::Null),
            headers: Vec::new(),
        }
    }

    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn unknown(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// A method that this resource does not have, with those that it has.
    pub(super) fn method(allowed: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
            .with(header::ALLOW, HeaderValue::from_static(allowed))
    }

    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What the refusal is about, for programs.
    pub(super) fn about(mut self, detail: Value) -> Self {
        self.detail = Box::new(detail);
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let error = json!({"code": self.code, "message": self.message, "detail": self.detail});
        let body = json!({ "errors": [error] }).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.extend(self.headers);
        response
    }
}

impl From<RouteError> for Refusal {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::NoSuchPath => {
                Self::unknown("NAME_UNKNOWN", "there is nothing at this path")
            }
            RouteError::Grammar(error) => error.into(),
        }
    }
}

impl From<GrammarError> for Refusal {
    fn from(error: GrammarError) -> Self {
        let code = match error {
            GrammarError::Name | GrammarError::Host => "NAME_INVALID",
            GrammarError::Tag => "MANIFEST_INVALID",
            GrammarError::Digest => "DIGEST_INVALID",
        };
        Self::bad(code, error.to_string())
    }
}

impl From<TargetError> for Refusal {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Namespace(_) => Self::bad("NAME_INVALID", error.to_string()),
            TargetError::NotServed(_) => {
                Self::new(StatusCode::FORBIDDEN, "DENIED", error.to_string())
            }
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::DigestMismatch { .. } => Self::bad("DIGEST_INVALID", message),
            StoreError::Missing(_) => Self::unknown("BLOB_UNKNOWN", message),
            StoreError::TooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", message)
            }
            StoreError::OutOfOrder { .. } => Self::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "BLOB_UPLOAD_INVALID",
                message,
            ),
            StoreError::TooManyUploads => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message)
                    .with(header::RETRY_AFTER, HeaderValue::from_static("10"))
            }
            StoreError::NoSpace => Self::new(StatusCode::INSUFFICIENT_STORAGE, "UNKNOWN", message),
            StoreError::InUse(_) | StoreError::Io { .. } => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message)
            }
        }
    }
}

impl Refusal {
    /// A mirror's refusal of something with this code. `realm` is the registry, for a caller without a login.
    pub(super) fn of_mirror(error: &MirrorError, code: &'static str, realm: Option<&str>) -> Self {
        let message = error.to_string();
        match error {
            MirrorError::Unknown(_) => Self::unknown(code, message),
            MirrorError::Unauthorized(_) => {
                let refusal = Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message);
                match realm {
                    Some(realm) => refusal.challenging(realm),
                    None => refusal,
                }
            }
            MirrorError::Denied(_) => Self::new(StatusCode::FORBIDDEN, "DENIED", message),
            MirrorError::BadGateway(_) => Self::new(StatusCode::BAD_GATEWAY, "UNKNOWN", message),
            MirrorError::Unavailable { retry_after, .. } => {
                let seconds = HeaderValue::from(retry_after.as_secs().max(1));
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNKNOWN", message)
                    .with(header::RETRY_AFTER, seconds)
            }
            MirrorError::TimedOut(_) => Self::new(StatusCode::GATEWAY_TIMEOUT, "UNKNOWN", message),
            MirrorError::NoSpace(_) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "UNKNOWN", message)
            }
            MirrorError::Failed(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message)
            }
        }
    }

    /// Asks for a login.
    pub(super) fn challenging(self, realm: &str) -> Self {
        match HeaderValue::from_str(&format!("Basic realm=\"{realm}\"")) {
            Ok(challenge) => self.with(header::WWW_AUTHENTICATE, challenge),
            Err(_) => self,
        }
    }
}
