//! A small client of registries, for what the Engine cannot give: whether somebody may have an image, a manifest by its
//! digest, a blob that is missing.
//!
//! ```text
//!  Upstream --request--> connection (TLS, plain where it is allowed)
//!     ^                      |
//!     +-- challenge, token --+-- redirect: without credentials where it leads to somebody else
//! ```

mod challenge;
mod connection;
mod error;
mod redirect;
#[cfg(test)]
mod tests;
mod token;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use docker::Credentials;
use futures::stream::{BoxStream, StreamExt as _};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use url::Url;

use crate::content::Document;
use crate::mirror::{MirrorSettings, document};
use crate::names::{Digest, Host, MirroredName, Reference};
use crate::turns::{Busy, Turn, Turns};
use connection::Connections;
pub use error::{Problem, UpstreamError};
use token::Tokens;

/// What manifests may be; a registry gives one of them.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
/// No manifest is larger.
const LARGEST: usize = 8 << 20;
/// How long a registry may take to answer, and to go on with a body.
const PATIENCE: Duration = Duration::from_secs(30);
/// More redirects lead nowhere.
const REDIRECTS: usize = 5;

/// Registries. Cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    inner: Arc<Inner>,
}

struct Inner {
    connections: Connections,
    turns: Turns,
    tokens: Tokens,
}

/// A blob that begins to arrive. Nobody has verified it yet.
pub struct Arriving {
    /// How long it is said to be.
    pub size: u64,
    /// Its bytes.
    pub bytes: BoxStream<'static, io::Result<Bytes>>,
}

/// A request that may have to be sent more than once.
struct Question<'a> {
    method: Method,
    name: &'a MirroredName,
    path: String,
    credentials: Option<&'a Credentials>,
}

