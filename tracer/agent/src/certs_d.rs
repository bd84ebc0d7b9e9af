//! What the node's own certs.d makes the runtime ask. Hosts and rewrites leave this module; certificates, headers and
//! credentials do not even enter it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use registries::explain::{Containerd, Node};
use registries::{NodeOptions, Registries};
use tracer_model::{Endpoint, NameConfidence, ReportedPull};

const MOST_DIRECTORIES: usize = 1024;
const LONGEST_FILE: u64 = 1 << 20;

/// The folder of a runtime.
#[derive(Clone, Debug)]
pub struct CertsD {
    directory: PathBuf,
    containerd: Containerd,
}

impl CertsD {
    /// The first folder that is there.
    pub fn find(
        directories: impl Iterator<Item = PathBuf>,
        containerd: Containerd,
    ) -> Option<Self> {
        let directory = directories
            .into_iter()
            .find(|directory| directory.is_dir())?;
        Some(Self {
            directory,
            containerd,
        })
    }

    /// The endpoints that a pull is expected to ask, in order; none while its registry is not sure.
    pub fn endpoints(&self, pull: &ReportedPull) -> Vec<Endpoint> {
        if pull.registry.is_empty() {
            return Vec::new();
        }
        let tree = read(&self.directory);
        // Labels lack the port: with an entry for a port nobody knows which entry counts.
        let has_port = |name: &String| {
            let host = name.split('/').next().unwrap_or_default();
            host.strip_prefix(&pull.registry)
                .is_some_and(|rest| rest.starts_with([':', '_']))
        };
        if pull.name_confidence != NameConfidence::Exact && tree.keys().any(has_port) {
            return Vec::new();
        }
        expected(tree, self.containerd, &pull.registry, &pull.repository)
    }
}

/// What is asked for a repository, according to these files.
pub fn expected(
    tree: BTreeMap<String, String>,
    containerd: Containerd,
    registry: &str,
    repository: &str,
) -> Vec<Endpoint> {
    let registries = Registries::default();
    let node =
        Node::with_tree(&registries, &NodeOptions::default(), tree).with_containerd(containerd);
    let attempts = node
        .explain(&format!("{registry}/{repository}"))
        .ok()
        .and_then(|explanation| explanation.attempts.ok())
        .unwrap_or_default();
    attempts
        .iter()
        .map(|attempt| {
            let shown = attempt.redacted();
            let rewritten = shown
                .repositories
                .into_iter()
                .next()
                .filter(|name| name != repository);
            Endpoint {
                url: format!("{}://{}{}", shown.scheme, shown.host, shown.path),
                repository: rewritten.unwrap_or_default(),
            }
        })
        .collect()
}

/// `hosts.toml` of every folder; of everything else only that it is there.
fn read(directory: &Path) -> BTreeMap<String, String> {
    let mut tree = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(directory) else {
        return tree;
    };
    for entry in entries.flatten().take(MOST_DIRECTORIES) {
        let host = entry.file_name().to_string_lossy().into_owned();
        let file = entry.path().join("hosts.toml");
        let is_short = std::fs::metadata(&file)
            .is_ok_and(|found| found.is_file() && found.len() <= LONGEST_FILE);
        if let Some(text) = is_short
            .then(|| std::fs::read_to_string(&file).ok())
            .flatten()
        {
            tree.insert(format!("{host}/hosts.toml"), text);
        }
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIRRORED: &str = r#"
server = "https://registry-1.docker.io"
[host."https://mirror.internal:5000/v2"]
  capabilities = ["pull", "resolve"]
  [host."https://mirror.internal:5000/v2".header]
    authorization = "Basic aHVudGVyMg=="
  [host."https://mirror.internal:5000/v2".rewrite]
    "^library/(.*)$" = "proxy/$1"
"#;

    #[test]
    fn mirrors_come_in_order_with_rewrites_and_without_credentials() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("docker.io")).unwrap();
        std::fs::write(folder.path().join("docker.io/hosts.toml"), MIRRORED).unwrap();
        let certs_d =
            CertsD::find(std::iter::once(folder.path().to_owned()), Containerd::K3s).unwrap();
        let pull = ReportedPull {
            registry: "docker.io".to_owned(),
            repository: "library/nginx".to_owned(),
            ..ReportedPull::default()
        };
        let endpoints = certs_d.endpoints(&pull);
        assert_eq!(endpoints[0].url, "https://mirror.internal:5000/v2");
        assert_eq!(endpoints[0].repository, "proxy/nginx");
        assert!(endpoints[1].url.starts_with("https://registry-1.docker.io"));
        assert!(!format!("{endpoints:?}").contains("aHVudGVyMg"));
    }

    #[test]
    fn an_entry_with_a_port_leaves_a_label_without_port_open() {
        let folder = tempfile::tempdir().unwrap();
        let host = folder.path().join("127.0.0.1:5000");
        std::fs::create_dir(&host).unwrap();
        std::fs::write(
            host.join("hosts.toml"),
            "server = \"http://127.0.0.1:5000\"\n",
        )
        .unwrap();
        let certs_d =
            CertsD::find(std::iter::once(folder.path().to_owned()), Containerd::Stock).unwrap();
        let mut pull = ReportedPull {
            registry: "127.0.0.1".to_owned(),
            repository: "app".to_owned(),
            name_confidence: NameConfidence::Repository,
            ..ReportedPull::default()
        };
        assert_eq!(certs_d.endpoints(&pull), []);
        pull.registry = "127.0.0.1:5000".to_owned();
        pull.name_confidence = NameConfidence::Exact;
        assert!(
            certs_d.endpoints(&pull)[0]
                .url
                .starts_with("http://127.0.0.1:5000")
        );
    }
}
