//! Asks who was chosen.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Full;
use registries::Secret;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::container::Proof;
use super::{AwsCredentials, Container, Provider, sts};
use crate::environment::Environment;
use crate::error::{ChainError, Reason, word};
use crate::http::{Answer, Distance, Http};
use crate::registry::sts_host;

/// How long a program may take.
const PROGRAM: Duration = Duration::from_secs(30);

/// More than any program has to say.
const LONGEST_OUTPUT: u64 = 1 << 16;

/// What asking takes.
pub(crate) struct Means<'a> {
    pub(crate) http: &'a Http,
    pub(crate) environment: &'a Environment,
    /// Where credentials of roles are asked for.
    pub(crate) region: &'a str,
    pub(crate) now: SystemTime,
}

/// Asks for credentials; nothing when the only one to ask is a machine that has none.
pub(crate) async fn provide(
    provider: &Provider,
    means: &Means<'_>,
) -> Result<Option<AwsCredentials>, ChainError> {
    match provider {
        Provider::Static(credentials) => Ok(Some(credentials.clone())),
        Provider::Process { profile, command } => of_process(profile, command).await.map(Some),
        Provider::WebIdentity { role, token_file } => {
            let token = read(token_file).await?;
            let request = |url: Uri| sts::with_web_identity(&url, role, &token);
            means.ask_sts(request).await.map(Some)
        }
        Provider::Role { role, base } => {
            let Some(base) = Box::pin(provide(base, means)).await? else {
                return Ok(None);
            };
            let request =
                |url: Uri| sts::with_credentials(&url, role, &base, means.region, means.now);
            means.ask_sts(request).await.map(Some)
        }
        Provider::Container(container) => of_container(container, means.http).await.map(Some),
        Provider::Instance { endpoint } => of_instance(endpoint, means.http).await,
    }
}

impl Means<'_> {
    async fn ask_sts(
        &self,
        request: impl FnOnce(Uri) -> Result<Request<Full<Bytes>>, Reason>,
    ) -> Result<AwsCredentials, ChainError> {
        let asked = async {
            let own = self.environment.endpoint_url_sts.as_ref();
            let url = endpoint(self.environment.endpoint(own), &sts_host(self.region))?;
            let answer = self.http.send(request(url)?, Distance::Far).await?;
            sts::credentials(&answer)
        };
        asked.await.map_err(from("AWS STS"))
    }
}

/// The URL of a service: its own host, or what takes its place.
pub(crate) fn endpoint(instead: Option<&str>, host: &str) -> Result<Uri, Reason> {
    let text = match instead {
        Some(url) => format!("{}/", url.trim_end_matches('/')),
        None => format!("https://{host}/"),
    };
    let url: Uri = text
        .parse()
        .map_err(|_| Reason::Impossible("the endpoint that the environment names is no URL"))?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(_)) => Ok(url),
        _ => Err(Reason::Impossible(
            "the endpoint that the environment names begins with neither http:// nor https://",
        )),
    }
}

fn from(giver: &'static str) -> impl Fn(Reason) -> ChainError {
    move |reason| ChainError::Giver { giver, reason }
}

