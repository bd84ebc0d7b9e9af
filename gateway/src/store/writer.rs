//! A blob that is being written.
//!
//! Pieces are gathered, and hashed and written on a thread that may wait while the next ones come. The file has no name of a
//! blob until its digest is right.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::core::Core;
use super::reading::{Arriving, ArrivingBytes, Pin, Progress};
use super::{Expected, StoreError, hash};
use crate::content::Blob;
use crate::names::Digest;

/// How much is gathered before it is written.
const BATCH: usize = 512 * 1024;

/// A blob that is being written. Dropped without a commit, nothing is left of it and its readers end with an error.
pub struct Writer {
    core: Arc<Core>,
    path: PathBuf,
    file: Arc<File>,
    expected: Option<Expected>,
    /// What readers see, unless another writer brings the same blob.
    arriving: Option<Arc<Arriving>>,
    /// Whether everybody sees it arrive.
    is_announced: bool,
    hash: Hash,
    batch: Vec<Bytes>,
    gathered: usize,
    at_work: Option<JoinHandle<Result<Hash, StoreError>>>,
    offset: u64,
    reserved: u64,
    is_committed: bool,
}

/// Whether the content is hashed here.
enum Hash {
    Here(Box<Sha256>),
    /// Whoever writes has verified it before it commits.
    Elsewhere,
    /// It is on the thread that writes, or was lost with it.
    Away,
}

