//! What a container of the test kubelet is made of, as data: the kubelet writes it, `pod-sandbox` carries it out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One container, ready to be started.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sandbox {
    /// Becomes `/`; holds nothing but mount points.
    pub root: PathBuf,
    /// Whether `/` is mounted read-only (what is mounted below keeps its own mode).
    pub read_only_root: bool,
    /// In order: a later one may stand inside an earlier one.
    pub mounts: Vec<Mount>,
    /// A file that holds a network name space; without one the container has no network at all.
    pub network: Option<PathBuf>,
    pub user: u32,
    pub group: u32,
    pub working_dir: PathBuf,
    pub command: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// Dies by a signal instead of starting, as a broken image would.
    pub crash: bool,
}

/// A folder or file of the machine that the container sees.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mount {
    pub source: PathBuf,
    /// Inside the container, absolute.
    pub target: PathBuf,
    pub read_only: bool,
}
