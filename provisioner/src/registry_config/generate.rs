//! The registries.yaml of a cluster's nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use registries::{Finding, LintOptions, Mirror, Registries, lint, parse};

use super::error::{Error, Result};
use crate::cluster::RegistrySpec;
use crate::names;
use crate::observed::Container;
use crate::yaml_text::{Content, Fault, Node, emit, read, rewrite};

/// A registry that nodes reach by the name of its container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRegistry {
    /// The container's name.
    pub name: String,
    /// Where it listens.
    pub port: u16,
    /// Where it is published on the host, if it is.
    pub host_port: Option<u16>,
    /// The registry for which it is a pull-through cache, by the name that images carry (`docker.io`).
    pub caches: Option<String>,
}

impl NodeRegistry {
    /// A registry that is made together with a cluster; its host port is chosen by then, or chosen by the Engine.
    pub fn of_spec(spec: &RegistrySpec) -> Self {
        let port = match spec.port {
            Some(port) if spec.same_port => port,
            _ => names::DEFAULT_REGISTRY_PORT,
        };
        let remote = spec.proxy.as_ref().map(|proxy| &proxy.remote_url);
        Self {
            name: spec.name.clone(),
            port,
            host_port: spec.port,
            caches: remote.and_then(|url| mirror_of_remote(url)),
        }
    }

    /// A registry that is there; `None` unless exactly one of its ports is published.
    pub fn of_container(registry: &Container) -> Option<Self> {
        let ports = registry.ports();
        let mut ports = ports.iter();
        let (Some((port, bindings)), None) = (ports.next(), ports.next()) else {
            return None;
        };
        let asked = bindings
            .first()
            .and_then(|binding| binding.port.parse().ok());
        let labelled = registry.label(names::LABEL_REGISTRY_PORT_EXTERNAL);
        Some(Self {
            name: registry.name.clone(),
            port: port.port,
            host_port: asked
                .or_else(|| registry.given_port(*port))
                .or_else(|| labelled?.parse().ok()),
            // Only its own environment says so, which users may have changed since.
            caches: None,
        })
    }

    fn endpoint(&self) -> String {
        format!("http://{}:{}", self.name, self.port)
    }

    fn keys(&self) -> impl Iterator<Item = String> {
        let ports = [Some(self.port), self.host_port];
        let own = ports.into_iter().flatten();
        own.map(|port| format!("{}:{port}", self.name))
            .chain(self.caches.clone())
    }
}

/// The name by which images name a registry, from the URL under which it answers.
pub fn mirror_of_remote(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.to_ascii_lowercase();
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "http" => ":80",
        _ => ":443",
    };
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    match host {
        "" => None,
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => Some("docker.io".to_owned()),
        host => Some(host.to_owned()),
    }
}

/// A registries.yaml and what is to be said about the user's part of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Generated {
    /// May hold credentials.
    pub text: String,
    /// Findings in the user's document, with its lines.
    pub findings: Vec<Finding>,
}

impl fmt::Debug for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generated")
            .field("bytes", &self.text.len())
            .field("findings", &self.findings)
            .finish()
    }
}

/// The document for all nodes, or `None` when there is nothing to say. `origin` tells errors where the user's document
/// came from.
///
/// An entry of the user replaces ours for the same key. Without registries the user's document stays as it is.
pub fn generate(
    registries: &[NodeRegistry],
    user: Option<&str>,
    options: &LintOptions,
    origin: &str,
) -> Result<Option<Generated>> {
    let ours = mirrors(registries);
    let Some(user) = user else {
        let text = || emit(&merged(None, &ours, &BTreeSet::new()));
        return Ok((!ours.is_empty()).then(|| Generated {
            text: text(),
            findings: Vec::new(),
        }));
    };
    let unreadable = |problem| Error::Document {
        origin: origin.to_owned(),
        problem,
    };
    parse(user.as_bytes()).map_err(unreadable)?;
    let findings = lint(user.as_bytes(), options);
    let before = read(user).map_err(|fault| Error::fault(origin, fault))?;
    let mut root = before.clone();
    root.as_mut().map(spell_tokens);
    let spelled = match (&before, &root) {
        (Some(before), Some(root)) if before != root => rewrite(user, Some(before), root),
        _ => user.to_owned(),
    };
    if ours.is_empty() {
        return Ok(Some(Generated {
            text: spelled,
            findings,
        }));
    }
    let mut wanted = parse(spelled.as_bytes()).map_err(unreadable)?;
    let of_user: BTreeSet<String> = wanted.mirrors.keys().cloned().collect();
    let text = emit(&merged(root, &ours, &of_user));
    add(&mut wanted, &ours);
    // A document may be written in ways that a tree cannot show; then it is not written at all.
    if parse(text.as_bytes()).ok().as_ref() != Some(&wanted) {
        return Err(Error::Unmergeable {
            origin: origin.to_owned(),
        });
    }
    Ok(Some(Generated { text, findings }))
}

