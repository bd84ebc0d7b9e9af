//! The certs.d tree: where files stand, and what a start of k3s leaves of what it finds.

use std::collections::BTreeMap;

use super::{Rendering, hosts_text};
use crate::go::path;
use crate::node::Distribution;

/// Path of a registry's hosts.toml under certs.d. A key with slashes makes directories in directories.
pub(super) fn hosts_path(key: &str) -> String {
    path::join(&[key, "hosts.toml"])
}

/// The tree after a start of k3s, given the one before it; paths are relative to certs.d.
///
/// k3s deletes the directories that it is about to write, with all that is in them, and every direct subdirectory
/// whose hosts.toml begins with its own header; everything else stays.
pub fn after_start(
    rendering: &Rendering,
    existing: &BTreeMap<String, String>,
    distribution: Distribution,
) -> BTreeMap<String, String> {
    let header = hosts_text::header(distribution);
    let is_own = |path: &str| {
        let directory = path.split('/').next().unwrap_or_default();
        let hosts_file = existing.get(&format!("{directory}/hosts.toml"));
        path.contains('/') && hosts_file.is_some_and(|text| text.starts_with(&header))
    };
    let is_rewritten = |path: &str| {
        let keys = rendering.hosts.keys().map(|key| path::clean(key));
        keys.into_iter().any(|key| {
            let inside = path.strip_prefix(key.as_str());
            key == "." || inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let kept = existing
        .iter()
        .filter(|(path, _)| !is_own(path) && !is_rewritten(path));
    let mut tree: BTreeMap<String, String> = kept
        .map(|(path, text)| (path.clone(), text.clone()))
        .collect();
    tree.extend(rendering.files.clone());
    tree
}
