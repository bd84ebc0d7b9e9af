//! Reads a hosts.toml as containerd does.

use std::collections::BTreeMap;

use super::{Containerd, HostsFileError};
use crate::endpoint::{DOCKER_HUB, DOCKER_HUB_HOST};
use crate::go::net::{is_localhost, split_host_port};
use crate::go::path;
use crate::go::url::GoUrl;
use crate::render::SERVER_CAPABILITIES;
use crate::toml::{self, Value};

/// A host before it is turned into requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Host {
    pub(super) scheme: String,
    /// Empty: the registry itself.
    pub(super) address: String,
    pub(super) path: String,
    pub(super) capabilities: Vec<&'static str>,
    pub(super) authorities: Option<Vec<String>>,
    /// Certificate and key; the key is empty where one file holds both.
    pub(super) pairs: Vec<(String, String)>,
    pub(super) skip_verify: Option<bool>,
    pub(super) rewrite: BTreeMap<String, String>,
}

impl Host {
    /// A host that is to be filled in, with nothing said about it.
    pub(super) fn registry_itself() -> Self {
        Self::default()
    }

    /// Fills in the registry where no host is named.
    pub(super) fn or_registry(mut self, registry: &str) -> Self {
        if !self.address.is_empty() {
            return self;
        }
        "https".clone_into(&mut self.scheme);
        registry.clone_into(&mut self.address);
        if registry == DOCKER_HUB {
            DOCKER_HUB_HOST.clone_into(&mut self.address);
        } else if is_localhost(registry) {
            let port = port_of(registry);
            if !matches!(port, "" | "443") {
                "http".clone_into(&mut self.scheme);
            }
            if port != "80" {
                self.skip_verify = Some(true);
            }
        }
        "/v2".clone_into(&mut self.path);
        self.capabilities = SERVER_CAPABILITIES.to_vec();
        self
    }

    /// With any TLS setting containerd tries an `http` host with TLS first, except on port 80.
    pub(super) fn tries_https_first(&self) -> bool {
        let has_tls =
            self.authorities.is_some() || !self.pairs.is_empty() || self.skip_verify.is_some();
        self.scheme == "http" && has_tls && port_of(&self.address) != "80"
    }
}

fn port_of(host: &str) -> &str {
    split_host_port(host).map_or("", |(_, port)| port)
}

type Table = BTreeMap<String, Value>;
type Outcome<T> = Result<T, HostsFileError>;

/// The hosts of a file in `directory`, in the order in which they are tried.
pub(super) fn read(text: &str, directory: &str, containerd: Containerd) -> Outcome<Vec<Host>> {
    let document = toml::parse(text)?;
    let hosts = match document.root.get("host") {
        None => Table::new(),
        Some(Value::Table(hosts)) => hosts.clone(),
        Some(_) => return Err(HostsFileError::Type),
    };
    check_types(&document.root)?;
    for host in hosts.values() {
        match host {
            Value::Table(settings) => check_types(settings)?,
            _ => return Err(HostsFileError::Type),
        }
    }
    let mut read = Vec::new();
    for url in in_order(&document.headers) {
        let Some(Value::Table(settings)) = hosts.get(url) else {
            return Err(HostsFileError::Type);
        };
        read.push(read_host(url, directory, settings)?);
    }
    let server = string(&document.root, "server")?;
    if server.is_some() || containerd == Containerd::Stock {
        read.push(read_host(
            server.unwrap_or_default(),
            directory,
            &document.root,
        )?);
    }
    Ok(read)
}

/// Settings of a fixed type are looked at even where they apply to nothing.
fn check_types(settings: &Table) -> Outcome<()> {
    let is_known = settings
        .iter()
        .all(|(key, value)| match (key.as_str(), value) {
            ("capabilities", Value::Array(names)) => {
                names.iter().all(|name| matches!(name, Value::String(_)))
            }
            ("rewrite", Value::Table(rules)) => {
                rules.values().all(|rule| matches!(rule, Value::String(_)))
            }
            ("skip_verify" | "override_path", Value::Boolean(_))
            | ("dial_timeout" | "server", Value::String(_))
            | ("header", Value::Table(_)) => true,
            (key, _) => ![
                "capabilities",
                "dial_timeout",
                "header",
                "override_path",
                "rewrite",
                "server",
                "skip_verify",
            ]
            .contains(&key),
        });
    if is_known {
        Ok(())
    } else {
        Err(HostsFileError::Type)
    }
}

/// `[host."<url>"]` tables as they follow each other; a host whose tables are parted by another's comes twice.
fn in_order(headers: &[Vec<String>]) -> Vec<&str> {
    let mut urls: Vec<&str> = Vec::new();
    for header in headers {
        if let [first, url, ..] = header.as_slice()
            && first == "host"
            && urls.last() != Some(&url.as_str())
        {
            urls.push(url);
        }
    }
    urls
}

