//! `POST /api/v1/report`: method, token, size, form, node, pace, and only then what it says.

use std::io::Read;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;
use jiff::Timestamp;
use tokio::time::timeout;
use tracer_model::{Acknowledgement, PROTOCOL, Report};

use super::{Service, answers};
use crate::identity::{Caller, Denied};
use crate::tracer::Answer;

/// Of the body as it travels.
pub(super) const BODY: usize = 1 << 20;
/// Of a compressed body when it is read.
const UNPACKED: usize = 4 << 20;
const NODE_NAME: usize = 253;

pub(super) async fn take(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = match judge(&service, &headers, body, Timestamp::now()).await {
        Ok(answer) => answer,
        Err((status, why)) => refusal(status, &why),
    };
    service.tracer.metrics.answered(answer.status().as_u16());
    answer
}

type Refusal = (StatusCode, String);

async fn judge(
    service: &Service,
    headers: &HeaderMap,
    body: Body,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let caller = service.identities.identify(authorization, now).await;
    let caller = caller.map_err(|denied| match denied {
        Denied::Unauthorized => (StatusCode::UNAUTHORIZED, denied.to_string()),
        Denied::Unavailable | Denied::Busy => (StatusCode::SERVICE_UNAVAILABLE, denied.to_string()),
    })?;
    check_type(headers)?;
    let body = timeout(service.body_deadline, to_bytes(body, BODY))
        .await
        .map_err(|_| too_slow(service.body_deadline))?
        .map_err(|_| too_large())?;
    let report = decode(headers, &body)?;
    check(service, &caller, &report)?;
    let (sequence, is_legacy) = (report.sequence, report.is_legacy());
    match service.tracer.report(report, now) {
        Answer::Taken { must_be_safe } => {
            if must_be_safe && !service.tracer.store.safe().await {
                let why = "the history could not be written; send the finished pulls again";
                return Err((StatusCode::SERVICE_UNAVAILABLE, why.to_owned()));
            }
            if is_legacy {
                return Ok(StatusCode::OK.into_response());
            }
            Ok(axum_json(StatusCode::OK, sequence, false))
        }
        Answer::Resync => Ok(axum_json(StatusCode::CONFLICT, sequence, true)),
        Answer::TooMany => Err((StatusCode::TOO_MANY_REQUESTS, "rate limited".to_owned())),
    }
}

/// Reads a body: the first JSON value counts, as it always did.
pub(super) fn decode(headers: &HeaderMap, body: &[u8]) -> Result<Report, Refusal> {
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .map(|value| value.to_str().unwrap_or("?"));
    match encoding {
        None | Some("identity") => read(body),
        Some("gzip") => {
            let mut plain = Vec::new();
            let mut unpacking = GzDecoder::new(body).take(UNPACKED as u64 + 1);
            unpacking
                .read_to_end(&mut plain)
                .map_err(|_| (StatusCode::BAD_REQUEST, "invalid gzip".to_owned()))?;
            if plain.len() > UNPACKED {
                return Err(too_large());
            }
            read(&plain)
        }
        Some(_) => Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported content encoding: send gzip or none".to_owned(),
        )),
    }
}

fn read(body: &[u8]) -> Result<Report, Refusal> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Report>();
    match values.next() {
        Some(Ok(report)) => Ok(report),
        _ => Err((StatusCode::BAD_REQUEST, "invalid json".to_owned())),
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = kind
        .to_str()
        .unwrap_or("?")
        .split(';')
        .next()
        .unwrap_or("?");
    if kind.trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let why = "unsupported media type: send application/json";
    Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why.to_owned()))
}

fn check(service: &Service, caller: &Caller, report: &Report) -> Result<(), Refusal> {
    let name = &report.node_name;
    if name.is_empty() || name.len() > NODE_NAME {
        return Err((StatusCode::BAD_REQUEST, "invalid nodeName".to_owned()));
    }
    if report.protocol.is_some_and(|protocol| protocol != PROTOCOL) {
        return Err((
            StatusCode::BAD_REQUEST,
            format!("unknown protocol: this server speaks {PROTOCOL}"),
        ));
    }
    let forbidden = |why: &str| Err((StatusCode::FORBIDDEN, why.to_owned()));
    if report.is_legacy() && !service.legacy_agents {
        return forbidden(
            "reports without protocol are not taken; start the server with --legacy-agents",
        );
    }
    let node = match caller {
        Caller::Anyone => return Ok(()),
        Caller::Shared if report.is_legacy() || !service.identities.tell_nodes_apart() => {
            return Ok(());
        }
        Caller::Shared => {
            return forbidden("a shared token speaks for agents of the earlier program only");
        }
        Caller::Node(node)
        | Caller::Pod {
            node: Some(node), ..
        } => Some(node.clone()),
        Caller::Pod {
            namespace,
            name,
            uid,
            node: None,
        } => {
            let known = service.tracer.lock();
            known
                .view
                .agent_node(namespace, name, uid)
                .map(str::to_owned)
        }
    };
    match node {
        Some(node) if node == *name => Ok(()),
        Some(_) => forbidden("the token speaks for another node"),
        // The watch may be behind the pod that has just begun: worth another try.
        None => Err((
            StatusCode::SERVICE_UNAVAILABLE,
            "the agent's pod is not known yet; try again".to_owned(),
        )),
    }
}

fn too_large() -> Refusal {
    (StatusCode::PAYLOAD_TOO_LARGE, "report too large".to_owned())
}

fn too_slow(deadline: std::time::Duration) -> Refusal {
    let why = format!("the report did not arrive within {deadline:?}");
    (StatusCode::REQUEST_TIMEOUT, why)
}

fn refusal(status: StatusCode, why: &str) -> Response {
    let mut answer = answers::error(status, why);
    let headers = answer.headers_mut();
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // What is left of the body is not read.
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    answer
}

fn axum_json(status: StatusCode, sequence: u64, resync: bool) -> Response {
    let body = serde_json::to_string(&Acknowledgement { sequence, resync }).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
