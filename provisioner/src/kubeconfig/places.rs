//! Where kubeconfigs stand. The environment is an argument.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};

/// The files that kubectl would use: those of `$KUBECONFIG`, or `~/.kube/config`.
pub fn default_files(kubeconfig: Option<&OsStr>, home: Option<&Path>) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in std::env::split_paths(kubeconfig.unwrap_or_default()) {
        if !path.as_os_str().is_empty() && !files.contains(&path) {
            files.push(path);
        }
    }
    if files.is_empty() {
        let home = home
            .filter(|home| !home.as_os_str().is_empty())
            .ok_or(Error::NoFile)?;
        files.push(home.join(".kube/config"));
    }
    Ok(files)
}

/// Our own folder on the user's machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// Where we write.
    pub own: PathBuf,
    /// Where k3d writes: `$XDG_CONFIG_HOME` itself, if it is set.
    pub of_k3d: PathBuf,
}

impl Folders {
    pub fn new(xdg_config_home: Option<&OsStr>, home: Option<&Path>) -> Result<Self> {
        if let Some(config) = xdg_config_home.filter(|config| !config.is_empty()) {
            let config = PathBuf::from(config);
            return Ok(Self {
                own: config.join("k3d"),
                of_k3d: config,
            });
        }
        let home = home
            .filter(|home| !home.as_os_str().is_empty())
            .ok_or(Error::NoFile)?;
        let folder = home.join(".config/k3d");
        Ok(Self {
            own: folder.clone(),
            of_k3d: folder,
        })
    }

    /// The file of a single cluster, which `kubeconfig merge` writes when no other is named.
    pub fn cluster_file(&self, cluster: &str) -> PathBuf {
        self.own.join(file_name(cluster))
    }

    /// What a process holds while it makes a thing of this name.
    pub fn lock(&self, kind: &str, name: &str) -> PathBuf {
        self.own.join(format!(".{kind}-{name}.lock"))
    }

    /// Removes the files of a cluster that either tool wrote; says which there were.
    pub fn remove_cluster_files(&self, cluster: &str) -> Result<Vec<PathBuf>> {
        let mut paths = vec![self.cluster_file(cluster)];
        if self.of_k3d != self.own {
            paths.push(self.of_k3d.join(file_name(cluster)));
        }
        let mut removed = Vec::new();
        for path in paths {
            match std::fs::remove_file(&path) {
                Ok(()) => removed.push(path),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("remove", path, &error)),
            }
        }
        Ok(removed)
    }
}

fn file_name(cluster: &str) -> String {
    format!("kubeconfig-{cluster}.yaml")
}