impl Upstream {
    /// A client for registries that are trusted as the settings say.
    pub fn new(settings: &MirrorSettings) -> Self {
        let inner = Inner {
            connections: Connections::new(settings),
            turns: Turns::new(settings.questions),
            tokens: Tokens::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Whether a manifest is there for these credentials, and its digest if the registry says it.
    pub async fn look(
        &self,
        name: &MirroredName,
        reference: &Reference,
        credentials: Option<&Credentials>,
    ) -> Result<Option<Digest>, UpstreamError> {
        let question = Question {
            method: Method::HEAD,
            name,
            path: format!("manifests/{reference}"),
            credentials,
        };
        let _turn = self.turn(&name.host).await?;
        let answer = self.ask(&question).await?;
        let digest = text(answer.headers(), "docker-content-digest");
        Ok(digest.and_then(|digest| Digest::parse(digest).ok()))
    }

    /// A manifest or an index; what is asked for by digest is verified.
    pub async fn manifest(
        &self,
        name: &MirroredName,
        reference: &Reference,
        credentials: Option<&Credentials>,
    ) -> Result<Document, UpstreamError> {
        let question = Question {
            method: Method::GET,
            name,
            path: format!("manifests/{reference}"),
            credentials,
        };
        let _turn = self.turn(&name.host).await?;
        let answer = self.ask(&question).await?;
        let odd = |problem| UpstreamError::new(&name.host, Problem::Odd(problem));
        let announced = text(answer.headers(), header::CONTENT_TYPE.as_str()).map(str::to_owned);
        let body = Limited::new(answer.into_body(), LARGEST).collect();
        let body = match tokio::time::timeout(PATIENCE, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return Err(odd("its manifest breaks off, or is beyond all bounds")),
            Err(_) => return Err(UpstreamError::new(&name.host, Problem::Late)),
        };
        let found = document(body, announced.as_deref()).ok_or(odd("its manifest is none"))?;
        match reference {
            Reference::Digest(digest) => {
                verified(found, digest).ok_or(odd("its manifest has another digest"))
            }
            Reference::Tag(_) => Ok(found),
        }
    }

    /// The size of a blob that is there for these credentials.
    pub async fn blob_size(
        &self,
        name: &MirroredName,
        digest: &Digest,
        credentials: Option<&Credentials>,
    ) -> Result<Option<u64>, UpstreamError> {
        let question = Question {
            method: Method::HEAD,
            name,
            path: format!("blobs/{digest}"),
            credentials,
        };
        let _turn = self.turn(&name.host).await?;
        Ok(size(self.ask(&question).await?.headers()))
    }

    /// A blob.
    pub async fn blob(
        &self,
        name: &MirroredName,
        digest: &Digest,
        credentials: Option<&Credentials>,
    ) -> Result<Arriving, UpstreamError> {
        let question = Question {
            method: Method::GET,
            name,
            path: format!("blobs/{digest}"),
            credentials,
        };
        let _turn = self.turn(&name.host).await?;
        let answer = self.ask(&question).await?;
        let odd = Problem::Odd("it does not say how long its blob is");
        let size = size(answer.headers()).ok_or(UpstreamError::new(&name.host, odd))?;
        let pieces = futures::stream::unfold(answer.into_body(), |mut body| async move {
            let piece = next(&mut body).await?;
            Some((piece, body))
        });
        Ok(Arriving {
            size,
            bytes: pieces.boxed(),
        })
    }

    /// Waits until another question may be asked.
    async fn turn(&self, host: &Host) -> Result<Turn, UpstreamError> {
        let turn = self.inner.turns.take().await;
        turn.map_err(|Busy| UpstreamError::busy(host))
    }

    /// Asks, shows credentials where they are wanted, follows redirects. What comes back is a success.
    async fn ask(
        &self,
        question: &Question<'_>,
    ) -> Result<http::Response<Incoming>, UpstreamError> {
        let host = &question.name.host;
        let base = self.inner.connections.base(host).await?;
        let path = format!("v2/{}/{}", question.name.repository, question.path);
        let odd = |problem| UpstreamError::new(host, Problem::Odd(problem));
        let first = base
            .join(&path)
            .map_err(|_| odd("its address cannot be written"))?;
        let scope = token::Scope {
            host,
            repository: &question.name.repository,
            credentials: question.credentials,
        };
        let mut authorization = self.inner.tokens.known(&scope);
        for attempt in 0..2 {
            let answer = self
                .follow(question, first.clone(), authorization.as_deref())
                .await?;
            if answer.status() != StatusCode::UNAUTHORIZED || attempt > 0 {
                return sorted(host, answer);
            }
            let challenges = answer.headers().get_all(header::WWW_AUTHENTICATE);
            let challenges = challenges.iter().filter_map(|value| value.to_str().ok());
            let challenge = challenge::best(challenges, question.credentials.is_some());
            let found = self
                .inner
                .tokens
                .answer(&self.inner.connections, &scope, challenge, &first)
                .await?;
            let Some(found) = found else {
                return sorted(host, answer);
            };
            authorization = Some(found);
        }
        Err(UpstreamError::new(host, Problem::Login))
    }

    async fn follow(
        &self,
        question: &Question<'_>,
        mut url: Url,
        authorization: Option<&str>,
    ) -> Result<http::Response<Incoming>, UpstreamError> {
        let host = &question.name.host;
        let first = url.clone();
        for _ in 0..=REDIRECTS {
            let authorization = authorization.filter(|_| redirect::is_same(&first, &url));
            let answer = self
                .inner
                .connections
                .send(host, &question.method, &url, authorization, MANIFESTS)
                .await?;
            if !answer.status().is_redirection() {
                return Ok(answer);
            }
            let location = text(answer.headers(), header::LOCATION.as_str());
            url = redirect::next(&url, location.unwrap_or_default()).ok_or_else(|| {
                UpstreamError::new(
                    host,
                    Problem::Odd("it redirects to nowhere that may be gone to"),
                )
            })?;
        }
        Err(UpstreamError::new(
            host,
            Problem::Odd("it redirects without end"),
        ))
    }
}

/// The next piece of a body; a registry that stops in the middle is not waited for.
async fn next(body: &mut Incoming) -> Option<io::Result<Bytes>> {
    loop {
        let Ok(frame) = tokio::time::timeout(PATIENCE, body.frame()).await else {
            return Some(Err(io::Error::from(io::ErrorKind::TimedOut)));
        };
        match frame?.map(hyper::body::Frame::into_data) {
            Ok(Ok(piece)) => return Some(Ok(piece)),
            // Trailers say nothing about a blob.
            Ok(Err(_)) => {}
            Err(_) => return Some(Err(io::Error::from(io::ErrorKind::ConnectionReset))),
        }
    }
}

fn sorted(
    host: &Host,
    answer: http::Response<Incoming>,
) -> Result<http::Response<Incoming>, UpstreamError> {
    match Problem::of(answer.status()) {
        None => Ok(answer),
        Some(problem) => Err(UpstreamError::new(host, problem)),
    }
}

/// A document that is what its digest says, in the algorithm of that digest.
fn verified(mut document: Document, digest: &Digest) -> Option<Document> {
    use sha2::Digest as _;
    use std::fmt::Write as _;
    if digest.algorithm() == "sha512" {
        let mut hex = String::from("sha512:");
        for byte in sha2::Sha512::digest(&document.bytes) {
            write!(hex, "{byte:02x}").ok()?;
        }
        document.digest = Digest::parse(&hex).ok()?;
    }
    (document.digest == *digest).then_some(document)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn size(headers: &HeaderMap) -> Option<u64> {
    text(headers, header::CONTENT_LENGTH.as_str())?.parse().ok()
}
