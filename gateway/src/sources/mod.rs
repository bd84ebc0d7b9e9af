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

mod beneath;
mod containerd;
mod content_files;
mod content_store;
pub mod export;
mod overlay;
mod places;
mod stream;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use docker::models::ImageInspect;
use docker::{Engine, Facts};

use self::containerd::Socket;
use self::content_files::Files;
use self::content_store::Content;
use self::overlay::{Overlay, Sizes};
use self::places::Place;
use self::verify::Verdicts;
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
pub struct Sources(Arc<Inner>);

struct Inner {
    settings: Settings,
    found: RwLock<Arc<[Source]>>,
    verdicts: Verdicts,
    sizes: Sizes,
}

/// Somewhere content is read.
enum Source {
    Content(Content),
    Overlay(Overlay),
}

impl Sources {
    /// Looks which of the Engine's content is readable.
    pub async fn probe(engine: &Engine, settings: &Settings) -> Self {
        let sources = Self(Arc::new(Inner {
            settings: settings.clone(),
            found: RwLock::new(Arc::new([])),
            verdicts: Verdicts::default(),
            sizes: Sizes::default(),
        }));
        sources.probe_again(engine).await;
        sources
    }

    /// Looks again, because the Engine was away.
    pub async fn probe_again(&self, engine: &Engine) {
        let found = match engine.facts().await {
            Ok(facts) => self.open(&facts).await,
            Err(error) => {
                tracing::warn!(error = %error, "failed to ask the Docker Engine where it keeps content; images are exported");
                Vec::new()
            }
        };
        *self.0.found.write().unwrap_or_else(PoisonError::into_inner) = found.into();
    }

    /// What answers first.
    pub fn kind(&self) -> Kind {
        self.found().first().map_or(Kind::Nothing, Source::kind)
    }

    /// The content of an image, as inspecting it gave it; `None` when it must be exported.
    ///
    /// Fails when a source has the image but cannot read it, and no other can.
    pub async fn find(&self, image: &ImageInspect) -> Result<Option<Found>, SourceError> {
        let verdicts = &self.0.verdicts;
        let mut failure = None;
        for source in self.found().iter() {
            let found = match (source, target(image)) {
                (_, None) => return Ok(None),
                (Source::Content(content), Some((digest, media_type))) => {
                    content.find(&digest, media_type, verdicts).await
                }
                (Source::Overlay(overlay), Some((digest, _))) => {
                    overlay.find(&digest, verdicts).await
                }
            };
            match found {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    fn found(&self) -> Arc<[Source]> {
        Arc::clone(&self.0.found.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn open(&self, facts: &Facts) -> Vec<Source> {
        let (mut found, mut opened, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for place in places::places(facts, &self.0.settings) {
            match self.open_one(&place).await {
                Ok(source) => {
                    found.push(source);
                    opened.push(place.to_string());
                }
                Err(error) => refused.push(format!("{place}: {error}")),
            }
        }
        let (sources, refused) = (opened.join(", then "), refused.join("; "));
        if found.is_empty() {
            let mend = places::mend(facts);
            tracing::warn!(
                refused,
                mend,
                "none of the Engine's content is readable: images are exported, which takes longer"
            );
        } else {
            tracing::info!(
                sources,
                refused,
                "images are read from the Engine's own content"
            );
        }
        found
    }

    async fn open_one(&self, place: &Place) -> std::io::Result<Source> {
        match place {
            Place::ContentFiles(path) => {
                let files = Files::open(path)?;
                Ok(Source::Content(Content::Files(Arc::new(files))))
            }
            Place::Containerd { socket, namespace } => {
                let socket = Socket::connect(socket, namespace).await?;
                Ok(Source::Content(Content::Socket(socket)))
            }
            Place::Overlay2(root) => Overlay::open(root, &self.0.sizes).map(Source::Overlay),
        }
    }
}

impl Source {
    fn kind(&self) -> Kind {
        match self {
            Self::Content(Content::Files(_)) => Kind::ContentFiles,
            Self::Content(Content::Socket(_)) => Kind::Containerd,
            Self::Overlay(_) => Kind::Overlay2,
        }
    }
}

/// What an image's name means: the manifest or index that containerd's store names since API 1.48, or the id, which is
/// the same there and the configuration with graph drivers.
fn target(image: &ImageInspect) -> Option<(Digest, &str)> {
    let descriptor = image.descriptor.as_ref();
    let named = descriptor.and_then(|descriptor| descriptor.digest.as_deref());
    let digest = named.or(image.id.as_deref())?;
    let media_type = descriptor.and_then(|descriptor| descriptor.media_type.as_deref());
    Some((Digest::parse(digest).ok()?, media_type.unwrap_or_default()))
}
