//! Brings images to the nodes of a cluster: from the Engine, from archives, from standard input.
//!
//! ```text
//! arguments --sources--> Sources                                                                      pure
//! docker save | file | stdin --docker::image::Layout--> OCI layout --fan--> without --> ctr    on each node, at once
//!                                      |                                      |          |
//!                       without what all nodes have         nor what the node has       verified: the names are there
//! ```
//!
//! Every source is read once and held nowhere: the slowest node sets the pace, and a node that fails is dropped while
//! the others go on. Where leaving out content was the reason (it may be collected between asking and importing), the
//! node gets everything once more.

mod batch;
mod fan;
mod input;
mod node;
mod sources;
mod without;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use docker::Engine;
use docker::image::ImageError;

pub use node::NodeError;
pub use sources::Sources;

/// Where a batch of images comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Images of the Engine, which come in one archive so that what they share comes once.
    Images(Vec<String>),
    /// An archive of `docker save`.
    Archive(PathBuf),
    /// An archive on standard input.
    Stdin,
}

/// What is told while it goes on.
#[derive(Debug)]
pub enum Progress<'a> {
    /// How much of a source was read.
    Read {
        /// The source.
        source: &'a Source,
        /// Bytes so far.
        done: u64,
        /// Bytes in all, where that is known; of images nearly so.
        total: Option<u64>,
    },
    /// A node was dropped; the others go on.
    Failed {
        /// The node.
        node: &'a str,
        /// Why.
        error: &'a NodeError,
    },
    /// A node has all images of a source.
    Imported {
        /// The node.
        node: &'a str,
        /// The source.
        source: &'a Source,
    },
}

/// Takes what is told.
pub type Listener<'a> = &'a (dyn Fn(Progress<'_>) + Send + Sync);

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Full names of the images that every node which did not fail has now.
    pub images: Vec<String>,
    /// Nodes that were dropped, each with its reason.
    pub failed: BTreeMap<String, NodeError>,
    /// Sources that could not be read.
    pub unread: Vec<SourceError>,
    /// Bytes that a node was sent which had nothing before it.
    pub sent: u64,
    /// Bytes of content that all nodes had; what only some of them had is left out for those as well.
    pub left_out: u64,
}

/// Why a source gave no images.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be read.
    #[error("failed to read {file}", file = .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is in it cannot be used.
    #[error("failed to import {what}")]
    Archive {
        /// The source, as users name it.
        what: String,
        /// Why.
        source: ImageError,
    },
    /// The Engine does not give it.
    #[error(transparent)]
    Engine(#[from] docker::Error),
    /// There is nothing that pods could name.
    #[error("failed to import {what}: it holds an image without a name; save it by its name")]
    Nameless {
        /// The source, as users name it.
        what: String,
    },
}

impl Report {
    /// Whether every source reached every node.
    pub fn is_success(&self) -> bool {
        self.failed.is_empty() && self.unread.is_empty()
    }
}

impl Source {
    /// As users name it.
    pub fn text(&self) -> String {
        match self {
            Self::Images(names) => names.join(", "),
            Self::Archive(file) => file.display().to_string(),
            Self::Stdin => "standard input".to_owned(),
        }
    }
}

/// The names of all images that the Engine has, for [`Sources::resolve`].
pub async fn present(engine: &Engine) -> Result<Vec<String>, docker::Error> {
    let images = engine.images().await?;
    Ok(images
        .into_iter()
        .flat_map(|image| image.repo_tags)
        .collect())
}

/// Brings the sources to these running containers, one source after the other, to all containers at the same time.
pub async fn import(
    engine: &Engine,
    nodes: &[String],
    sources: &Sources,
    listener: Listener<'_>,
) -> Report {
    let mut report = Report::default();
    for source in sources.batches() {
        let nodes: Vec<String> = nodes
            .iter()
            .filter(|node| !report.failed.contains_key(*node))
            .cloned()
            .collect();
        if nodes.is_empty() {
            break;
        }
        batch::run(engine, &nodes, &source, listener, &mut report).await;
    }
    report
}
