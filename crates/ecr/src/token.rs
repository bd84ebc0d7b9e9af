//! The call that gives a registry's token: its request, and what its answer means.

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use jiff::Timestamp;
use registries::Secret;
use serde::Deserialize;

use crate::chain::AwsCredentials;
use crate::error::{Reason, word};
use crate::http::Answer;
use crate::registry::Registry;
use crate::sign::{Scope, post};

/// What a registry takes, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) username: String,
    pub(crate) password: Secret,
    pub(crate) expires: Option<Timestamp>,
}

/// The signed call.
pub(crate) fn request(
    registry: &Registry,
    url: &Uri,
    credentials: &AwsCredentials,
    now: SystemTime,
) -> Result<Request<Full<Bytes>>, Reason> {
    let (service, target, body) = match registry.account() {
        Some(account) => (
            "ecr",
            "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
            format!(r#"{{"registryIds":["{account}"]}}"#),
        ),
        None => (
            "ecr-public",
            "SpencerFrontendService.GetAuthorizationToken",
            "{}".to_owned(),
        ),
    };
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", target),
    ];
    let scope = Scope {
        service,
        region: registry.region(),
    };
    post(url, &headers, body)?.signed(credentials, scope, now)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Success {
    authorization_data: OneOrMore,
}

/// The public registry gives one, the others a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(Data),
    More(Vec<Data>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    authorization_token: String,
    expires_at: Option<f64>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "__type")]
    code: String,
}

/// Reads what the service answered.
pub(crate) fn read(answer: &Answer) -> Result<Token, Reason> {
    if !answer.status.is_success() {
        let in_body = || Some(serde_json::from_slice::<Failure>(&answer.body).ok()?.code);
        let code = answer.error_type.clone().or_else(in_body);
        return Err(Reason::Refused {
            status: answer.status.as_u16(),
            code: code.as_deref().and_then(word),
        });
    }
    let unreadable = || Reason::Unreadable("holds no token");
    // The error's own words may hold a value.
    let success: Success = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
    let data = match success.authorization_data {
        OneOrMore::One(data) => Some(data),
        OneOrMore::More(list) => list.into_iter().next(),
    };
    data.and_then(decode).ok_or_else(unreadable)
}

fn decode(data: Data) -> Option<Token> {
    let text = BASE64_STANDARD.decode(data.authorization_token).ok()?;
    let text = Secret::from(String::from_utf8(text).ok()?);
    let (username, password) = text.expose().split_once(':')?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seconds since 1970; what does not fit is no time, and is refused next"
    )]
    let seconds = data.expires_at.map(|seconds| seconds as i64);
    (!password.is_empty()).then(|| Token {
        username: username.to_owned(),
        password: Secret::from(password),
        expires: seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()),
    })
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
