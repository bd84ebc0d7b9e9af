//! What the store knows, behind one lock that is never held while anything waits.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::evict::{self, Candidate};
use super::folder::Folder;
use super::journal::{Journal, Record};
use super::reading::{Arriving, ArrivingBytes, Pin, Pool, WholeBytes};
use super::state::State;
use super::{Limits, StoreError, Usage};
use crate::content::Blob;
use crate::names::Digest;

/// The store itself.
pub(super) struct Core {
    pub(super) folder: Folder,
    pub(super) limits: Limits,
    pub(super) pool: Arc<Pool>,
    pub(super) number: AtomicU64,
    inner: Mutex<Inner>,
}

/// What changes.
pub(super) struct Inner {
    pub(super) state: State,
    journal: Journal,
    whole: HashMap<Digest, Entry>,
    arriving: HashMap<Digest, Arc<Arriving>>,
    /// Bytes of what is whole.
    bytes: u64,
    /// Bytes that writers have, or were promised.
    reserved: u64,
    /// Counts uses.
    clock: u64,
}

struct Entry {
    size: u64,
    used: u64,
    is_durable: bool,
    pin: Pin,
}

impl Core {
    pub(super) fn open(path: &Path, limits: Limits) -> Result<Self, StoreError> {
        let folder = Folder::open(path)?;
        let found = folder.blobs()?;
        let mut state = State::default();
        let records =
            Journal::read(&folder.journal()).map_err(StoreError::io("read the journal"))?;
        for record in records {
            state.apply(record);
        }
        state.prune(|digest| found.contains_key(digest));
        let journal = Journal::write(&folder.journal(), &state.records())
            .map_err(StoreError::io("write the journal"))?;
        folder
            .note_boot()
            .map_err(StoreError::io("note the machine's start"))?;
        let linked = state.linked();
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by_key(|(_, blob)| blob.used);
        let mut inner = Inner {
            state,
            journal,
            whole: HashMap::new(),
            arriving: HashMap::new(),
            bytes: 0,
            reserved: 0,
            clock: 0,
        };
        for (digest, blob) in found {
            if linked.contains(&digest) {
                inner.add(digest, blob.size, blob.is_durable);
            } else {
                // Nothing leads to it: whoever wrote it did not get further.
                drop(std::fs::remove_file(folder.blob(&digest)));
            }
        }
        Ok(Self {
            folder,
            limits,
            pool: Arc::default(),
            number: AtomicU64::new(0),
            inner: Mutex::new(inner),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // What is behind it is whole between any two statements that can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next_number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes changes: first in the journal, then here.
    pub(super) fn record(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.lock().record(records)
    }

    pub(super) fn blob(&self, digest: &Digest) -> Option<Blob> {
        let mut inner = self.lock();
        if let Some((size, pin)) = inner.touch(digest) {
            let bytes = WholeBytes {
                path: self.folder.blob(digest),
                pool: Arc::clone(&self.pool),
                pin,
            };
            return Some(Blob {
                digest: digest.clone(),
                size,
                bytes: Arc::new(bytes),
            });
        }
        let arriving = Arc::clone(inner.arriving.get(digest)?);
        Some(Blob {
            digest: digest.clone(),
            size: arriving.size,
            bytes: Arc::new(ArrivingBytes(arriving)),
        })
    }

    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.lock().whole.contains_key(digest)
    }

    pub(super) fn is_here_or_arriving(&self, digest: &Digest) -> bool {
        let inner = self.lock();
        inner.whole.contains_key(digest) || inner.arriving.contains_key(digest)
    }

    /// Keeps these blobs from making room while the pins are held.
    pub(super) fn pin<'a>(&self, digests: impl IntoIterator<Item = &'a Digest>) -> Vec<Pin> {
        let mut inner = self.lock();
        let touched = digests.into_iter().filter_map(|digest| inner.touch(digest));
        touched.map(|(_, pin)| pin).collect()
    }

    /// Shows a blob as arriving, unless it is here or arrives already.
    pub(super) fn announce(&self, digest: &Digest, arriving: &Arc<Arriving>) -> bool {
        let mut inner = self.lock();
        let is_new = !inner.whole.contains_key(digest) && !inner.arriving.contains_key(digest);
        if is_new {
            inner.arriving.insert(digest.clone(), Arc::clone(arriving));
        }
        is_new
    }

    pub(super) fn withdraw(&self, digest: &Digest) {
        self.lock().arriving.remove(digest);
    }

    /// Makes room for bytes that will be written.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if let Some(capacity) = self.limits.capacity {
            let wanted = inner
                .bytes
                .saturating_add(inner.reserved)
                .saturating_add(bytes);
            let need = wanted.saturating_sub(capacity);
            if need > 0 {
                let going = evict::choose(inner.candidates(), need).ok_or(StoreError::NoSpace)?;
                for blob in going {
                    self.remove(&mut inner, &blob.digest);
                }
            }
        }
        inner.reserved = inner.reserved.saturating_add(bytes);
        Ok(())
    }

    pub(super) fn release(&self, bytes: u64) {
        let mut inner = self.lock();
        inner.reserved = inner.reserved.saturating_sub(bytes);
    }

    /// Gives a verified file its name, unless the blob is here already.
    pub(super) fn keep(
        &self,
        file: &Path,
        digest: &Digest,
        size: u64,
        reserved: u64,
    ) -> io::Result<Pin> {
        let mut inner = self.lock();
        if inner.touch(digest).is_none() {
            self.folder.name(file, digest)?;
            inner.reserved = inner.reserved.saturating_sub(reserved);
            inner.add(digest.clone(), size, false);
        } else {
            inner.reserved = inner.reserved.saturating_sub(reserved);
            drop(std::fs::remove_file(file));
        }
        inner.arriving.remove(digest);
        let pin = inner.touch(digest).map(|(_, pin)| pin);
        Ok(pin.unwrap_or_default())
    }

    /// Removes blobs that nothing leads to any more.
    pub(super) fn collect(&self, digests: impl IntoIterator<Item = Digest>) {
        let mut inner = self.lock();
        for digest in digests {
            if !inner.state.is_linked(&digest) {
                self.remove(&mut inner, &digest);
            }
        }
    }

    fn remove(&self, inner: &mut Inner, digest: &Digest) {
        if let Some(entry) = inner.whole.remove(digest) {
            inner.bytes -= entry.size;
            // Who has it open reads on; a file that stays is found and removed by the next start.
            drop(std::fs::remove_file(self.folder.blob(digest)));
        }
    }

    /// Brings blobs and the journal to the disk.
    pub(super) fn sync(&self, digests: &[Digest]) -> io::Result<()> {
        let (wanted, journal) = {
            let inner = self.lock();
            let is_wanted = |digest: &&Digest| {
                inner
                    .whole
                    .get(*digest)
                    .is_some_and(|blob| !blob.is_durable)
            };
            let wanted: HashSet<_> = digests.iter().filter(is_wanted).cloned().collect();
            let wanted: Vec<_> = wanted.into_iter().collect();
            (wanted, inner.journal.file())
        };
        if !wanted.is_empty() {
            self.folder.sync(&wanted)?;
        }
        journal.sync_data()?;
        let mut inner = self.lock();
        for digest in wanted {
            if let Some(blob) = inner.whole.get_mut(&digest) {
                blob.is_durable = true;
            }
        }
        Ok(())
    }

    pub(super) fn usage(&self) -> Usage {
        let inner = self.lock();
        Usage {
            blobs: inner.whole.len() as u64,
            bytes: inner.bytes,
            arriving: inner.reserved,
        }
    }
}

