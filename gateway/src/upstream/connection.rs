//! Connections to registries: encrypted and verified, plain only where that is allowed.

use std::collections::{BTreeSet, HashMap};
use std::error::Error as StdError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Uri, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioExecutor;
use registries::Secret;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use url::Url;

use super::PATIENCE;
use super::error::{Problem, UpstreamError};
use crate::mirror::MirrorSettings;
use crate::names::Host;

/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(10);
/// More clients are not kept.
const MOST: usize = 64;

/// A client that goes straight to a registry, or through a proxy.
#[derive(Clone)]
enum HttpClient {
    Straight(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>),
    Through(Client<HttpsConnector<Tunnel<HttpConnector>>, Empty<Bytes>>),
}

impl HttpClient {
    async fn request(
        &self,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        match self {
            Self::Straight(client) => client.request(request).await,
            Self::Through(client) => client.request(request).await,
        }
    }
}

/// Connections to registries.
pub(super) struct Connections {
    insecure: BTreeSet<Host>,
    authorities: Vec<PathBuf>,
    certificates: PathBuf,
    proxies: Matcher,
    /// By the registry, whose authorities they trust, and the proxy.
    clients: Mutex<HashMap<(Host, Option<Uri>), HttpClient>>,
    bases: Mutex<HashMap<Host, Url>>,
}

impl Connections {
    pub(super) fn new(settings: &MirrorSettings) -> Self {
        Self {
            insecure: settings.insecure.clone(),
            authorities: settings.authorities.clone(),
            certificates: settings.certificates.clone(),
            proxies: Matcher::builder()
                .https(
                    settings
                        .proxy
                        .as_ref()
                        .map(Secret::expose)
                        .unwrap_or_default(),
                )
                .no(settings.no_proxy.as_deref().unwrap_or_default())
                .build(),
            clients: Mutex::default(),
            bases: Mutex::default(),
        }
    }

    /// Where a registry is. One that may be plain is tried encrypted first, as Docker does it.
    pub(super) async fn base(&self, host: &Host) -> Result<Url, UpstreamError> {
        let known = self
            .bases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(host)
            .cloned();
        if let Some(base) = known {
            return Ok(base);
        }
        let secure = address("https", host)?;
        if !may_be_plain(host, &self.insecure) {
            return Ok(secure);
        }
        let plain = address("http", host)?;
        let probe = secure.join("v2/").map_err(|_| odd(host))?;
        let base = match self.send(host, &Method::GET, &probe, None, "*/*").await {
            Ok(_) => secure,
            Err(error) => {
                // Whoever is not there at all may be encrypted when he comes: nothing is kept then.
                let probe = plain.join("v2/").map_err(|_| odd(host))?;
                self.send(host, &Method::GET, &probe, None, "*/*")
                    .await
                    .map_err(|_| error)?;
                plain
            }
        };
        let mut bases = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
        if bases.len() >= MOST {
            bases.clear();
        }
        bases.insert(host.clone(), base.clone());
        Ok(base)
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &self,
        host: &Host,
        method: &Method,
        url: &Url,
        authorization: Option<&str>,
        accept: &str,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let mut request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(
                header::USER_AGENT,
                concat!("berth-gateway/", env!("CARGO_PKG_VERSION")),
            )
            .header(header::ACCEPT, accept);
        if let Some(authorization) = authorization {
            let mut value = header::HeaderValue::from_str(authorization).map_err(|_| odd(host))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Empty::new()).map_err(|_| odd(host))?;
        let proxy = self
            .proxies
            .intercept(request.uri())
            .filter(|_| !is_here(url));
        let client = self.client(host, proxy)?;
        let answer = client.request(request);
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.bases
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(host);
                let problem = Problem::Unreachable(innermost(&error));
                Err(UpstreamError::new(host, problem))
            }
            Err(_) => Err(UpstreamError::new(host, Problem::Late)),
        }
    }

    fn client(&self, host: &Host, proxy: Option<Intercept>) -> Result<HttpClient, UpstreamError> {
        let key = (
            host.clone(),
            proxy.as_ref().map(|proxy| proxy.uri().clone()),
        );
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let trusted = authorities(&self.authorities, &self.certificates.join(host.as_str()));
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| odd(host))?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECTING));
        let client = match proxy {
            None => HttpClient::Straight(client(connector, config)),
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
                if let Some(login) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(login.clone());
                }
                HttpClient::Through(client(tunnel, config))
            }
        };
        if clients.len() >= MOST {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }
}

fn client<C>(connector: C, config: ClientConfig) -> Client<HttpsConnector<C>, Empty<Bytes>>
where
    HttpsConnector<C>: Connect + Clone,
{
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(4)
        .build(connector)
}

fn odd(host: &Host) -> UpstreamError {
    UpstreamError::new(host, Problem::Odd("its address cannot be used"))
}

fn address(scheme: &str, host: &Host) -> Result<Url, UpstreamError> {
    let server = match host.as_str() {
        "docker.io" => "registry-1.docker.io",
        other => other,
    };
    Url::parse(&format!("{scheme}://{server}/")).map_err(|_| odd(host))
}

/// Registries on this machine may always be plain, as Docker has it.
fn may_be_plain(host: &Host, insecure: &BTreeSet<Host>) -> bool {
    let url = Url::parse(&format!("http://{host}/"));
    insecure.contains(host) || url.is_ok_and(|url| is_here(&url))
}

/// Whether an address is of this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whom to trust: the system's authorities, those that were named, and those that Docker keeps for the registry.
fn authorities(named: &[PathBuf], folder: &Path) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let kept = fs::read_dir(folder).into_iter().flatten().flatten();
    let kept = kept
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "crt"));
    for path in named.iter().cloned().chain(kept) {
        let read =
            CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match read {
            Ok(certificates) => {
                store.add_parsable_certificates(certificates);
            }
            Err(_) => {
                tracing::warn!(path = %path.display(), "the file holds no certificates in PEM");
            }
        }
    }
    store
}

/// The innermost cause is the one that helps.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{address, may_be_plain};
    use crate::names::Host;

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    #[test]
    fn only_registries_of_this_machine_and_named_ones_may_be_plain() {
        let insecure = BTreeSet::from([host("lab:5000")]);
        for (text, expected) in [
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.9.9.9", true),
            ("[::1]:5000", true),
            ("lab:5000", true),
            ("lab:5001", false),
            ("localhost.evil.test", false),
            ("10.0.0.1:5000", false),
            ("docker.io", false),
        ] {
            assert_eq!(may_be_plain(&host(text), &insecure), expected, "{text}");
        }
    }

    #[test]
    fn docker_hub_answers_at_another_name_than_its_own() {
        let url = address("https", &host("docker.io")).unwrap();
        assert_eq!(url.as_str(), "https://registry-1.docker.io/");
    }
}
