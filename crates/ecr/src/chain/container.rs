//! The service beside a container that gives its credentials, as ECS and EKS Pod Identity have it.

use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;
use registries::Secret;

use crate::environment::Environment;
use crate::error::ChainError;

const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";

/// ECS's address.
const ECS: &str = "169.254.170.2";

/// The addresses besides this machine's own that may be asked without encryption: ECS and EKS.
const ALLOWED: [&str; 3] = [ECS, "169.254.170.23", "fd00:ec2::23"];

/// Where to ask, and what to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) url: Uri,
    pub(crate) proof: Option<Proof>,
}

/// What the service wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A token that is replaced from time to time.
    File(PathBuf),
    Token(Secret),
}

impl Container {
    pub(super) fn of(environment: &Environment) -> Result<Option<Self>, ChainError> {
        let url = match (
            &environment.container_relative_uri,
            &environment.container_full_uri,
        ) {
            (Some(path), _) => relative(path)?,
            (None, Some(url)) => full(url)?,
            (None, None) => return Ok(None),
        };
        let file = environment.container_token_file.clone().map(Proof::File);
        let token = || environment.container_token.clone().map(Proof::Token);
        Ok(Some(Self {
            url,
            proof: file.or_else(token),
        }))
    }
}

fn relative(path: &str) -> Result<Uri, ChainError> {
    let url = path.starts_with('/').then(|| format!("http://{ECS}{path}"));
    url.and_then(|url| url.parse().ok())
        .ok_or(ChainError::Variable {
            variable: RELATIVE_URI,
            problem: "it is no path that begins with /",
        })
}

fn full(url: &str) -> Result<Uri, ChainError> {
    let wrong = |problem| ChainError::Variable {
        variable: FULL_URI,
        problem,
    };
    let uri: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
    let host = uri.host().ok_or_else(|| wrong("it is no URL"))?;
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if may_be_plain(host) => Ok(uri),
        _ => Err(wrong(
            "only https, or http to this machine, to ECS (169.254.170.2) and to EKS (169.254.170.23) is allowed",
        )),
    }
}

fn may_be_plain(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| {
            address.is_loopback() || ALLOWED.iter().any(|allowed| allowed.parse() == Ok(address))
        })
}
