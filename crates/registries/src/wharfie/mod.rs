//! What RKE2's own puller does with the same file: it fetches the runtime image before containerd runs.
//!
//! It differs from containerd: `*` configs apply, keys with `:443` and `:80` match, Docker Hub is called
//! `index.docker.io`, endpoints that are no URL with a host are skipped, and the registry itself always comes last.

mod name;

use crate::document::{Auth, HostConfig, Mirror, Registries};
use crate::go::net::{is_localhost, split_host_port};
use crate::go::path;
use crate::go::url::{GoUrl, UrlError, query_escape};
use crate::rewrite::Rewrites;

pub use name::{Name, NameError};

/// Docker Hub, as this puller calls it.
const DOCKER_HUB: &str = "index.docker.io";
const DOCKER_HUB_KEY: &str = "docker.io";

/// One endpoint that is asked.
#[derive(Clone, PartialEq)]
pub struct Attempt {
    /// The URL, which may carry user information: show it through `redact_url`.
    pub endpoint: String,
    /// Whether it is the registry itself, which gets no rewrites.
    pub is_default: bool,
    /// What may be asked for; more than one where rewrites disagree and chance decides.
    pub repositories: Vec<String>,
    /// The request for the manifest, one for each repository.
    pub request_urls: Vec<String>,
    /// The credential, if one is configured for the host or for `*`.
    pub auth: Option<Auth>,
    /// Whether any certificate is taken for good.
    pub skip_verify: bool,
    /// Whether TLS settings are ignored because certificate or key is missing.
    pub is_half_pair: bool,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Attempt")
            .field("is_default", &self.is_default)
            .field("repositories", &self.repositories)
            .field("skip_verify", &self.skip_verify)
            .finish_non_exhaustive()
    }
}

/// The endpoints that are asked for an image, in order.
pub fn attempts(registries: &Registries, image: &str) -> Result<(Name, Vec<Attempt>), NameError> {
    let name = Name::parse(image)?;
    let mirror = mirror_of(registries, &name.registry);
    let listed = mirror.iter().flat_map(|mirror| &mirror.endpoint);
    let addresses = listed.map(String::as_str).chain([name.registry.as_str()]);
    let endpoints = addresses.filter_map(|address| normalize(address).ok());
    let rewrites = Rewrites::new(&rewrites_of(registries, &name.registry));
    let attempts = endpoints
        .map(|url| attempt(registries, &name, &rewrites, &url))
        .collect();
    Ok((name, attempts))
}

fn attempt(registries: &Registries, name: &Name, rewrites: &Rewrites, url: &GoUrl) -> Attempt {
    let host = url.host_text();
    let is_default = host == name.registry;
    let repositories = if is_default {
        vec![name.repository.clone()]
    } else {
        rewritten(name, rewrites)
    };
    let config = config_of(registries, &host);
    let tls = config.and_then(|config| config.tls.as_ref());
    let is_half_pair = tls.is_some_and(|tls| tls.cert_file.is_empty() != tls.key_file.is_empty());
    Attempt {
        endpoint: url.to_string(),
        is_default,
        request_urls: repositories
            .iter()
            .map(|repository| request(name, repository, url))
            .collect(),
        repositories,
        auth: config.and_then(|config| config.auth.clone()),
        skip_verify: !is_half_pair && tls.is_some_and(|tls| tls.insecure_skip_verify),
        is_half_pair,
    }
}

/// Results that are no repository name are passed over.
fn rewritten(name: &Name, rewrites: &Rewrites) -> Vec<String> {
    let mut repositories = rewrites.apply(&name.repository).repositories;
    repositories.retain(|repository| name::is_repository(repository));
    if repositories.is_empty() {
        repositories.push(name.repository.clone());
    }
    repositories
}

fn request(name: &Name, repository: &str, endpoint: &GoUrl) -> String {
    let rest = format!("/{repository}/manifests/{}", name.object());
    let mut url = GoUrl::default();
    endpoint.scheme.clone_into(&mut url.scheme);
    url.host.clone_from(&endpoint.host);
    url.path.clone_from(&endpoint.path);
    url.path.extend(rest.bytes());
    if !endpoint.raw_path.is_empty() {
        url.raw_path = format!("{}{rest}", endpoint.raw_path);
    }
    let registry = if name.registry == DOCKER_HUB {
        DOCKER_HUB_KEY
    } else {
        &name.registry
    };
    let host = endpoint.host_text();
    let is_hub = registry == DOCKER_HUB_KEY && host == DOCKER_HUB;
    if registry != host && !is_hub {
        url.raw_query = format!("ns={}", query_escape(registry));
    }
    url.to_string()
}

fn normalize(address: &str) -> Result<GoUrl, Option<UrlError>> {
    let address = if address.contains("://") {
        address.to_owned()
    } else {
        format!("//{address}")
    };
    let mut url = GoUrl::parse(&address).map_err(Some)?;
    let host = url.host_text();
    if host.is_empty() {
        return Err(None);
    }
    if url.scheme.is_empty() {
        let port = url.port();
        let plain = is_localhost(&host) && !port.is_empty() && port != "443";
        let scheme = if plain { "http" } else { "https" };
        scheme.clone_into(&mut url.scheme);
    }
    url.path = match url.path.as_slice() {
        b"" | b"/" | b"/v2" => b"/v2".to_vec(),
        other => path::clean(&String::from_utf8_lossy(other)).into_bytes(),
    };
    Ok(url)
}

/// The first key that exists decides, even if nothing is under it.
fn mirror_of<'a>(registries: &'a Registries, registry: &str) -> Option<&'a Mirror> {
    let mut keys = vec![registry.to_owned()];
    if registry == DOCKER_HUB {
        keys.push(DOCKER_HUB_KEY.to_owned());
    } else if split_host_port(registry).is_none() {
        keys.push(format!("{registry}:443"));
        keys.push(format!("{registry}:80"));
    }
    keys.push("*".to_owned());
    keys.iter()
        .find_map(|key| registries.mirrors.get(key))?
        .as_ref()
}

fn rewrites_of(
    registries: &Registries,
    registry: &str,
) -> std::collections::BTreeMap<String, String> {
    mirror_of(registries, registry)
        .map(|mirror| mirror.rewrite.clone())
        .unwrap_or_default()
}

fn config_of<'a>(registries: &'a Registries, host: &str) -> Option<&'a HostConfig> {
    let alias = (host == DOCKER_HUB).then_some(DOCKER_HUB_KEY);
    let mut keys = [Some(host), alias, Some("*")].into_iter().flatten();
    keys.find_map(|key| registries.configs.get(key))?.as_ref()
}
