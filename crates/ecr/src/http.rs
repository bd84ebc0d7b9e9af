//! Requests to AWS, each with bounds of its own.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector, proxy::Tunnel};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioExecutor;
use registries::Secret;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::environment::Environment;
use crate::error::Reason;

/// More than any answer that is waited for.
const LONGEST_ANSWER: usize = 1 << 20;

/// Where a service is, which decides how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Distance {
    /// On this machine or beside it: never through a proxy, and mostly not there at all.
    Near,
    /// Somewhere in a region.
    Far,
}

impl Distance {
    fn connecting(self) -> Duration {
        Duration::from_secs(match self {
            Self::Near => 1,
            Self::Far => 4,
        })
    }

    fn whole(self) -> Duration {
        Duration::from_secs(match self {
            Self::Near => 3,
            Self::Far => 10,
        })
    }
}

/// An answer, whatever it says.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The service's word for an error, when it stands in a header.
    pub(crate) error_type: Option<String>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }
}

/// Sends requests.
pub(crate) struct Http {
    proxies: Matcher,
    ca_bundle: Option<PathBuf>,
    /// Made when the first request needs it: reading the authorities takes time and memory.
    tls: OnceLock<ClientConfig>,
}

impl Http {
    pub(crate) fn new(environment: &Environment) -> Self {
        let proxy = environment.https_proxy.as_ref().map(Secret::expose);
        Self {
            proxies: Matcher::builder()
                .https(proxy.unwrap_or_default())
                .no(environment.no_proxy.as_deref().unwrap_or_default())
                .build(),
            ca_bundle: environment.ca_bundle.clone(),
            tls: OnceLock::new(),
        }
    }

    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        distance: Distance,
    ) -> Result<Answer, Reason> {
        let limit = distance.whole();
        tokio::time::timeout(limit, self.exchange(request, distance))
            .await
            .unwrap_or(Err(Reason::Late(limit.as_secs())))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        distance: Distance,
    ) -> Result<Answer, Reason> {
        let uri = request.uri().clone();
        let connector = self.connector(&uri, distance)?;
        let proxy = match distance {
            Distance::Near => None,
            Distance::Far => self.proxies.intercept(&uri),
        };
        match proxy {
            None => exchange(connector, request).await,
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
                if let Some(value) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(value.clone());
                }
                exchange(self.encrypted(tunnel)?, request).await
            }
        }
    }

    fn connector(
        &self,
        uri: &Uri,
        distance: Distance,
    ) -> Result<HttpsConnector<HttpConnector>, Reason> {
        let mut plain = HttpConnector::new();
        plain.enforce_http(false);
        plain.set_connect_timeout(Some(distance.connecting()));
        if uri.scheme_str() == Some("https") {
            self.encrypted(plain)
        } else {
            // Nothing is encrypted, so nobody has to be trusted.
            Ok(secured(plain, client(RootCertStore::empty())?))
        }
    }

    fn encrypted<C>(&self, connector: C) -> Result<HttpsConnector<C>, Reason> {
        let config = if let Some(config) = self.tls.get() {
            config.clone()
        } else {
            let made = client(authorities(self.ca_bundle.as_deref())?)?;
            self.tls.get_or_init(|| made).clone()
        };
        Ok(secured(connector, config))
    }
}

fn secured<C>(connector: C, config: ClientConfig) -> HttpsConnector<C> {
    hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector)
}

fn client(authorities: RootCertStore) -> Result<ClientConfig, Reason> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| Reason::Impossible("no version of TLS can be offered"))?;
    Ok(builder
        .with_root_certificates(authorities)
        .with_no_client_auth())
}

fn authorities(bundle: Option<&Path>) -> Result<RootCertStore, Reason> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(bundle) = bundle {
        let read = CertificateDer::pem_file_iter(bundle).and_then(Iterator::collect);
        let certificates: Vec<_> = read.map_err(|_| {
            Reason::Impossible("the file that AWS_CA_BUNDLE names holds no certificates in PEM")
        })?;
        store.add_parsable_certificates(certificates);
    }
    if store.is_empty() {
        return Err(Reason::Impossible(
            "this machine trusts no authority; install ca-certificates, or name a file in AWS_CA_BUNDLE",
        ));
    }
    Ok(store)
}

async fn exchange<C>(connector: C, request: Request<Full<Bytes>>) -> Result<Answer, Reason>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let client: Client<C, Full<Bytes>> = Client::builder(TokioExecutor::new())
        // A connection is used once: tokens last for hours.
        .pool_max_idle_per_host(0)
        .build(connector);
    let answer = client
        .request(request)
        .await
        .map_err(|error| told(&error))?;
    let status = answer.status();
    let error_type = answer
        .headers()
        .get("x-amzn-errortype")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let body = Limited::new(answer.into_body(), LONGEST_ANSWER)
        .collect()
        .await
        .map_err(|error| told(error.as_ref()))?
        .to_bytes();
    Ok(Answer {
        status,
        error_type,
        body,
    })
}

/// The innermost cause is the one that helps.
fn told(error: &(dyn StdError + 'static)) -> Reason {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    Reason::Unreachable(innermost.to_string())
}
