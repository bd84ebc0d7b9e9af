//! Where the Engine keeps an image's content, and how it is read without `docker save`.
//!
//! ```text
//!              probe (at start, and whenever the Engine was away)
//!                |
//!  find(image) --+-- containerd's store, its files -----------+
//!                +-- containerd's store, through its socket --+--> Found: manifest, children, blobs, what is missing
//!                +-- overlay2's layers, with tar-split -------+
//!                `-- nothing of it readable: None, the image must be exported
//! ```
//!
//! Content is verified by a reader of its own while the first client reads; the end of a blob is only handed out once
//! its digest is right.

use std::collections::BTreeMap;
use std::path::PathBuf;

use docker::Engine;
use docker::models::ImageInspect;

use crate::content::{Blob, Document};
use crate::names::Digest;

/// Where to look besides the places the Engine names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The Engine's data root as this process sees it; without it where the Engine says.
    pub data_root: Option<PathBuf>,
    /// containerd's socket; without it where the Engine says, then the known places.
    pub containerd: Option<PathBuf>,
}

/// Which source answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Files of containerd's content store.
    ContentFiles,
    /// containerd's socket.
    Containerd,
    /// Layers of the overlay2 graph driver.
    Overlay2,
    /// Nothing is readable: images must be exported.
    Nothing,
}

/// An image that was found.
#[derive(Clone)]
pub struct Found {
    /// What a tag means: the manifest, or the index.
    pub manifest: Document,
    /// The manifests and indexes below an index, as far as the Engine has them.
    pub documents: BTreeMap<Digest, Document>,
    /// Configurations and layers.
    pub blobs: BTreeMap<Digest, Blob>,
    /// Blobs of these manifests that the Engine does not have.
    pub missing: Vec<Digest>,
    /// Manifests of an index that the Engine does not have: other platforms.
    pub absent: Vec<Digest>,
}

/// Why an image's content cannot be read here. The export may still work.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error("failed to read {what} of the Engine's content")]
    Io {
        /// What was read.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Something does not fit together.
    #[error("failed to read {what} of the Engine's content: {problem}")]
    Unusable {
        /// What was read.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The readable content of an Engine. Cheap to clone; what was learnt of layers outlives a new probe.
#[derive(Clone)]
pub struct Sources {}

impl Sources {
    /// Looks which of the Engine's content is readable.
    pub async fn probe(_engine: &Engine, _settings: &Settings) -> Self {
        Self {}
    }

    /// Looks again, because the Engine was away.
    pub async fn probe_again(&self, _engine: &Engine) {}

    /// What answers.
    pub fn kind(&self) -> Kind {
        Kind::Nothing
    }

    /// The content of an image, as inspecting it gave it; `None` when it must be exported.
    pub async fn find(&self, _image: &ImageInspect) -> Result<Option<Found>, SourceError> {
        Ok(None)
    }
}
