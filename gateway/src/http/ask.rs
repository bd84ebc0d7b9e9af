//! What a request says beside its path: who asks, the query, the headers, the body.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::error::Refusal;
use super::paging::Page;
use crate::mirror::Login;
use crate::names::Host;

/// A request without its path and body.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) peer: IpAddr,
    pub(super) login: Option<Login>,
    /// The name by which the client calls us.
    pub(super) own: Option<Host>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
}

/// The bytes that a request brings.
pub(super) struct Incoming(BodyDataStream);

impl Ask {
    pub(super) fn read(
        peer: SocketAddr,
        request: Request<Body>,
    ) -> Result<(Self, Incoming), Refusal> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default();
        let query = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let authority = parts
            .uri
            .authority()
            .map(|authority| authority.as_str().to_owned());
        let host = authority.or_else(|| text(&parts.headers, &header::HOST).map(str::to_owned));
        let ask = Self {
            method: parts.method,
            peer: peer.ip().to_canonical(),
            login: login(&parts.headers)?,
            own: host.and_then(|host| Host::parse(&host).ok()),
            query,
            headers: parts.headers,
        };
        Ok((ask, Incoming(body.into_data_stream())))
    }

    /// The first value of a query's key.
    pub(super) fn query(&self, key: &str) -> Option<&str> {
        self.query_all(key).next()
    }

    pub(super) fn query_all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.query
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        text(&self.headers, name)
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// Whether a Docker Engine asks.
    pub(super) fn is_docker(&self) -> bool {
        self.header(&header::USER_AGENT)
            .is_some_and(|agent| agent.starts_with("docker/"))
    }

    /// How many bytes the request says that it brings.
    pub(super) fn length(&self) -> Option<u64> {
        self.header(&header::CONTENT_LENGTH)?.parse().ok()
    }

    /// Which page of a list is wanted.
    pub(super) fn page(&self) -> Result<Page, Refusal> {
        let count = self.query("n").map(str::parse).transpose();
        let count =
            count.map_err(|_| Refusal::bad("UNSUPPORTED", "n is not a number of entries"))?;
        Ok(Page {
            count,
            last: self.query("last").map(str::to_owned),
        })
    }
}

impl Incoming {
    /// The next bytes, which must come within a time.
    pub(super) async fn next(&mut self, within: Duration) -> Result<Option<Bytes>, Refusal> {
        match tokio::time::timeout(within, self.0.next()).await {
            Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
            Ok(Some(Err(_))) => Err(Refusal::bad(
                "BLOB_UPLOAD_INVALID",
                "the body ended before its end",
            )),
            Ok(None) => Ok(None),
            Err(_) => Err(Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "BLOB_UPLOAD_INVALID",
                "the next bytes of the body did not come in time",
            )),
        }
    }

    /// All of a small body.
    pub(super) async fn whole(&mut self, limit: usize, within: Duration) -> Result<Bytes, Refusal> {
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.next(within).await? {
            if whole.len() + bytes.len() > limit {
                let message =
                    format!("the manifest has more than {limit} bytes (--max-manifest-size)");
                return Err(Refusal::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "SIZE_INVALID",
                    message,
                ));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Reads `Authorization: Basic`. Other kinds are for other registries and say nothing here.
fn login(headers: &HeaderMap) -> Result<Option<Login>, Refusal> {
    let Some((kind, encoded)) =
        text(headers, &header::AUTHORIZATION).and_then(|value| value.split_once(' '))
    else {
        return Ok(None);
    };
    if !kind.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let decoded = BASE64_STANDARD
        .decode(encoded.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((user, password)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "UNAUTHORIZED",
            "Authorization: Basic does not decode",
        ));
    };
    Ok(Some(Login {
        user: user.to_owned(),
        password: password.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(request: axum::http::request::Builder) -> Result<Ask, Refusal> {
        let request = request.body(Body::empty()).unwrap();
        Ask::read(([127, 0, 0, 1], 1).into(), request).map(|(ask, _)| ask)
    }

    #[test]
    fn queries_are_decoded_and_hosts_are_checked() {
        let request =
            Request::get("/v2/x/tags/list?ns=127.0.0.1%3A15000&n=3&last=a%2Bb&tag=1&tag=2");
        let ask = ask(request.header("host", "K3D-registry:5000")).unwrap();
        assert_eq!(ask.query("ns"), Some("127.0.0.1:15000"));
        assert_eq!(
            ask.page().unwrap(),
            Page {
                count: Some(3),
                last: Some("a+b".to_owned())
            }
        );
        assert_eq!(ask.query_all("tag").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(ask.own.unwrap().as_str(), "k3d-registry:5000");
    }

    #[test]
    fn only_basic_logins_count_and_none_is_ever_shown() {
        let with = |value: &str| ask(Request::get("/v2/").header("authorization", value));
        let login = with("basic YW5uOm9wZW46c2VzYW1l").unwrap().login.unwrap();
        assert_eq!(
            (login.user.as_str(), login.password.expose()),
            ("ann", "open:sesame")
        );
        assert!(!format!("{login:?}").contains("sesame"));
        assert!(with("Bearer x").unwrap().login.is_none());
        assert!(with("Basic").unwrap().login.is_none());
        for wrong in ["Basic !", "Basic YW5u"] {
            assert_eq!(
                with(wrong).map(|_| ()).unwrap_err().status,
                StatusCode::BAD_REQUEST
            );
        }
    }
}
