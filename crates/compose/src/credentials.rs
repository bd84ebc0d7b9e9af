//! Credentials out of Secrets of the two types that Kubernetes has for them.

use std::collections::BTreeMap;

use base64::Engine as _;
use registries::{Auth, Secret};
use serde::Deserialize;

use crate::inputs::SecretContent;
use crate::problem::Problem;

/// Docker Hub's names: a credential for one of them is a credential for all.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, DockerAuth>,
}

#[derive(Deserialize, Default)]
struct DockerAuth {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    auth: String,
    #[serde(default)]
    identitytoken: String,
}

/// Reads the credential for the host `key` out of a Secret.
pub(crate) fn read(
    name: &str,
    secret: &SecretContent,
    key: &str,
    path: &str,
) -> Result<Auth, Problem> {
    match secret.type_.as_str() {
        "kubernetes.io/basic-auth" => basic(name, secret, path),
        "kubernetes.io/dockerconfigjson" => docker_config(name, secret, key, path),
        _ => Err(Problem::invalid(
            path,
            format!("Secret {name} has a type that holds no registry credential"),
            "use a Secret of type kubernetes.io/basic-auth or kubernetes.io/dockerconfigjson",
        )),
    }
}

/// The keys of `configs` under which a credential for `key` is written.
///
/// k3s looks Docker Hub's credential up as `registry-1.docker.io`, newer releases as `docker.io` too.
pub(crate) fn keys_for(key: &str) -> Vec<&str> {
    if key == "docker.io" {
        vec!["docker.io", "registry-1.docker.io"]
    } else {
        vec![key]
    }
}

fn basic(name: &str, secret: &SecretContent, path: &str) -> Result<Auth, Problem> {
    let field =
        |key: &str| -> Result<Secret, Problem> {
            let bytes = secret.data.get(key).filter(|value| !value.is_empty()).ok_or_else(|| {
            Problem::new(
                api::Reason::ReferenceNotFound,
                path,
                format!("Secret {name} has no key {key}, or an empty one"),
                "a kubernetes.io/basic-auth Secret for a registry needs username and password",
            )
        })?;
            usable(bytes).ok_or_else(|| unusable(name, key, path))
        };
    Ok(Auth {
        username: field("username")?,
        password: field("password")?,
        ..Auth::default()
    })
}

fn docker_config(
    name: &str,
    secret: &SecretContent,
    key: &str,
    path: &str,
) -> Result<Auth, Problem> {
    const DATA_KEY: &str = ".dockerconfigjson";
    let bytes = secret.data.get(DATA_KEY).ok_or_else(|| {
        Problem::new(
            api::Reason::ReferenceNotFound,
            path,
            format!("Secret {name} has no key {DATA_KEY}"),
            "create it with `kubectl create secret docker-registry`",
        )
    })?;
    // serde's message may repeat a value, so it is not passed on.
    let config: DockerConfig = serde_json::from_slice(bytes).map_err(|error| {
        Problem::invalid(
            path,
            format!(
                "Secret {name}: {DATA_KEY} is no docker configuration (line {}, column {})",
                error.line(),
                error.column()
            ),
            "create it with `kubectl create secret docker-registry`",
        )
    })?;
    let wanted = host_of(key);
    let entry = config
        .auths
        .iter()
        .find(|(host, _)| host.as_str() == key)
        .or_else(|| {
            config
                .auths
                .iter()
                .find(|(host, _)| host_of(host) == wanted)
        })
        .map(|(_, entry)| entry)
        .ok_or_else(|| {
            Problem::new(
                api::Reason::ReferenceNotFound,
                path,
                format!(
                    "Secret {name} has no entry for {} under auths",
                    registries::redact_key(key)
                ),
                "add one, or name the host as the Secret does",
            )
        })?;
    auth_of(entry).ok_or_else(|| unusable(name, DATA_KEY, path))
}

/// The host of a key of `auths`: without scheme and path, Docker Hub's names made one.
fn host_of(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or(rest);
    if DOCKER_HUB.contains(&host) {
        DOCKER_HUB[0]
    } else {
        host
    }
}

fn auth_of(entry: &DockerAuth) -> Option<Auth> {
    if !entry.identitytoken.is_empty() {
        // containerd prefers a user name, so it must not stand beside the token.
        let identity_token = usable(entry.identitytoken.as_bytes())?;
        return Some(Auth {
            identity_token,
            ..Auth::default()
        });
    }
    let (username, password) = if entry.username.is_empty() {
        let decoded = base64::engine::general_purpose::STANDARD
            .decode(entry.auth.trim())
            .ok()?;
        let text = String::from_utf8(decoded).ok()?;
        let (username, password) = text.split_once(':')?;
        (
            username.to_owned(),
            password.trim_end_matches('\0').to_owned(),
        )
    } else {
        (entry.username.clone(), entry.password.clone())
    };
    if username.is_empty() || password.is_empty() {
        return None;
    }
    Some(Auth {
        username: usable(username.as_bytes())?,
        password: usable(password.as_bytes())?,
        ..Auth::default()
    })
}

/// Text that k3s can hand to containerd: other control characters would keep containerd from starting.
fn usable(bytes: &[u8]) -> Option<Secret> {
    let text = std::str::from_utf8(bytes).ok()?;
    let harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    text.chars().all(harmless).then(|| Secret::from(text))
}

fn unusable(name: &str, key: &str, path: &str) -> Problem {
    Problem::invalid(
        path,
        format!("Secret {name}: {key} holds no credential that containerd can use"),
        "give user name and password, or an identity token, as text without control characters",
    )
}
