//! Another registries.yaml for a node that runs.
//!
//! containerd reads certs.d at every pull and credentials at its start. So most changes are written as k3s would write
//! them and work at once; the others need k3s to start again, which then writes certs.d itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use registries::changes::RestartReason;
use registries::render::{after_start, certs_d};
use registries::{Effect, NodeOptions, Registries, changes, diff, diff_unreadable, parse};

use super::error::{Error, Result};
use crate::cluster::NodeFile;
use crate::names;

/// Where containerd reads hosts, in nodes.
pub const CERTS_D_PATH: &str = "/var/lib/rancher/k3s/agent/etc/containerd/certs.d";
/// Where k3s writes containerd's configuration, in nodes.
pub const CONTAINERD_CONFIG_PATH: &str = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml";

/// Both hold credentials.
const MODE: u32 = 0o600;

/// What stands on a node.
#[derive(Clone, Copy)]
pub struct NodeState<'a> {
    pub registries_yaml: Option<&'a str>,
    /// Texts by path below certs.d.
    pub certs_d: &'a BTreeMap<String, String>,
    /// containerd's configuration; without it the node is taken for one that reads certs.d.
    pub containerd_config: Option<&'a str>,
}

impl fmt::Debug for NodeState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeState ({} files in certs.d)", self.certs_d.len())
    }
}

/// What a change takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing that a pull would notice.
    Nothing,
    /// Writing is enough: the next pull knows.
    Hot,
    /// k3s has to start again after the writing, for these reasons.
    Restart(Vec<String>),
}

/// What is to be done on a node, in this order: write, each file by renaming; remove, with all that is below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub way: Way,
    pub write: Vec<NodeFile>,
    /// Absolute paths.
    pub remove: Vec<String>,
    /// How the documents differ, secrets masked, for people.
    pub diff: Option<String>,
}

/// Decides what it takes to give a running node this registries.yaml.
pub fn change(state: NodeState<'_>, wanted: &str, options: &NodeOptions) -> Result<Change> {
    let new = parse(wanted.as_bytes()).map_err(|problem| Error::Document {
        origin: "the new registries.yaml".to_owned(),
        problem,
    })?;
    let old = state.registries_yaml.unwrap_or_default();
    let mut change = Change {
        way: Way::Nothing,
        write: Vec::new(),
        remove: Vec::new(),
        diff: difference(old, wanted),
    };
    if state.registries_yaml != Some(wanted) {
        change.write.push(file(names::REGISTRIES_PATH, wanted));
    }
    let reasons = restart_reasons(state, old, &new, options);
    if !reasons.is_empty() {
        change.way = Way::Restart(reasons);
        return Ok(change);
    }
    let rendering = certs_d(&new, options);
    if rendering.files.keys().any(|path| path.starts_with("../")) {
        return Err(Error::OutsideCertsD);
    }
    let after = after_start(&rendering, state.certs_d, options.distribution);
    for (path, text) in &after {
        if state.certs_d.get(path) != Some(text) {
            change
                .write
                .push(file(&format!("{CERTS_D_PATH}/{path}"), text));
        }
    }
    change.remove = removed(state.certs_d, &after);
    let only_document = change
        .write
        .iter()
        .all(|file| file.path == names::REGISTRIES_PATH);
    if !only_document || !change.remove.is_empty() {
        change.way = Way::Hot;
    }
    Ok(change)
}

/// What k3s made of this document at its start, as texts by path below certs.d. Nothing of one that it cannot read.
pub fn rendered(registries_yaml: &str, options: &NodeOptions) -> BTreeMap<String, String> {
    let Ok(document) = parse(registries_yaml.as_bytes()) else {
        return BTreeMap::new();
    };
    let nothing = BTreeMap::new();
    after_start(&certs_d(&document, options), &nothing, options.distribution)
}

/// What of k3s's command lines decides how a node reads its registries.yaml.
pub fn node_options(node: &[String], server: &[String]) -> NodeOptions {
    let embedded = is_on(server, "--embedded-registry");
    NodeOptions {
        disable_default_registry_endpoint: is_on(node, "--disable-default-registry-endpoint"),
        embedded_registry: embedded.then(|| format!("127.0.0.1:{}", names::API_PORT)),
        ..NodeOptions::default()
    }
}

fn restart_reasons(
    state: NodeState<'_>,
    old: &str,
    new: &Registries,
    options: &NodeOptions,
) -> Vec<String> {
    let reads_certs_d = state
        .containerd_config
        .is_none_or(|config| config.contains("certs.d"));
    let Ok(old) = parse(old.as_bytes()) else {
        return vec!["k3s cannot have started with the registries.yaml that is there".to_owned()];
    };
    let changes = changes(&old, new, options);
    let reasons: Vec<RestartReason> = match changes.effect() {
        Effect::Restart(reasons) => reasons,
        Effect::None | Effect::Hot => Vec::new(),
    };
    let mut reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    if !reads_certs_d && changes.document {
        reasons.push("this release of k3s does not let containerd read certs.d".to_owned());
    }
    reasons
}

/// What is gone, each with the highest folder that has nothing left in it: containerd takes an empty folder for a
/// registry without mirrors.
fn removed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let mut removed = BTreeSet::new();
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        let ends = path.match_indices('/').map(|(end, _)| end);
        let is_left = |folder: &str| after.keys().any(|kept| kept.starts_with(folder));
        let empty = ends
            .map(|end| &path[..=end])
            .find(|folder| !is_left(folder));
        let gone = empty.map_or(path.as_str(), |folder| folder.trim_end_matches('/'));
        removed.insert(format!("{CERTS_D_PATH}/{gone}"));
    }
    removed.into_iter().collect()
}

fn difference(old: &str, new: &str) -> Option<String> {
    let (old_label, new_label) = ("registries.yaml on the node", "registries.yaml");
    match diff(old.as_bytes(), new.as_bytes(), old_label, new_label) {
        Ok(difference) => difference,
        Err(_) => diff_unreadable(new.as_bytes(), old_label, new_label).ok(),
    }
}

fn file(path: &str, text: &str) -> NodeFile {
    NodeFile {
        path: path.to_owned(),
        mode: MODE,
        content: text.as_bytes().to_vec(),
    }
}

/// Whether a switch of k3s is on; the last word counts.
fn is_on(command: &[String], flag: &str) -> bool {
    let values = command
        .iter()
        .rev()
        .filter_map(|word| word.strip_prefix(flag));
    let mut values = values.filter_map(|rest| match rest {
        "" => Some(true),
        rest => rest.strip_prefix('=').map(is_true),
    });
    values.next().unwrap_or(false)
}

/// As Go reads a bool.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}
