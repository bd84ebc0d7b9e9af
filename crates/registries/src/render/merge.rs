//! How k3s merges mirrors and configs into one hosts.toml per registry.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{HostEntry, HostsFile, TlsLines};
use crate::document::{HostConfig, Mirror, Registries, Tls};
use crate::endpoint::{DOCKER_HUB, DOCKER_HUB_HOST, Endpoint, normalize};
use crate::go::net::is_localhost;
use crate::host_directory::WILDCARD_DIRECTORY;
use crate::node::NodeOptions;

/// A registry while its file is put together.
#[derive(Default)]
struct Merging {
    /// The endpoint behind all others, with what `configs` says about it.
    default: Option<DefaultEndpoint>,
    hosts: Vec<HostEntry>,
}

struct DefaultEndpoint {
    /// `None`: TLS settings without an address, which only `configs."*"` has.
    url: Option<String>,
    /// Whether anything but the address is known, so that the file is kept even without other hosts.
    is_configured: bool,
    tls: TlsLines,
}

/// The files by directory key, and the sorted log.
pub(super) fn merge(
    registries: &Registries,
    options: &NodeOptions,
) -> (BTreeMap<String, HostsFile>, Vec<String>) {
    let registries = with_embedded_registry(registries, options);
    let mut merger = Merger {
        registries: registries.as_ref(),
        embedded: options.embedded_registry.as_deref(),
        keep_default: !options.disable_default_registry_endpoint,
        log: Vec::new(),
    };
    let mut merging: BTreeMap<String, Merging> = BTreeMap::new();
    for (key, config) in &merger.registries.configs {
        if let Some(registry) = merger.default_only(key, config.as_ref()) {
            merging.insert(directory_key(key), registry);
        }
    }
    for (key, mirror) in &merger.registries.mirrors {
        // `*` is looked up by this name, under which configs never stand: its TLS settings are lost here.
        let known = merging.remove(key);
        if let Some(registry) = merger.with_mirror(key, mirror.as_ref(), known) {
            merging.insert(directory_key(key), registry);
        }
    }
    let hosts = merging
        .into_iter()
        .filter(|(_, registry)| registry.says_anything());
    let hosts = hosts
        .map(|(key, registry)| (key, registry.finish()))
        .collect();
    merger.log.sort();
    (hosts, merger.log)
}

impl Merging {
    fn says_anything(&self) -> bool {
        !self.hosts.is_empty()
            || self
                .default
                .as_ref()
                .is_some_and(|default| default.is_configured)
    }

    fn finish(self) -> HostsFile {
        let (server, tls) = match self.default {
            Some(default) => (default.url, default.tls),
            None => (None, TlsLines::default()),
        };
        HostsFile {
            server,
            tls,
            hosts: self.hosts,
        }
    }
}

struct Merger<'a> {
    registries: &'a Registries,
    embedded: Option<&'a str>,
    keep_default: bool,
    log: Vec<String>,
}

