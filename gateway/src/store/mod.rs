//! One content-addressed store: blobs, what each repository shows of them, uploads, facts about images.
//!
//! ```text
//!  <folder>/blobs/<algorithm>/<aa>/<digits>   whole and verified; nothing else is ever here
//!           arriving/<number>                 what is being written; swept at open
//!           journal                           links, tags, referrers, facts: one line each, checked by a sum
//! ```
//!
//! No text of a request becomes part of a path: blobs are named by their verified digests, all else is in the journal.

mod core;
mod documents;
mod error;
mod evict;
mod facts;
mod folder;
mod hash;
mod journal;
mod reading;
mod repository;
mod state;
mod uploads;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::core::Core;
use self::journal::Place;
use self::uploads::Uploads;
use crate::content::{Blob, Document};
use crate::names::{Digest, Host, Name};

pub(crate) use documents::media_type;
pub use error::StoreError;
pub use facts::{Binding, Facts};
pub(crate) use reading::Pin;
pub use repository::{ReferrerDescriptor, Repository, Subject};
pub use uploads::{Upload, UploadId};
pub use writer::Writer;

/// How long what can come again rests before it is brought to the disk: whoever asked for it reads it first.
pub(crate) const REST: Duration = Duration::from_secs(5);

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    core: Arc<Core>,
    uploads: Arc<Uploads>,
    facts: Facts,
}

/// How much there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of all blobs. Mirrored content makes room, the one that was not used for longest first; pushed
    /// content counts but is never removed unasked.
    pub capacity: Option<u64>,
    /// How long an upload may rest before it is dropped.
    pub upload_rest: Duration,
    /// How many uploads there may be at a time.
    pub uploads: usize,
    /// How many of them one peer may have begun.
    pub uploads_of_peer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            capacity: None,
            upload_rest: Duration::from_secs(3600),
            uploads: 1024,
            // Everything that comes through one Docker host may have one address.
            uploads_of_peer: 512,
        }
    }
}

/// What a blob will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its digest.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
}

/// Two worlds of names that never mix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// What was pushed here.
    Pushed,
    /// What others hold, by their registry.
    Mirrored(Host),
}

/// What the store holds, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Whole blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that were written of blobs that are not whole yet.
    pub arriving: u64,
}

impl Store {
    /// Opens a folder, makes it where it is missing, and removes what is not whole.
    pub async fn open(folder: &Path, limits: Limits) -> Result<Self, StoreError> {
        let folder = folder.to_owned();
        let core = Arc::new(writer::blocking(move || Core::open(&folder, limits)).await?);
        Ok(Self {
            facts: Facts {
                core: Arc::clone(&core),
            },
            uploads: Arc::default(),
            core,
        })
    }

    /// A blob that is complete, or that arrives now with a known size: then reading waits for its bytes.
    pub fn blob(&self, digest: &Digest) -> Option<Blob> {
        self.core.blob(digest)
    }

    /// Whether a blob is complete.
    pub fn has(&self, digest: &Digest) -> bool {
        self.core.has(digest)
    }

    /// A new blob. One that is expected can be read by [`Store::blob`] at once.
    #[expect(
        clippy::unused_async,
        reason = "who keeps something need not know what waits for the disk"
    )]
    pub async fn writer(&self, expected: Option<Expected>) -> Result<Writer, StoreError> {
        Writer::new(Arc::clone(&self.core), expected, false)
    }

    /// A new blob that comes from nobody who is trusted: until it is whole and right, only who gets this can read it.
    pub(crate) fn writer_apart(&self, expected: Expected) -> Result<(Writer, Blob), StoreError> {
        Writer::apart(Arc::clone(&self.core), expected)
    }

    /// A new blob of someone who verifies it anyway: it is not hashed again, and may only be committed when it is right.
    pub(crate) fn verified_writer(&self, expected: Option<Expected>) -> Result<Writer, StoreError> {
        Writer::new(Arc::clone(&self.core), expected, true)
    }

    /// Keeps a document, linked by nothing yet; it may make room like everything that was not pushed.
    pub async fn put_document(&self, document: &Document) -> Result<(), StoreError> {
        documents::put(&self.core, document).await.map(drop)
    }

    /// A manifest or an index that was kept, wherever it is linked.
    pub fn document(&self, digest: &Digest) -> Option<Document> {
        let bytes = documents::read(&self.core, digest)?;
        Some(Document {
            media_type: media_type(&bytes)?,
            digest: digest.clone(),
            bytes,
        })
    }

    /// A repository; it need not exist.
    pub fn repository(&self, space: Space, name: &Name) -> Repository {
        Repository {
            core: Arc::clone(&self.core),
            at: Place {
                host: match space {
                    Space::Pushed => None,
                    Space::Mirrored(host) => Some(host),
                },
                name: name.clone(),
            },
        }
    }

    /// The repositories that hold a manifest, sorted.
    pub fn names(&self, space: &Space) -> Vec<Name> {
        let wanted = match space {
            Space::Pushed => None,
            Space::Mirrored(host) => Some(host),
        };
        let inner = self.core.lock();
        let repositories = inner.state.repositories.iter();
        repositories
            .filter(|(at, links)| at.host.as_ref() == wanted && !links.manifests.is_empty())
            .map(|(at, _)| at.name.clone())
            .collect()
    }

    /// What is known about the Engine's images.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Makes blobs, links and facts survive a loss of power: once per image, not per blob.
    pub async fn sync(&self, digests: &[Digest]) -> Result<(), StoreError> {
        let (core, digests) = (Arc::clone(&self.core), digests.to_vec());
        writer::blocking(move || core.sync(&digests).map_err(StoreError::io("sync"))).await
    }

    /// What the store holds.
    pub fn usage(&self) -> Usage {
        self.core.usage()
    }

    /// Keeps blobs from making room while the pins are held.
    pub(crate) fn pin<'a>(&self, digests: impl IntoIterator<Item = &'a Digest>) -> Vec<Pin> {
        self.core.pin(digests)
    }
}

#[cfg(test)]
mod tests;