fn read_host(url: &str, directory: &str, settings: &Table) -> Outcome<Host> {
    let override_path = boolean(settings, "override_path")?.unwrap_or(false);
    let mut host = Host::default();
    if !url.is_empty() {
        let url = if url.starts_with("http") {
            url.to_owned()
        } else {
            format!("https://{url}")
        };
        let url = GoUrl::parse(&url).map_err(|_| HostsFileError::Url)?;
        host.path = api_root(&String::from_utf8_lossy(&url.path), override_path);
        host.address = url.host_text();
        host.scheme = url.scheme;
    }
    host.capabilities = capabilities(settings)?;
    host.skip_verify = boolean(settings, "skip_verify")?;
    host.authorities = authorities(settings, directory)?;
    host.pairs = pairs(settings, directory)?;
    host.rewrite = rewrite(settings)?;
    Ok(host)
}

fn api_root(path: &str, override_path: bool) -> String {
    match path {
        "" if override_path => String::new(),
        "" => "/v2".to_owned(),
        _ => {
            let path = path::clean(path);
            if override_path || path.ends_with("/v2") {
                path
            } else {
                path + "/v2"
            }
        }
    }
}

fn capabilities(settings: &Table) -> Outcome<Vec<&'static str>> {
    let named = match settings.get("capabilities") {
        None => return Ok(SERVER_CAPABILITIES.to_vec()),
        Some(Value::Array(named)) => named,
        Some(_) => return Err(HostsFileError::Type),
    };
    if named.is_empty() {
        return Ok(SERVER_CAPABILITIES.to_vec());
    }
    let mut wanted = Vec::new();
    for name in named {
        let Value::String(name) = name else {
            return Err(HostsFileError::Type);
        };
        let name = name.to_lowercase();
        let known = SERVER_CAPABILITIES.into_iter().find(|known| *known == name);
        wanted.push(known.ok_or(HostsFileError::Capability)?);
    }
    let in_order = SERVER_CAPABILITIES.into_iter();
    Ok(in_order.filter(|name| wanted.contains(name)).collect())
}

fn authorities(settings: &Table, directory: &str) -> Outcome<Option<Vec<String>>> {
    match settings.get("ca") {
        None => Ok(None),
        Some(Value::String(file)) => Ok(Some(vec![absolute(file, directory)])),
        Some(Value::Array(files)) => {
            let files = files.iter().map(|file| file_name(file, directory));
            files.collect::<Outcome<Vec<String>>>().map(Some)
        }
        Some(_) => Err(HostsFileError::Type),
    }
}

fn pairs(settings: &Table, directory: &str) -> Outcome<Vec<(String, String)>> {
    let entries = match settings.get("client") {
        None => return Ok(Vec::new()),
        Some(Value::String(file)) => return Ok(vec![(absolute(file, directory), String::new())]),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(HostsFileError::Type),
    };
    let read = entries.iter().map(|entry| match entry {
        Value::String(file) => Ok((absolute(file, directory), String::new())),
        Value::Array(pair) => match pair.as_slice() {
            [certificate, key] => Ok((
                file_name(certificate, directory)?,
                file_name(key, directory)?,
            )),
            _ => Err(HostsFileError::Type),
        },
        _ => Err(HostsFileError::Type),
    });
    read.collect()
}

fn rewrite(settings: &Table) -> Outcome<BTreeMap<String, String>> {
    let rules = match settings.get("rewrite") {
        None => return Ok(BTreeMap::new()),
        Some(Value::Table(rules)) => rules,
        Some(_) => return Err(HostsFileError::Type),
    };
    let rules = rules
        .iter()
        .map(|(pattern, replacement)| match replacement {
            Value::String(replacement) => Ok((pattern.clone(), replacement.clone())),
            _ => Err(HostsFileError::Type),
        });
    rules.collect()
}

fn file_name(value: &Value, directory: &str) -> Outcome<String> {
    match value {
        Value::String(file) => Ok(absolute(file, directory)),
        _ => Err(HostsFileError::Type),
    }
}

/// Relative paths are relative to the directory of the file; the empty one is the directory itself.
fn absolute(file: &str, directory: &str) -> String {
    if file.starts_with('/') {
        file.to_owned()
    } else {
        path::join(&[directory, file])
    }
}

fn string<'a>(settings: &'a Table, key: &str) -> Outcome<Option<&'a str>> {
    match settings.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(HostsFileError::Type),
    }
}

fn boolean(settings: &Table, key: &str) -> Outcome<Option<bool>> {
    match settings.get(key) {
        None => Ok(None),
        Some(Value::Boolean(flag)) => Ok(Some(*flag)),
        Some(_) => Err(HostsFileError::Type),
    }
}
