//! Volumes: `[SOURCE:]DESTINATION[:OPTIONS]`, and the short names of folders that k3s uses.

use std::path::{Component, Path, PathBuf};

use super::problem::Wrong;
use crate::names::REGISTRIES_PATH;

/// Short names that may stand for the first element of a path in a node.
const SHORTCUTS: [(&str, &str); 6] = [
    ("k3s-storage", "/var/lib/rancher/k3s/storage"),
    ("k3s-manifests", "/var/lib/rancher/k3s/server/manifests"),
    (
        "k3s-manifests-custom",
        "/var/lib/rancher/k3s/server/manifests/custom",
    ),
    (
        "k3s-containerd",
        "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    ),
    (
        "k3s-containerd-tmpl",
        "/var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl",
    ),
    ("k3s-registry-config", REGISTRIES_PATH),
];

/// A volume, its shortcut expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    pub source: Option<Source>,
    /// Absolute.
    pub destination: String,
    pub options: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path of the host.
    Path(String),
    /// A volume of the Engine.
    Named(String),
}

impl Volume {
    /// As the Engine takes it; relative paths are seen from `folder`, as the Engine knows only absolute ones.
    pub fn bind(&self, folder: &Path) -> String {
        let source = self.source.as_ref().map(|source| match source {
            Source::Named(name) => name.clone(),
            Source::Path(path) => absolute(path, folder),
        });
        let parts = [
            source.as_ref(),
            Some(&self.destination),
            self.options.as_ref(),
        ];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        parts.join(":")
    }

    /// The path of the host, absolute.
    pub fn host_path(&self, folder: &Path) -> Option<PathBuf> {
        match &self.source {
            Some(Source::Path(path)) => Some(PathBuf::from(absolute(path, folder))),
            _ => None,
        }
    }

    /// Whether it covers the file that k3s reads its registries from.
    pub fn covers_registries(&self) -> bool {
        Path::new(REGISTRIES_PATH).starts_with(&self.destination)
    }
}

pub fn parse(text: &str) -> Result<Volume, Wrong> {
    let mend = "write [SOURCE:]DESTINATION[:OPTIONS], such as /data:/var/lib/data:ro";
    let parts = parts(text);
    let (source, destination, options) = match parts[..] {
        [destination] => (None, destination, None),
        [source, destination] => (Some(source), destination, None),
        [source, destination, options] => (Some(source), destination, Some(options)),
        _ => {
            return Err(
                Wrong::new(format!("the volume {text:?} has more than three parts")).mend(mend),
            );
        }
    };
    if source.is_some_and(str::is_empty) || destination.is_empty() {
        return Err(Wrong::new(format!("the volume {text:?} has an empty part")).mend(mend));
    }
    let source = source.map(|source| {
        if source.contains(['/', '\\']) {
            Source::Path(source.to_owned())
        } else {
            Source::Named(source.to_owned())
        }
    });
    Ok(Volume {
        source,
        destination: path_in_node(destination)?,
        options: options.map(ToOwned::to_owned),
    })
}

/// The parts between colons; the drive letter of a Windows path is none.
fn parts(text: &str) -> Vec<&str> {
    let is_drive =
        matches!(text.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    match text.get(2..).filter(|rest| is_drive && rest.contains(':')) {
        Some(rest) => {
            let end = 2 + rest.find(':').unwrap_or(rest.len());
            std::iter::once(&text[..end])
                .chain(text[end + 1..].split(':'))
                .collect()
        }
        None => text.split(':').collect(),
    }
}

/// An absolute path in a node, from a path that may start with a shortcut.
pub fn path_in_node(text: &str) -> Result<String, Wrong> {
    let (first, rest) = match text.find('/') {
        Some(slash) => text.split_at(slash),
        None => (text, ""),
    };
    if let Some((_, path)) = SHORTCUTS.iter().find(|(name, _)| *name == first) {
        return Ok(format!("{path}{rest}"));
    }
    if first.is_empty() {
        return Ok(text.to_owned());
    }
    let names: Vec<&str> = SHORTCUTS.iter().map(|(name, _)| *name).collect();
    Err(
        Wrong::new(format!("{text:?} is no absolute path in a node")).mend(format!(
            "start it with / or with one of {}",
            names.join(", ")
        )),
    )
}

fn absolute(path: &str, folder: &Path) -> String {
    let is_windows = path.contains('\\') || path.as_bytes().get(1) == Some(&b':');
    if path.starts_with('/') || is_windows {
        return path.to_owned();
    }
    let mut absolute = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                absolute.pop();
            }
            other => absolute.push(other),
        }
    }
    absolute.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(text: &str) -> Result<String, Wrong> {
        parse(text).map(|volume| volume.bind(Path::new("/project/here")))
    }

    #[test]
    fn volumes_become_binds_with_shortcuts_expanded() {
        for (text, expected) in [
            ("/data:/x", "/data:/x"),
            ("/data:/x:ro,z", "/data:/x:ro,z"),
            ("named:/x", "named:/x"),
            ("/x", "/x"),
            ("/data:k3s-storage", "/data:/var/lib/rancher/k3s/storage"),
            (
                "/data:k3s-storage:rw",
                "/data:/var/lib/rancher/k3s/storage:rw",
            ),
            (
                "/a.yaml:k3s-manifests-custom/a.yaml",
                "/a.yaml:/var/lib/rancher/k3s/server/manifests/custom/a.yaml",
            ),
            (
                "./r.yaml:k3s-registry-config",
                "/project/here/r.yaml:/etc/rancher/k3s/registries.yaml",
            ),
            ("../data:/x", "/project/data:/x"),
            (r"C:\data:/x:ro", r"C:\data:/x:ro"),
            ("v:/x", "v:/x"),
        ] {
            assert_eq!(bind(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "/a:/b:ro:x",
            ":/b",
            "/a:",
            "/a:b",
            "/a:k3s-store/x",
            "x",
        ] {
            assert!(bind(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_volume_over_the_registries_file_is_seen() {
        for (text, covers) in [
            ("/r:/etc/rancher/k3s/registries.yaml", true),
            ("/r:/etc/rancher/k3s", true),
            ("/r:k3s-registry-config", true),
            ("/r:/etc/rancher/k3s/registries.yaml.d", false),
            ("/r:/etc/rancher/k", false),
        ] {
            assert_eq!(parse(text).unwrap().covers_registries(), covers, "{text}");
        }
    }
}