impl Inner {
    pub(super) fn record(&mut self, records: Vec<Record>) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let failed = || StoreError::io("write the journal");
        self.journal.append(&records).map_err(failed())?;
        for record in records {
            self.state.apply(record);
        }
        if self.journal.is_long() {
            let all = self.state.records();
            self.journal.rewrite(&all).map_err(failed())?;
        }
        Ok(())
    }

    pub(super) fn is_here_or_arriving(&self, digest: &Digest) -> bool {
        self.whole.contains_key(digest) || self.arriving.contains_key(digest)
    }

    fn add(&mut self, digest: Digest, size: u64, is_durable: bool) {
        self.clock += 1;
        self.bytes += size;
        let entry = Entry {
            size,
            used: self.clock,
            is_durable,
            pin: Pin::default(),
        };
        self.whole.insert(digest, entry);
    }

    /// Notes a use.
    pub(super) fn touch(&mut self, digest: &Digest) -> Option<(u64, Pin)> {
        self.clock += 1;
        let entry = self.whole.get_mut(digest)?;
        entry.used = self.clock;
        Some((entry.size, Arc::clone(&entry.pin)))
    }

    /// What may make room: nothing that was pushed, nothing that somebody reads.
    fn candidates(&self) -> Vec<Candidate> {
        let pushed = self.state.pushed();
        self.whole
            .iter()
            .filter(|(digest, entry)| {
                Arc::strong_count(&entry.pin) == 1 && !pushed.contains(*digest)
            })
            .map(|(digest, entry)| Candidate {
                digest: digest.clone(),
                size: entry.size,
                used: entry.used,
            })
            .collect()
    }
}