impl Writer {
    pub(super) fn new(
        core: Arc<Core>,
        expected: Option<Expected>,
        is_verified: bool,
    ) -> Result<Self, StoreError> {
        let reserved = expected.as_ref().map_or(0, |expected| expected.size);
        core.reserve(reserved)?;
        let path = core.folder.arriving(core.next_number());
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path);
        let file = match opened {
            Ok(file) => Arc::new(file),
            Err(error) => {
                core.release(reserved);
                return Err(StoreError::io("make a file")(error));
            }
        };
        let arriving = expected.as_ref().and_then(|expected| {
            let arriving = Arc::new(Arriving {
                file: Arc::clone(&file),
                size: expected.size,
                progress: watch::Sender::new(Progress::Written(0)),
                pool: Arc::clone(&core.pool),
            });
            let is_shown = core.announce(&expected.digest, &arriving);
            is_shown.then_some(arriving)
        });
        Ok(Self {
            core,
            path,
            file,
            expected,
            is_announced: arriving.is_some(),
            arriving,
            hash: if is_verified {
                Hash::Elsewhere
            } else {
                Hash::Here(Box::default())
            },
            batch: Vec::new(),
            gathered: 0,
            at_work: None,
            offset: 0,
            reserved,
            is_committed: false,
        })
    }

    /// The blob as this writer brings it, for nobody but who gets this: until it is whole, others do not see it.
    pub(super) fn apart(core: Arc<Core>, expected: Expected) -> Result<(Self, Blob), StoreError> {
        let Expected { digest, size } = expected.clone();
        let mut writer = Self::new(core, None, false)?;
        writer.core.reserve(size)?;
        writer.reserved = size;
        let arriving = Arc::new(Arriving {
            file: Arc::clone(&writer.file),
            size,
            progress: watch::Sender::new(Progress::Written(0)),
            pool: Arc::clone(&writer.core.pool),
        });
        writer.expected = Some(expected);
        writer.arriving = Some(Arc::clone(&arriving));
        let bytes = Arc::new(ArrivingBytes(arriving));
        let blob = Blob {
            digest,
            size,
            bytes,
        };
        Ok((writer, blob))
    }

    /// Adds bytes.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let offset = self.offset + bytes.len() as u64;
        if let Some(expected) = self.expected.as_ref().filter(|it| offset > it.size) {
            return Err(StoreError::TooLarge {
                limit: expected.size,
            });
        }
        if offset > self.reserved {
            self.core.reserve(offset - self.reserved)?;
            self.reserved = offset;
        }
        self.offset = offset;
        self.gathered += bytes.len();
        self.batch.push(bytes);
        if self.gathered >= BATCH {
            self.pass_on().await?;
        }
        Ok(())
    }

    /// How many bytes there are.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Waits until everything so far is written, which tells a full disk.
    pub async fn flush(&mut self) -> Result<(), StoreError> {
        if self.gathered > 0 {
            self.pass_on().await?;
        }
        self.wait().await
    }

    /// Keeps the blob when it is what is expected here and was expected when it began.
    pub async fn commit(self, expected: Option<&Digest>) -> Result<(Digest, u64), StoreError> {
        let (digest, size, _) = self.commit_pinned(expected).await?;
        Ok((digest, size))
    }

    /// The same, and nothing can make room of it while the pin is held.
    pub(crate) async fn commit_pinned(
        mut self,
        expected: Option<&Digest>,
    ) -> Result<(Digest, u64, Pin), StoreError> {
        self.flush().await?;
        let size = self.offset;
        let announced = self.expected.as_ref();
        let expected = expected.or(announced.map(|it| &it.digest)).cloned();
        let found = match (std::mem::replace(&mut self.hash, Hash::Away), &expected) {
            (_, Some(digest)) if digest.algorithm() == "sha512" => {
                let file = Arc::clone(&self.file);
                blocking(move || hash::sha512(&file, size)).await?
            }
            (Hash::Here(hash), _) => hash::sha256(*hash)?,
            (Hash::Elsewhere, Some(digest)) => digest.clone(),
            _ => return Err(lost()),
        };
        let named = [expected.as_ref(), announced.map(|it| &it.digest)];
        if let Some(other) = named.into_iter().flatten().find(|it| **it != found) {
            return Err(StoreError::DigestMismatch {
                expected: other.clone(),
                found,
            });
        }
        if announced.is_some_and(|announced| announced.size != size) {
            return Err(StoreError::io("receive a blob")(
                std::io::ErrorKind::UnexpectedEof.into(),
            ));
        }
        let pin = self
            .core
            .keep(&self.path, &found, size, self.reserved)
            .map_err(StoreError::io("name a blob"))?;
        self.is_committed = true;
        if let Some(arriving) = &self.arriving {
            arriving.progress.send_replace(Progress::Whole);
        }
        Ok((found, size, pin))
    }

    /// Has what was gathered written, once what was passed on before is.
    async fn pass_on(&mut self) -> Result<(), StoreError> {
        self.wait().await?;
        let batch = std::mem::take(&mut self.batch);
        self.gathered = 0;
        let mut hash = std::mem::replace(&mut self.hash, Hash::Away);
        let (file, arriving, offset) = (Arc::clone(&self.file), self.arriving.clone(), self.offset);
        self.at_work = Some(tokio::task::spawn_blocking(move || {
            write_together(&file, &batch).map_err(StoreError::io("write a blob"))?;
            if let Some(arriving) = arriving {
                arriving.progress.send_replace(Progress::Written(offset));
            }
            if let Hash::Here(hash) = &mut hash {
                for bytes in &batch {
                    hash.update(bytes);
                }
            }
            Ok(hash)
        }));
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), StoreError> {
        // Whoever waits may be dropped; the work is then waited for the next time.
        if let Some(at_work) = &mut self.at_work {
            let done = at_work.await;
            self.at_work = None;
            self.hash = done.map_err(|_| lost())??;
        }
        if matches!(self.hash, Hash::Away) {
            return Err(lost());
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.is_committed {
            return;
        }
        drop(std::fs::remove_file(&self.path));
        self.core.release(self.reserved);
        if let (Some(arriving), Some(expected)) = (&self.arriving, &self.expected) {
            if self.is_announced {
                self.core.withdraw(&expected.digest);
            }
            arriving.progress.send_replace(Progress::Failed);
        }
    }
}

/// Writes pieces by as few calls as can be: what comes from sockets is cut small, and file systems take large writes by far
/// more cheaply.
fn write_together(mut file: &File, pieces: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<_> = pieces.iter().map(|bytes| IoSlice::new(bytes)).collect();
    let mut left = slices.as_mut_slice();
    // What is empty at the beginning would read as a file that takes nothing.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A write failed before, or its thread ended.
fn lost() -> StoreError {
    StoreError::io("continue a blob that failed before")(std::io::ErrorKind::BrokenPipe.into())
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StoreError::io("finish work")(std::io::Error::other(error)))?
}
