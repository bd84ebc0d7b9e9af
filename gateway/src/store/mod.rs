//! One content-addressed store: blobs, what each repository shows of them, uploads, facts about images.
//!
//! ```text
//!  <folder>/blobs/<algorithm>/<aa>/<digits>   whole and verified; nothing else is ever here
//!           arriving/<number>                 what is being written; swept at open
//!           journal                           links, tags, referrers, facts: one line each, checked by a sum
//! ```
//!
//! No text of a request becomes part of a path: blobs are named by their verified digests, all else is in the journal.

mod error;
mod facts;
mod repository;
mod uploads;
mod writer;

use std::path::Path;
use std::time::Duration;

use crate::content::Blob;
use crate::names::{Digest, Host, Name};

pub use error::StoreError;
pub use facts::{Binding, Facts};
pub use repository::{ReferrerDescriptor, Repository, Subject};
pub use uploads::{Upload, UploadId};
pub use writer::Writer;

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            capacity: None,
            upload_rest: Duration::from_secs(3600),
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
    pub async fn open(_folder: &Path, _limits: Limits) -> Result<Self, StoreError> {
        Err(StoreError::NoSpace)
    }

    /// A blob that is complete, or that arrives now with a known size: then reading waits for its bytes.
    pub fn blob(&self, _digest: &Digest) -> Option<Blob> {
        None
    }

    /// Whether a blob is complete.
    pub fn has(&self, _digest: &Digest) -> bool {
        false
    }

    /// A new blob. One that is expected can be read by [`Store::blob`] at once.
    pub async fn writer(&self, _expected: Option<Expected>) -> Result<Writer, StoreError> {
        Err(StoreError::NoSpace)
    }

    /// A repository; it need not exist.
    pub fn repository(&self, _space: Space, _name: &Name) -> Repository {
        Repository {}
    }

    /// The repositories that hold a manifest, sorted.
    pub fn names(&self, _space: &Space) -> Vec<Name> {
        Vec::new()
    }

    /// What is known about the Engine's images.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Makes blobs survive a loss of power: once per image, not per blob.
    pub async fn sync(&self, _digests: &[Digest]) -> Result<(), StoreError> {
        Ok(())
    }

    /// What the store holds.
    pub fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Begins an upload.
    pub async fn start_upload(&self, _name: &Name) -> Result<UploadId, StoreError> {
        Err(StoreError::NoSpace)
    }

    /// An upload that is going on; nobody else can have it until it is dropped.
    pub async fn upload(&self, _name: &Name, _id: &UploadId) -> Option<Upload> {
        None
    }

    /// Drops uploads that nobody touched for long; to be called now and then.
    pub async fn purge_uploads(&self) -> usize {
        0
    }
}