impl Error {
    fn fault(origin: &str, fault: Fault) -> Self {
        Self::Yaml {
            origin: origin.to_owned(),
            line: fault.line,
            column: fault.column,
            problem: fault.problem,
        }
    }
}

/// From mirror to endpoint.
fn mirrors(registries: &[NodeRegistry]) -> BTreeMap<String, String> {
    let mut mirrors = BTreeMap::new();
    for registry in registries {
        for key in registry.keys() {
            mirrors.entry(key).or_insert_with(|| registry.endpoint());
        }
    }
    mirrors
}

fn add(document: &mut Registries, ours: &BTreeMap<String, String>) {
    for (key, endpoint) in ours {
        let mirror = Mirror {
            endpoint: vec![endpoint.clone()],
            ..Mirror::default()
        };
        let entry = document.mirrors.entry(key.clone());
        entry.or_insert(Some(mirror));
    }
}

/// The user's document with our mirrors; `of_user` are the mirrors that the user has.
fn merged(root: Option<Node>, ours: &BTreeMap<String, String>, of_user: &BTreeSet<String>) -> Node {
    let empty = || Node::of(Content::Mapping(Vec::new()));
    let mut user = root.filter(|root| !root.is_null()).unwrap_or_else(empty);
    let mut document = empty();
    for section in ["mirrors", "configs", "auths"] {
        let mut value = user
            .get(section)
            .filter(|value| value.entries().is_some())
            .cloned()
            .unwrap_or_else(empty);
        if section == "mirrors" {
            add_mirrors(&mut value, ours, of_user);
        }
        document.set(section, value);
        // The first is taken; another, if there is one, stays behind ours.
        remove_first(&mut user, section);
    }
    if let (Some(entries), Some(rest)) = (document.entries_mut(), user.entries_mut()) {
        entries.append(rest);
    }
    document
}

fn add_mirrors(section: &mut Node, ours: &BTreeMap<String, String>, of_user: &BTreeSet<String>) {
    let no_rewrites = || Node::of(Content::Mapping(Vec::new()));
    let Some(entries) = section.entries_mut() else {
        return;
    };
    for (key, mirror) in entries.iter_mut() {
        let is_own = key.as_text() != Some("<<") && mirror.get("<<").is_none();
        if is_own && mirror.entries().is_some() && mirror.get("rewrite").is_none() {
            mirror.set("rewrite", no_rewrites());
        }
    }
    for (key, endpoint) in ours {
        if !of_user.contains(key) {
            let mirror = Node::map([
                ("endpoint", Node::list(vec![Node::text(endpoint)])),
                ("rewrite", no_rewrites()),
            ]);
            entries.push((Node::text(key), mirror));
        }
    }
    let name = |entry: &(Node, Node)| entry.0.as_text().map(str::to_owned);
    let names: BTreeSet<_> = entries.iter().map(name).collect();
    // The order of a merge key, or of two values for one key, means something.
    if names.len() == entries.len() && !names.contains(&Some("<<".to_owned())) {
        entries.sort_by_key(name);
    }
}

fn remove_first(node: &mut Node, key: &str) {
    if let Some(entries) = node.entries_mut() {
        let found = entries
            .iter()
            .position(|(name, _)| name.as_text() == Some(key));
        if let Some(found) = found {
            entries.remove(found);
        }
    }
}

/// k3d reads `identitytoken` where k3s reads `identity_token`.
fn spell_tokens(root: &mut Node) {
    let configs = root.get_mut("configs").and_then(Node::entries_mut);
    for (_, config) in configs.into_iter().flatten() {
        let Some(auth) = config.get_mut("auth") else {
            continue;
        };
        if auth.get("identity_token").is_some() {
            continue;
        }
        for (key, _) in auth.entries_mut().into_iter().flatten() {
            if key.as_text() == Some("identitytoken") {
                *key = Node::text("identity_token");
            }
        }
    }
}
