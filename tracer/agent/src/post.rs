//! Posts reports: one connection that is kept, compressed bodies, a token that may change at any time.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tracer_model::{Acknowledgement, Report};
use url::Url;

/// A server that takes longer is not there.
const DEADLINE: Duration = Duration::from_secs(10);
/// Shorter bodies do not shrink.
const WORTH_COMPRESSING: usize = 512;
const LONGEST_ANSWER: usize = 64 << 10;

/// Where a report goes, and with what.
#[derive(Clone, Debug)]
pub struct Target {
    /// Root of the server.
    pub url: Url,
    /// The only authorities that are believed, where given.
    pub ca_file: Option<PathBuf>,
    /// How the agent shows who it is.
    pub token: Token,
}

/// How the agent shows who it is.
#[derive(Clone, Debug, Default)]
pub enum Token {
    /// Not at all.
    #[default]
    None,
    /// A word that stays.
    Word(SecretString),
    /// A file that the kubelet writes anew from time to time.
    File(PathBuf),
}

/// Why a report may not have arrived.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The token cannot be read.
    #[error("failed to read the token file {path}: {cause}")]
    Token {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The authorities cannot be read.
    #[error("failed to read the CA file: {0}")]
    Authorities(String),
    /// No connection.
    #[error("failed to connect to {host}: {cause}")]
    Connect {
        /// Of the server.
        host: String,
        /// What the system says.
        cause: io::Error,
    },
    /// The connection broke.
    #[error("failed to send a report: {0}")]
    Http(#[from] hyper::Error),
    /// The request cannot be written.
    #[error("failed to write a report: {0}")]
    Write(String),
    /// No answer in time.
    #[error("the server did not answer within {} s", DEADLINE.as_secs())]
    Late,
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has the report.
    Taken,
    /// It wants everything anew.
    Resync,
    /// It takes no such body.
    Refused(u16),
    /// It does not now, or not from us.
    Unwilling(u16),
}

/// A connection to a server.
pub struct Poster {
    target: Target,
    address: Option<SocketAddr>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Poster {
    /// Connects when the first report is there.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            address: None,
            connection: None,
        }
    }

    /// From now on the server is at this address, or wherever its name leads.
    pub fn go_to(&mut self, address: Option<SocketAddr>) {
        if self.address != address {
            self.address = address;
            self.connection = None;
        }
    }

    /// Sends one report.
    pub async fn post(&mut self, report: &Report) -> Result<Answer, PostError> {
        let answer = tokio::time::timeout(DEADLINE, self.exchange(report)).await;
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.connection = None;
                Err(error)
            }
            Err(_) => {
                self.connection = None;
                Err(PostError::Late)
            }
        }
    }

    async fn exchange(&mut self, report: &Report) -> Result<Answer, PostError> {
        let request = self.request(report)?;
        let mut connection = match self.connection.take() {
            Some(mut kept) => match kept.ready().await {
                Ok(()) => kept,
                Err(_) => self.connect().await?,
            },
            None => self.connect().await?,
        };
        let answer = connection.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST_ANSWER)
            .collect()
            .await;
        let body = body
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        self.connection = Some(connection);
        Ok(understood(status, &body))
    }

    fn request(&self, report: &Report) -> Result<Request<Full<Bytes>>, PostError> {
        let write = |error: &dyn std::fmt::Display| PostError::Write(error.to_string());
        let json = serde_json::to_vec(report).map_err(|error| write(&error))?;
        let path = format!(
            "{}/api/v1/report",
            self.target.url.path().trim_end_matches('/')
        );
        let mut request = Request::post(path)
            .header(header::HOST, authority(&self.target.url))
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                header::USER_AGENT,
                concat!("berth-tracer-agent/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(token) = self.token()? {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.trim()));
        }
        let body = if json.len() < WORTH_COMPRESSING {
            json
        } else {
            request = request.header(header::CONTENT_ENCODING, "gzip");
            compressed(&json).map_err(|error| write(&error))?
        };
        request
            .body(Full::from(body))
            .map_err(|error| write(&error))
    }

    fn token(&self) -> Result<Option<String>, PostError> {
        match &self.target.token {
            Token::None => Ok(None),
            Token::Word(word) => Ok(Some(word.expose_secret().to_owned())),
            Token::File(path) => {
                std::fs::read_to_string(path)
                    .map(Some)
                    .map_err(|cause| PostError::Token {
                        path: path.clone(),
                        cause,
                    })
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, PostError> {
        let url = &self.target.url;
        let host = url
            .host_str()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_owned();
        let port = url.port_or_known_default().unwrap_or(80);
        let failed = |cause| PostError::Connect {
            host: authority(url),
            cause,
        };
        let connected = match self.address {
            Some(address) => TcpStream::connect(address).await,
            None => TcpStream::connect((host.as_str(), port)).await,
        };
        let stream = connected.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        if url.scheme() != "https" {
            return handshake(stream).await;
        }
        let name = ServerName::try_from(host)
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let connector = self.tls()?;
        let stream = connector.connect(name, stream).await.map_err(failed)?;
        handshake(stream).await
    }

    /// Read anew for each connection, since authorities change too.
    fn tls(&self) -> Result<TlsConnector, PostError> {
        let failed = |error: &dyn std::fmt::Display| PostError::Authorities(error.to_string());
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.target.ca_file {
            let found = CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))?;
            for certificate in found {
                let certificate = certificate.map_err(|error| failed(&error))?;
                roots.add(certificate).map_err(|error| failed(&error))?;
            }
            if roots.is_empty() {
                return Err(failed(&"it holds no certificate"));
            }
        } else {
            let system = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(system);
        }
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, PostError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // What breaks it shows at the next request.
        let _ = connection.await;
    });
    Ok(sender)
}

fn understood(status: StatusCode, body: &[u8]) -> Answer {
    match status.as_u16() {
        200..=299 => match serde_json::from_slice::<Acknowledgement>(body) {
            Ok(Acknowledgement { resync: true, .. }) => Answer::Resync,
            _ => Answer::Taken,
        },
        409 => Answer::Resync,
        code @ (400 | 413 | 415 | 422) => Answer::Refused(code),
        code => Answer::Unwilling(code),
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let status = |code| StatusCode::from_u16(code).unwrap();
        assert_eq!(understood(status(200), b""), Answer::Taken);
        assert_eq!(understood(status(200), br#"{"sequence":3}"#), Answer::Taken);
        assert_eq!(
            understood(status(200), br#"{"resync":true}"#),
            Answer::Resync
        );
        assert_eq!(
            understood(status(409), br#"{"resync":true}"#),
            Answer::Resync
        );
        assert_eq!(understood(status(413), b""), Answer::Refused(413));
        assert_eq!(understood(status(401), b""), Answer::Unwilling(401));
        assert_eq!(understood(status(503), b""), Answer::Unwilling(503));
    }

    #[test]
    fn no_token_is_shown() {
        let token = Token::Word("hunter2".into());
        assert!(!format!("{token:?}").contains("hunter2"));
    }
}
