//! Reads what stands at an address: the channels of k3s and the tags of registries.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;

/// Answers that are larger than this are not what they should be.
const LARGEST: usize = 16 << 20;
const LONGEST: Duration = Duration::from_secs(30);
const REDIRECTS: usize = 5;

/// Why an address could not be read.
#[derive(Debug, Error)]
pub enum FetchError {
    #[error("failed to read {url}: it is not an http or https address")]
    Address { url: String },
    #[error("failed to reach {url}; check the address and the network: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("failed to read {url}: no answer within {} s", LONGEST.as_secs())]
    Slow { url: String },
    #[error("failed to read {url}: redirected more than {REDIRECTS} times")]
    Redirected { url: String },
    #[error("failed to load the certificates of this system's authorities")]
    Certificates(#[source] rustls::Error),
}

/// What came back, whatever its status.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Reads an address; redirects are followed, without the credentials when they lead to another host.
pub async fn get(url: &str, authorization: Option<&HeaderValue>) -> Result<Answer, FetchError> {
    let slow = |_| FetchError::Slow {
        url: url.to_owned(),
    };
    tokio::time::timeout(LONGEST, follow(url, authorization))
        .await
        .map_err(slow)?
}

async fn follow(url: &str, authorization: Option<&HeaderValue>) -> Result<Answer, FetchError> {
    let mut here: url::Url = url.parse().map_err(|_| bad_address(url))?;
    let host = here.host_str().map(ToOwned::to_owned);
    for _ in 0..REDIRECTS {
        let same_host = here.host_str() == host.as_deref();
        let answer = once(&here, authorization.filter(|_| same_host)).await?;
        let target = answer.headers.get(header::LOCATION);
        let target = target.and_then(|target| here.join(target.to_str().ok()?).ok());
        match target {
            Some(target) if answer.status.is_redirection() => here = target,
            _ => return Ok(answer),
        }
    }
    Err(FetchError::Redirected {
        url: url.to_owned(),
    })
}

async fn once(url: &url::Url, authorization: Option<&HeaderValue>) -> Result<Answer, FetchError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad_address(url.as_str()));
    }
    let unreachable = |reason: String| FetchError::Unreachable {
        url: url.to_string(),
        reason,
    };
    let mut request = Request::get(url.as_str())
        .header(
            header::USER_AGENT,
            concat!("berth/", env!("CARGO_PKG_VERSION")),
        )
        .header(header::ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|_| bad_address(url.as_str()))?;
    if let Some(authorization) = authorization {
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, authorization.clone());
    }
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls()?)
        .https_or_http()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let answer = client.request(request).await;
    let answer = answer.map_err(|error| unreachable(causes(&error)))?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, LARGEST).collect().await;
    let body = body.map_err(|error| unreachable(causes(error.as_ref())))?;
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body: body.to_bytes(),
    })
}

fn tls() -> Result<rustls::ClientConfig, FetchError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(FetchError::Certificates)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn bad_address(url: &str) -> FetchError {
    FetchError::Address {
        url: url.to_owned(),
    }
}

/// The error with its causes: the outermost alone says only "client error".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
