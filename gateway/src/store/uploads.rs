//! Blobs that come in several requests.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::core::Core;
use super::hash::hex;
use super::journal::{Place, Record};
use super::writer::Writer;
use super::{Store, StoreError};
use crate::names::{Digest, Name};

/// How long a request waits for the one before it, which may only just have gone away.
const TURN: Duration = Duration::from_secs(10);

/// Uploads that are going on. They do not outlive the process: who uploads begins again, and what was finished stays.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<UploadId, Slot>>);

struct Slot {
    name: Name,
    /// Who began it.
    peer: IpAddr,
    writer: Arc<tokio::sync::Mutex<Option<Writer>>>,
    touched: Instant,
}

/// The name of an upload: 32 random hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(String);

impl UploadId {
    /// Checks a name.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 32 && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An upload that one request holds.
pub struct Upload {
    uploads: Arc<Uploads>,
    core: Arc<Core>,
    name: Name,
    id: UploadId,
    writer: OwnedMutexGuard<Option<Writer>>,
}

impl Store {
    /// Begins an upload, unless there are too many already.
    #[expect(
        clippy::unused_async,
        reason = "who keeps something need not know what waits for the disk"
    )]
    pub async fn start_upload(&self, name: &Name, peer: IpAddr) -> Result<UploadId, StoreError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| {
            StoreError::io("name an upload")(std::io::Error::other(error.to_string()))
        })?;
        let id = UploadId(hex(&random));
        let mut uploads = self.uploads.lock();
        self.make_room(&mut uploads, peer)?;
        let writer = Writer::new(Arc::clone(&self.core), None, false)?;
        let slot = Slot {
            name: name.clone(),
            peer,
            writer: Arc::new(tokio::sync::Mutex::new(Some(writer))),
            touched: Instant::now(),
        };
        uploads.insert(id.clone(), slot);
        Ok(id)
    }

    /// Makes sure that a peer may begin another upload: each is a file, which costs memory as well.
    fn make_room(
        &self,
        uploads: &mut HashMap<UploadId, Slot>,
        peer: IpAddr,
    ) -> Result<(), StoreError> {
        let limits = &self.core.limits;
        let is_full = |uploads: &HashMap<UploadId, Slot>| {
            let own = uploads.values().filter(|slot| slot.peer == peer);
            uploads.len() >= limits.uploads || own.count() >= limits.uploads_of_peer
        };
        if is_full(uploads) {
            drop_rested(uploads, limits.upload_rest);
        }
        if is_full(uploads) {
            return Err(StoreError::TooManyUploads);
        }
        Ok(())
    }

    /// An upload that is going on; nobody else can have it until it is dropped.
    pub async fn upload(&self, name: &Name, id: &UploadId) -> Option<Upload> {
        let writer = {
            let mut uploads = self.uploads.lock();
            let slot = uploads.get_mut(id).filter(|slot| slot.name == *name)?;
            slot.touched = Instant::now();
            Arc::clone(&slot.writer)
        };
        let turn = tokio::time::timeout(TURN, writer.lock_owned()).await;
        let writer = turn.ok().filter(|writer| writer.is_some())?;
        Some(Upload {
            uploads: Arc::clone(&self.uploads),
            core: Arc::clone(&self.core),
            name: name.clone(),
            id: id.clone(),
            writer,
        })
    }

    /// Drops uploads that nobody touched for [`super::Limits::upload_rest`], and says how many; to be called now and then.
    #[expect(
        clippy::unused_async,
        reason = "who keeps something need not know what waits for the disk"
    )]
    pub async fn purge_uploads(&self) -> usize {
        let rest = self.core.limits.upload_rest;
        let mut uploads = self.uploads.lock();
        drop_rested(&mut uploads, rest)
    }
}

fn drop_rested(uploads: &mut HashMap<UploadId, Slot>, rest: Duration) -> usize {
    let before = uploads.len();
    // An upload that a request holds is not at rest.
    uploads.retain(|_, slot| slot.touched.elapsed() < rest || slot.writer.try_lock().is_err());
    before - uploads.len()
}

impl Uploads {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UploadId, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upload {
    /// How many bytes there are.
    pub fn offset(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::offset)
    }

    /// Adds bytes; `at` must be the offset. After an error other than that the upload is gone.
    pub async fn append(&mut self, at: u64, bytes: Bytes) -> Result<(), StoreError> {
        let offset = self.offset();
        if at != offset {
            return Err(StoreError::OutOfOrder { offset });
        }
        let Some(writer) = self.writer.as_mut() else {
            return Err(StoreError::OutOfOrder { offset });
        };
        let written = writer.write(bytes).await;
        if written.is_err() {
            self.forget();
        }
        written
    }

    /// Waits until everything so far is written, which tells a full disk.
    pub async fn flush(&mut self) -> Result<(), StoreError> {
        let Some(writer) = self.writer.as_mut() else {
            return Ok(());
        };
        let written = writer.flush().await;
        if written.is_err() {
            self.forget();
        }
        written
    }

    /// Verifies the whole, keeps it, shows it in the repository and gives its size. On a mismatch the upload is gone.
    pub async fn finish(mut self, digest: &Digest) -> Result<u64, StoreError> {
        let writer = self.writer.take();
        self.forget();
        let writer = writer.ok_or_else(|| StoreError::Missing(digest.clone()))?;
        let (digest, size, _pin) = writer.commit_pinned(Some(digest)).await?;
        let at = Place {
            host: None,
            name: self.name.clone(),
        };
        self.core.record(vec![Record::Blob { at, digest }])?;
        Ok(size)
    }

    /// Gives the upload up; its file is gone.
    #[expect(
        clippy::unused_async,
        reason = "who keeps something need not know what waits for the disk"
    )]
    pub async fn cancel(mut self) {
        self.forget();
    }

    fn forget(&mut self) {
        *self.writer = None;
        self.uploads.lock().remove(&self.id);
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(slot) = self.uploads.lock().get_mut(&self.id) {
            slot.touched = Instant::now();
        }
    }
}
