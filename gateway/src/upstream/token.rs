//! What is shown to registries: the login itself, or a token that a server of tokens gives for it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use docker::Credentials;
use docker::credentials::Proof;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use registries::Secret;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::challenge::Challenge;
use super::connection::Connections;
use super::error::{Problem, UpstreamError};
use super::{PATIENCE, redirect};
use crate::names::{Host, Name};

/// No token is longer.
const LARGEST: usize = 256 << 10;
/// How long a token is good that does not say it.
const USUAL: u64 = 60;
/// Tokens are taken for over this long before they are.
const MARGIN: u64 = 10;
/// More tokens are not kept.
const MOST: usize = 1024;

/// What is asked for, and with whose login.
pub(super) struct Scope<'a> {
    pub(super) host: &'a Host,
    pub(super) repository: &'a Name,
    pub(super) credentials: Option<&'a Credentials>,
}

/// Tokens that are still good.
#[derive(Default)]
pub(super) struct Tokens {
    known: Mutex<HashMap<[u8; 32], (Instant, Secret)>>,
}

/// What a server of tokens answers.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    expires_in: Option<u64>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(***)")
    }
}

impl Tokens {
    /// What was good a moment ago for the same login and repository.
    pub(super) fn known(&self, scope: &Scope<'_>) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (end, token) = known.get(&key(scope))?;
        (Instant::now() < *end).then(|| token.expose().to_owned())
    }

    /// What a challenge wants to be shown; nothing when there is nothing to show.
    pub(super) async fn answer(
        &self,
        connections: &Connections,
        scope: &Scope<'_>,
        challenge: Option<Challenge>,
        asked: &Url,
    ) -> Result<Option<String>, UpstreamError> {
        let (authorization, lifetime) = match challenge {
            None => return Ok(None),
            Some(Challenge::Basic) => match scope.credentials.and_then(basic) {
                Some(basic) => (basic, USUAL),
                None => return Ok(None),
            },
            Some(Challenge::Bearer { realm, service, .. }) => {
                let realm = Realm { realm, service };
                match fetch(connections, scope, &realm, asked).await? {
                    Some((token, lifetime)) => (format!("Bearer {token}"), lifetime),
                    None => return Ok(None),
                }
            }
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        let end = Instant::now() + Duration::from_secs(lifetime.saturating_sub(MARGIN));
        known.insert(key(scope), (end, Secret::from(authorization.as_str())));
        Ok(Some(authorization))
    }
}

/// Who gives tokens.
struct Realm {
    realm: String,
    service: Option<String>,
}

async fn fetch(
    connections: &Connections,
    scope: &Scope<'_>,
    realm: &Realm,
    asked: &Url,
) -> Result<Option<(String, u64)>, UpstreamError> {
    let odd = |problem| UpstreamError::new(scope.host, Problem::Odd(problem));
    let url = address(realm, scope.repository, asked).ok_or(odd(
        "its server of tokens is at no address that may be asked",
    ))?;
    let login = scope.credentials.and_then(basic);
    let answer = connections
        .send(
            scope.host,
            &Method::GET,
            &url,
            login.as_deref(),
            "application/json",
        )
        .await?;
    match answer.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Ok(None),
        status => match Problem::of(status) {
            Some(problem) => return Err(UpstreamError::new(scope.host, problem)),
            None if status.is_success() => {}
            None => return Err(odd("its server of tokens redirects")),
        },
    }
    let body = Limited::new(answer.into_body(), LARGEST).collect();
    let body = tokio::time::timeout(PATIENCE, body)
        .await
        .map_err(|_| UpstreamError::new(scope.host, Problem::Late))?
        .map_err(|_| odd("its server of tokens breaks off"))?
        .to_bytes();
    let answer: Answer =
        serde_json::from_slice(&body).map_err(|_| odd("its server of tokens gives none"))?;
    let token = if answer.token.is_empty() {
        answer.access_token
    } else {
        answer.token
    };
    if !header::HeaderValue::from_str(&token).is_ok_and(|value| !value.is_empty()) {
        return Err(odd("its server of tokens gives none"));
    }
    Ok(Some((token, answer.expires_in.unwrap_or(USUAL))))
}

/// Where a token for pulling is asked for. A registry that is encrypted has no server of tokens that is not.
fn address(realm: &Realm, repository: &Name, asked: &Url) -> Option<Url> {
    let mut url = redirect::next(asked, &realm.realm)?;
    let mut query = url.query_pairs_mut();
    if let Some(service) = &realm.service {
        query.append_pair("service", service);
    }
    query.append_pair("scope", &format!("repository:{repository}:pull"));
    drop(query);
    Some(url)
}

/// A login as `Authorization` takes it.
fn basic(credentials: &Credentials) -> Option<String> {
    match &credentials.proof {
        Proof::Password(password) => {
            let text = format!("{}:{}", credentials.username, password.expose());
            Some(format!("Basic {}", BASE64_STANDARD.encode(text)))
        }
        Proof::RegistryToken(token) => Some(format!("Bearer {}", token.expose())),
        // Only the Engine knows how to make something of it.
        Proof::IdentityToken(_) => None,
    }
    .filter(|text| header::HeaderValue::from_str(text).is_ok())
}

/// What a token is kept by, worthless elsewhere.
fn key(scope: &Scope<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let login = scope.credentials.and_then(basic).unwrap_or_default();
    for part in [scope.host.as_str(), scope.repository.as_str(), &login] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{Realm, address};
    use crate::names::Name;

    #[test]
    fn tokens_are_asked_for_pulling_one_repository() {
        let asked = Url::parse("https://r.example/v2/a/manifests/1").unwrap();
        let of = |realm: &str, service: Option<&str>| {
            let realm = Realm {
                realm: realm.into(),
                service: service.map(Into::into),
            };
            let url = address(&realm, &Name::parse("a/b").unwrap(), &asked);
            url.map(String::from)
        };
        assert_eq!(
            of("https://auth.example/token?x=1", Some("r s")).as_deref(),
            Some("https://auth.example/token?x=1&service=r+s&scope=repository%3Aa%2Fb%3Apull")
        );
        assert_eq!(of("http://auth.example/token", None), None);
        assert_eq!(of("", None), None);
    }
}
