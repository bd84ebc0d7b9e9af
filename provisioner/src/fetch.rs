//! Reads what stands at an address: the channels of k3s and the tags of registries.

mod connection;
mod proxy;

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use thiserror::Error;

pub use proxy::Proxies;

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
    #[error(
        "failed to reach {url} through the proxy {proxy}; HTTP_PROXY and HTTPS_PROXY take http and https addresses"
    )]
    Proxy { url: String, proxy: String },
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

/// Reads an address, through a proxy where one leads there; redirects are followed, without the credentials when they lead to
/// another host.
pub async fn get(
    url: &str,
    authorization: Option<&HeaderValue>,
    proxies: &Proxies,
) -> Result<Answer, FetchError> {
    let slow = |_| FetchError::Slow {
        url: url.to_owned(),
    };
    tokio::time::timeout(LONGEST, follow(url, authorization, proxies))
        .await
        .map_err(slow)?
}

async fn follow(
    url: &str,
    authorization: Option<&HeaderValue>,
    proxies: &Proxies,
) -> Result<Answer, FetchError> {
    let mut here: url::Url = url.parse().map_err(|_| bad_address(url))?;
    let host = here.host_str().map(ToOwned::to_owned);
    for _ in 0..REDIRECTS {
        let same_host = here.host_str() == host.as_deref();
        let answer = once(&here, authorization.filter(|_| same_host), proxies).await?;
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

async fn once(
    url: &url::Url,
    authorization: Option<&HeaderValue>,
    proxies: &Proxies,
) -> Result<Answer, FetchError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad_address(url.as_str()));
    }
    let address: Uri = url
        .as_str()
        .parse()
        .map_err(|_| bad_address(url.as_str()))?;
    let proxy = proxies.for_address(&address);
    let through = proxy
        .as_ref()
        .map(|proxy| format!(" (through the proxy {proxy})"));
    let unreachable = |reason: String| FetchError::Unreachable {
        url: format!("{url}{}", through.as_deref().unwrap_or_default()),
        reason,
    };
    if let Some(proxy) = proxy.as_ref().filter(|proxy| !proxy.speaks_http()) {
        return Err(FetchError::Proxy {
            url: url.to_string(),
            proxy: proxy.to_string(),
        });
    }
    let request = request(url, address, authorization)?;
    let tls = connection::tls().map_err(FetchError::Certificates)?;
    let answer = connection::send(request, proxy.as_ref(), tls).await;
    let (head, body) = answer.map_err(unreachable)?.into_parts();
    let body = Limited::new(body, LARGEST).collect().await;
    let body = body.map_err(|error| unreachable(connection::causes(error.as_ref())))?;
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body: body.to_bytes(),
    })
}

fn request(
    url: &url::Url,
    address: Uri,
    authorization: Option<&HeaderValue>,
) -> Result<Request<Empty<Bytes>>, FetchError> {
    let mut request = Request::get(address)
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
    Ok(request)
}

fn bad_address(url: &str) -> FetchError {
    FetchError::Address {
        url: url.to_owned(),
    }
}