async fn read(path: &Path) -> Result<Secret, ChainError> {
    match tokio::fs::read_to_string(path).await {
        Ok(text) => Ok(Secret::from(text.trim())),
        Err(source) => Err(ChainError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

async fn of_process(profile: &str, command: &Secret) -> Result<AwsCredentials, ChainError> {
    let wrong = |problem: &str| ChainError::Profile {
        profile: profile.to_owned(),
        problem: format!("its credential_process {problem}"),
    };
    let output = tokio::time::timeout(PROGRAM, run(command))
        .await
        .map_err(|_| wrong("did not end within 30 s"))?
        .map_err(|error| wrong(&format!("cannot be run: {}", error.kind())))?;
    let Some(output) = output else {
        return Err(wrong("failed; run it by hand to see what it says"));
    };
    Document::read(&output)
        .and_then(Document::credentials)
        .ok_or_else(|| wrong("printed no credentials; AWS documents the JSON that it should print"))
}

/// What the program printed, if it ended well.
async fn run(command: &Secret) -> std::io::Result<Option<Vec<u8>>> {
    let mut child = Command::new("sh")
        .args(["-c", command.expose()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut output = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(LONGEST_OUTPUT).read_to_end(&mut output).await?;
    }
    Ok(child.wait().await?.success().then_some(output))
}

async fn of_container(container: &Container, http: &Http) -> Result<AwsCredentials, ChainError> {
    let mut request = Request::get(&container.url);
    let token = match &container.proof {
        Some(Proof::File(path)) => Some(read(path).await?),
        Some(Proof::Token(token)) => Some(token.clone()),
        None => None,
    };
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, token.expose());
    }
    let asked = async {
        let answer = http.send(bodiless(request)?, Distance::Near).await?;
        document(&answer)
    };
    asked.await.map_err(from("the container's service"))
}

/// The second version of the machine's service: it wants a token, which requests that others were tricked into lack.
async fn of_instance(endpoint: &str, http: &Http) -> Result<Option<AwsCredentials>, ChainError> {
    let asked = async {
        let token = Request::put(format!("{endpoint}/latest/api/token"))
            .header("x-aws-ec2-metadata-token-ttl-seconds", "300");
        let token = match http.send(bodiless(token)?, Distance::Near).await {
            Ok(answer) if answer.status == StatusCode::OK => Secret::from(answer.text()),
            Ok(answer) if answer.status.is_server_error() => return Err(refused(&answer)),
            // Most machines have no such service, it is off, or it is one of another cloud.
            Ok(_) | Err(_) => return Ok(None),
        };
        let path = "/latest/meta-data/iam/security-credentials/";
        let get = |name: &str| {
            let request = Request::get(format!("{endpoint}{path}{name}"))
                .header("x-aws-ec2-metadata-token", token.expose());
            bodiless(request)
        };
        let roles = http.send(get("")?, Distance::Near).await?;
        if roles.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let role = match roles.text().lines().next().map(str::trim) {
            Some(role) if roles.status == StatusCode::OK && !role.is_empty() => role,
            Some(_) if roles.status != StatusCode::OK => return Err(refused(&roles)),
            _ => return Ok(None),
        };
        let answer = http.send(get(role)?, Distance::Near).await?;
        document(&answer).map(Some)
    };
    asked.await.map_err(from("the machine's metadata service"))
}

fn bodiless(request: http::request::Builder) -> Result<Request<Full<Bytes>>, Reason> {
    request
        .body(Full::default())
        .map_err(|_| Reason::Impossible("the request for them cannot be made"))
}

fn refused(answer: &Answer) -> Reason {
    let code = Document::read(&answer.body).and_then(|document| word(&document.code));
    Reason::Refused {
        status: answer.status.as_u16(),
        code,
    }
}

fn document(answer: &Answer) -> Result<AwsCredentials, Reason> {
    if answer.status != StatusCode::OK {
        return Err(refused(answer));
    }
    Document::read(&answer.body)
        .and_then(Document::credentials)
        .ok_or(Reason::Unreadable("holds no credentials"))
}

/// Credentials as programs, containers and machines give them, each with a name of its own for the token.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Document {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    token: String,
    #[serde(alias = "code")]
    code: String,
}

impl Document {
    fn read(json: &[u8]) -> Option<Self> {
        // The error's own words may hold a value.
        serde_json::from_slice(json).ok()
    }

    fn credentials(self) -> Option<AwsCredentials> {
        let token = [self.session_token, self.token];
        let token = token.into_iter().find(|token| !token.is_empty());
        (!self.access_key_id.is_empty() && !self.secret_access_key.is_empty()).then(|| {
            AwsCredentials {
                key_id: Secret::from(self.access_key_id),
                key: Secret::from(self.secret_access_key),
                session_token: token.map(Secret::from),
            }
        })
    }
}
