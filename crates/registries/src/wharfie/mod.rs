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
    let rewrites = mirror
        .map(|mirror| Rewrites::new(&mirror.rewrite))
        .unwrap_or_default();
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

/// The keys under which a host may stand; the first that exists decides, even if nothing is under it.
fn keys(host: &str) -> Vec<String> {
    let mut keys = vec![host.to_owned()];
    if host == DOCKER_HUB {
        keys.push(DOCKER_HUB_KEY.to_owned());
    } else if split_host_port(host).is_none() {
        keys.push(format!("{host}:443"));
        keys.push(format!("{host}:80"));
    }
    keys.push("*".to_owned());
    keys
}

fn mirror_of<'a>(registries: &'a Registries, registry: &str) -> Option<&'a Mirror> {
    let keys = keys(registry);
    keys.iter()
        .find_map(|key| registries.mirrors.get(key))?
        .as_ref()
}

fn config_of<'a>(registries: &'a Registries, host: &str) -> Option<&'a HostConfig> {
    let keys = keys(host);
    keys.iter()
        .find_map(|key| registries.configs.get(key))?
        .as_ref()
}

#[cfg(test)]
mod tests {
    use super::{Attempt, Name, attempts};
    use crate::parse;

    fn pull(document: &str, image: &str) -> Vec<Attempt> {
        attempts(&parse(document.as_bytes()).unwrap(), image)
            .unwrap()
            .1
    }

    #[test]
    fn names_are_read_as_go_containerregistry_reads_them() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let table = [
            (
                "busybox",
                "index.docker.io/library/busybox:latest".to_owned(),
            ),
            ("docker.io/a/b", "index.docker.io/a/b:latest".to_owned()),
            ("localhost/ab", "localhost/ab:latest".to_owned()),
            ("r.io:5000/ab:1", "r.io:5000/ab:1".to_owned()),
            ("r.io:5000/ab", "r.io:5000/ab:latest".to_owned()),
            ("Upper/ab", String::new()),
            ("r.io/a", String::new()),
            ("r.io/ab:é", String::new()),
            ("r.io/ab@sha256:a", String::new()),
            ("", String::new()),
        ];
        for (name, expected) in table {
            let normalized = Name::parse(name)
                .map(|name| name.normalized())
                .unwrap_or_default();
            assert_eq!(normalized, expected, "{name}");
        }
        let both = Name::parse(&format!("r.io/ab:1@{digest}")).unwrap();
        assert_eq!(both.normalized(), format!("r.io/ab@{digest}"));
    }

    #[test]
    fn settings_under_the_wildcard_apply_where_nothing_nearer_exists() {
        let document =
            "configs: {'*': {auth: {username: w}, tls: {insecure_skip_verify: true}}, m.io: }
mirrors: {r.io: {endpoint: [m.io, n.io]}}";
        let pulls = pull(document, "r.io/ab");
        let found: Vec<_> = pulls
            .iter()
            .map(|pull| (pull.auth.is_some(), pull.skip_verify))
            .collect();
        assert_eq!(found, [(false, false), (true, true), (true, true)]);
    }

    #[test]
    fn rewrites_spare_the_registry_itself_and_must_give_a_name() {
        let document = "mirrors: {r.io: {endpoint: [m.io], rewrite: {'^ab': REPLACED}}}";
        for (replacement, expected) in [("x/y", "x/y"), ("X", "ab"), ("", "ab")] {
            let pulls = pull(
                &document.replace("REPLACED", &format!("'{replacement}'")),
                "r.io/ab",
            );
            assert_eq!(pulls[0].repositories, [expected]);
            assert_eq!(pulls[1].repositories, ["ab"]);
            assert!(pulls[1].is_default);
        }
    }

    #[test]
    fn half_a_certificate_pair_voids_the_tls_settings() {
        let document = "configs: {r.io: {tls: {cert_file: /c, insecure_skip_verify: true}}}";
        let pulls = pull(document, "r.io/ab");
        assert!(pulls[0].is_half_pair && !pulls[0].skip_verify);
    }
}
