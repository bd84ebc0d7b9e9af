//! Finds the directory of a registry in certs.d and the hosts that follow from it.

use std::collections::BTreeMap;

use super::hosts_toml::{self, Host};
use super::{CertificateFiles, Containerd, HostsFileError, PullError};
use crate::host_directory::looked_up_on_linux;

/// What certs.d says about a registry.
pub(super) struct Found {
    pub(super) directory: Option<String>,
    pub(super) unreadable: Option<HostsFileError>,
    pub(super) hosts: Result<Vec<Host>, PullError>,
}

/// The first directory that exists decides, whatever is in it.
pub(super) fn find(
    tree: &BTreeMap<String, String>,
    registry: &str,
    containerd: Containerd,
) -> Found {
    let mut found = Found {
        directory: None,
        unreadable: None,
        hosts: Ok(Vec::new()),
    };
    let names = looked_up_on_linux(registry);
    let directory = names
        .into_iter()
        .find(|name| tree.contains_key(name) || has_files(tree, name));
    if let Some(directory) = &directory {
        match tree.get(&format!("{directory}/hosts.toml")) {
            _ if tree.contains_key(directory) => found.hosts = Err(PullError::NoDirectory),
            Some(text) if !text.is_empty() => match hosts_toml::read(text, directory, containerd) {
                Ok(hosts) => found.hosts = Ok(hosts),
                Err(error) => {
                    found.unreadable = Some(error);
                    found.hosts = Ok(vec![docker_style(tree, directory)]);
                }
            },
            _ => found.hosts = Ok(vec![docker_style(tree, directory)]),
        }
    }
    found.directory = directory;
    found.hosts = found.hosts.map(|hosts| with_registry(hosts, registry));
    found
}

/// Fails as containerd does if a file that a host needs cannot be used, whichever host it is.
pub(super) fn usable(
    hosts: Vec<Host>,
    certificates: CertificateFiles<'_>,
) -> Result<Vec<Host>, PullError> {
    for host in &hosts {
        let mut authorities = host.authorities.iter().flatten();
        if !authorities.all(|file| (certificates.authority)(file)) {
            return Err(PullError::Authority);
        }
        let is_usable = |(certificate, key): &(String, String)| {
            let key = if key.is_empty() { certificate } else { key };
            // A path with nothing behind certs.d/<directory> is that directory.
            let is_file = |path: &str| path.starts_with('/') || path.contains('/');
            is_file(certificate) && is_file(key) && (certificates.pair)(certificate, key)
        };
        if !host.pairs.iter().all(is_usable) {
            return Err(PullError::KeyPair);
        }
    }
    Ok(hosts)
}

/// Without any host the registry itself is asked; and it takes the last place if that is left open.
fn with_registry(mut hosts: Vec<Host>, registry: &str) -> Vec<Host> {
    let last = hosts.pop().unwrap_or_else(Host::registry_itself);
    hosts.push(last.or_registry(registry));
    hosts
}

fn has_files(tree: &BTreeMap<String, String>, directory: &str) -> bool {
    let prefix = format!("{directory}/");
    let mut from = tree.range(prefix.clone()..);
    from.next()
        .is_some_and(|(path, _)| path.starts_with(&prefix))
}

/// The certificates that lie in a directory in Docker's way: `*.crt` are authorities, `*.cert` and `*.key` pairs.
fn docker_style(tree: &BTreeMap<String, String>, directory: &str) -> Host {
    let prefix = format!("{directory}/");
    let mut host = Host::registry_itself();
    for path in tree.keys().filter(|path| path.starts_with(&prefix)) {
        let name = &path[prefix.len()..];
        if name.contains('/') {
            continue;
        }
        if name.strip_suffix(".crt").is_some() {
            host.authorities.get_or_insert_default().push(path.clone());
        } else if let Some(stem) = path.strip_suffix(".cert") {
            let key = format!("{stem}.key");
            let key = if tree.contains_key(&key) {
                key
            } else {
                String::new()
            };
            host.pairs.push((path.clone(), key));
        }
    }
    host
}