impl Merger<'_> {
    /// The file of a registry that is not mirrored.
    fn default_only(&mut self, key: &str, config: Option<&HostConfig>) -> Option<Merging> {
        match normalize(key, self.embedded) {
            Ok(endpoint) => Some(Merging {
                default: Some(DefaultEndpoint {
                    url: (key != "*").then_some(endpoint.url),
                    is_configured: config.is_some_and(|c| c.auth.is_some() || c.tls.is_some()),
                    tls: tls_of(config).into(),
                }),
                hosts: Vec::new(),
            }),
            Err(error) => {
                let reason = error.go_text();
                self.log.push(format!(
                    "error: Failed to generate config for registry {key}: invalid endpoint URL {key} for {key}: {reason}"
                ));
                None
            }
        }
    }

    fn with_mirror(
        &mut self,
        key: &str,
        mirror: Option<&Mirror>,
        known: Option<Merging>,
    ) -> Option<Merging> {
        let mut registry = match known {
            Some(known) => known,
            None => self.new_for_mirror(key)?,
        };
        let Some(mirror) = mirror else {
            return Some(registry);
        };
        let mut seen = BTreeSet::new();
        for (index, address) in mirror.endpoint.iter().enumerate() {
            let endpoint = match normalize(address, self.embedded) {
                Ok(endpoint) => endpoint,
                Err(error) => {
                    let reason = error.go_text();
                    self.log.push(format!(
                        "warning: Ignoring invalid endpoint URL {index}={address} for {key}: {reason}"
                    ));
                    continue;
                }
            };
            if !seen.insert(endpoint.url.clone()) {
                self.log.push(format!(
                    "warning: Skipping duplicate endpoint URL {index}={address} for {key}"
                ));
                continue;
            }
            let is_last = index + 1 == mirror.endpoint.len();
            self.add_endpoint(&mut registry, mirror, endpoint, is_last);
        }
        Some(registry)
    }

    fn new_for_mirror(&mut self, key: &str) -> Option<Merging> {
        let registries = self.registries;
        let mut registry = self.default_only(key, config_for(registries, key))?;
        if !self.keep_default {
            registry.default = None;
        } else if key == "*" {
            registry.default = Some(DefaultEndpoint {
                url: Some(String::new()),
                is_configured: false,
                tls: TlsLines::default(),
            });
        }
        Some(registry)
    }

    fn add_endpoint(
        &self,
        registry: &mut Merging,
        mirror: &Mirror,
        endpoint: Endpoint,
        is_last: bool,
    ) {
        let is_embedded = self.embedded == Some(endpoint.host.as_str());
        let rewrites = if is_embedded {
            BTreeMap::new()
        } else {
            mirror.rewrite.clone()
        };
        let config = config_for(self.registries, &endpoint.registry);
        let tls = TlsLines::from(tls_of(config));
        let default_url = registry
            .default
            .as_ref()
            .and_then(|default| default.url.as_deref());
        // Where the last endpoint is the default one, it takes that place and its rewrites are not written.
        if is_last && default_url.unwrap_or_default() == endpoint.url {
            let has_config = config.is_some_and(|c| c.auth.is_some() || c.tls.is_some());
            registry.default = Some(DefaultEndpoint {
                is_configured: endpoint.override_path || has_config || !rewrites.is_empty(),
                url: Some(endpoint.url),
                tls,
            });
            return;
        }
        registry.hosts.push(HostEntry {
            url: endpoint.url,
            override_path: endpoint.override_path,
            tls,
            rewrite: rewrites,
        });
    }
}

fn directory_key(key: &str) -> String {
    if key == "*" { WILDCARD_DIRECTORY } else { key }.to_owned()
}

/// Docker Hub's settings may stand under the name of its endpoint too, and are looked for there first.
fn config_for<'a>(registries: &'a Registries, key: &str) -> Option<&'a HostConfig> {
    let by = |key: &str| registries.configs.get(key);
    let found = match key {
        DOCKER_HUB => by(DOCKER_HUB_HOST).or_else(|| by(DOCKER_HUB)),
        _ => by(key),
    };
    found.and_then(Option::as_ref)
}

fn tls_of(config: Option<&HostConfig>) -> Option<&Tls> {
    config.and_then(|config| config.tls.as_ref())
}

/// With the embedded registry k3s puts it before all endpoints of all registries but loopback ones.
fn with_embedded_registry<'a>(
    registries: &'a Registries,
    options: &NodeOptions,
) -> Cow<'a, Registries> {
    let Some(address) = &options.embedded_registry else {
        return Cow::Borrowed(registries);
    };
    let mut registries = registries.clone();
    for (key, mirror) in &mut registries.mirrors {
        if !is_localhost(key) {
            let endpoints = &mut mirror.get_or_insert_default().endpoint;
            endpoints.insert(0, format!("https://{address}/v2"));
        }
    }
    let certificates = options.embedded_certificates();
    let tls = Tls {
        ca_file: certificates.ca_file,
        cert_file: certificates.cert_file,
        key_file: certificates.key_file,
        insecure_skip_verify: false,
    };
    let config = HostConfig {
        auth: None,
        tls: Some(tls),
    };
    registries.configs.insert(address.clone(), Some(config));
    Cow::Owned(registries)
}
