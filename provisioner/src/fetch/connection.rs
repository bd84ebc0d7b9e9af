//! One request over a connection of its own: straight to its place, or through a proxy.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioExecutor;
use tower_service::Service as _;

use super::proxy::Proxy;

type Outgoing = Request<Empty<Bytes>>;

/// Fails with what went wrong, in words.
pub(super) async fn send(
    request: Outgoing,
    proxy: Option<&Proxy>,
    tls: rustls::ClientConfig,
) -> Result<Response<Incoming>, String> {
    let direct = direct(tls.clone());
    let answer = match proxy {
        None => client(direct, request).await,
        Some(proxy) if request.uri().scheme_str() == Some("http") => {
            return relayed(request, proxy, direct).await;
        }
        Some(proxy) => {
            let mut tunnel = Tunnel::new(proxy.address().clone(), direct);
            if let Some(credentials) = proxy.credentials() {
                tunnel = tunnel.with_auth(credentials.clone());
            }
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(tls)
                .https_only()
                .enable_http1()
                .wrap_connector(tunnel);
            client(connector, request).await
        }
    };
    answer.map_err(|error| causes(&error))
}

fn direct(tls: rustls::ClientConfig) -> HttpsConnector<HttpConnector> {
    HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .build()
}

async fn client<C>(
    connector: C,
    request: Outgoing,
) -> Result<Response<Incoming>, hyper_util::client::legacy::Error>
where
    C: hyper_util::client::legacy::connect::Connect + Clone + Send + Sync + 'static,
{
    Client::builder(TokioExecutor::new())
        .build(connector)
        .request(request)
        .await
}

/// What is not encrypted the proxy reads itself, with the whole address in the request.
async fn relayed(
    mut request: Outgoing,
    proxy: &Proxy,
    mut direct: HttpsConnector<HttpConnector>,
) -> Result<Response<Incoming>, String> {
    let host = host_of(request.uri())?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, host);
    if let Some(credentials) = proxy.credentials() {
        headers.insert(header::PROXY_AUTHORIZATION, credentials.clone());
    }
    let connected = direct.call(proxy.address().clone()).await;
    let stream = connected.map_err(|error| causes(error.as_ref()))?;
    let shaken = hyper::client::conn::http1::handshake(stream).await;
    let (mut sender, connection) = shaken.map_err(|error| causes(&error))?;
    // It ends with the answer; what goes wrong on the way is told to the sender.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    answer.map_err(|error| causes(&error))
}

fn host_of(address: &Uri) -> Result<HeaderValue, String> {
    let authority = address
        .authority()
        .map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    HeaderValue::from_str(host).map_err(|error| error.to_string())
}

pub(super) fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The error with its causes: the outermost alone says only "client error".
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
