//! What was learnt from the Engine and from registries, as long as this process lives. All of it can be learnt again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::MirrorError;
use super::access::{Identity, Standing};
use super::holding::Held;
use crate::names::{Digest, MirroredName, Reference, Tag};

/// More is not kept: what was thrown away is learnt again.
const MOST: usize = 4096;
/// Images whose content is at hand.
const MOST_HELD: usize = 512;

/// What an image links into a repository, and how it stands to callers there.
#[derive(Clone, Debug)]
pub(super) struct Linked {
    /// The image's id, or the digest of a manifest that the Engine does not have.
    pub(super) image: Digest,
    /// Who may have it.
    pub(super) standing: Standing,
    /// What of the registry proves that somebody may have it.
    pub(super) proof: Reference,
    /// Its documents and blobs.
    pub(super) digests: Arc<BTreeSet<Digest>>,
}

/// Times are arguments: nothing here looks at a clock.
#[derive(Default)]
pub(super) struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    held: HashMap<Digest, Arc<Held>>,
    repositories: HashMap<MirroredName, BTreeMap<Digest, Linked>>,
    misses: Until<(MirroredName, Digest, Identity), MirrorError>,
    proofs: Until<(MirroredName, Reference, Identity), ()>,
    checked: Until<(MirroredName, Tag), ()>,
}

/// Things that are good for a while.
struct Until<K, V>(HashMap<K, (Instant, V)>);

impl<K, V> Default for Until<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash, V: Clone> Until<K, V> {
    fn get(&self, key: &K, now: Instant) -> Option<V> {
        let (end, value) = self.0.get(key)?;
        (now < *end).then(|| value.clone())
    }

    fn insert(&mut self, key: K, value: V, now: Instant, lifetime: Duration) {
        if self.0.len() >= MOST {
            self.0.retain(|_, (end, _)| now < *end);
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(key, (now + lifetime, value));
    }
}

impl Memory {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The content of an image, if it is at hand.
    pub(super) fn held(&self, image: &Digest) -> Option<Arc<Held>> {
        self.inner().held.get(image).cloned()
    }

    /// Keeps the content of an image at hand.
    pub(super) fn hold(&self, held: &Arc<Held>) {
        let mut inner = self.inner();
        if inner.held.len() >= MOST_HELD {
            inner.held.clear();
        }
        inner.held.insert(held.image.clone(), Arc::clone(held));
    }

    /// Shows an image in a repository.
    pub(super) fn link(&self, name: &MirroredName, linked: Linked) {
        let mut inner = self.inner();
        if inner.repositories.len() >= MOST && !inner.repositories.contains_key(name) {
            inner.repositories.clear();
        }
        let repository = inner.repositories.entry(name.clone()).or_default();
        repository.insert(linked.image.clone(), linked);
    }

    /// The images that show a document or blob in a repository.
    pub(super) fn linked(&self, name: &MirroredName, digest: &Digest) -> Vec<Linked> {
        let inner = self.inner();
        let images = inner.repositories.get(name).into_iter().flatten();
        images
            .map(|(_, linked)| linked)
            .filter(|linked| linked.digests.contains(digest))
            .cloned()
            .collect()
    }

    /// The Engine may no longer have an image.
    pub(super) fn forget(&self, image: &Digest) {
        let mut inner = self.inner();
        inner.held.remove(image);
        for repository in inner.repositories.values_mut() {
            repository.remove(image);
        }
    }

    /// The Engine was away: whatever it was that it had may have changed.
    pub(super) fn forget_all(&self) {
        let mut inner = self.inner();
        inner.held.clear();
        inner.repositories.clear();
        inner.misses.0.clear();
        inner.checked.0.clear();
    }

    /// Something is new: it may be what nobody had, or what an image lacked.
    pub(super) fn forget_doubts(&self) {
        let mut inner = self.inner();
        inner.misses.0.clear();
        inner.held.retain(|_, held| held.missing.is_empty());
    }

    /// Why nobody had a digest a moment ago.
    pub(super) fn miss(
        &self,
        name: &MirroredName,
        digest: &Digest,
        who: Identity,
        now: Instant,
    ) -> Option<MirrorError> {
        let key = (name.clone(), digest.clone(), who);
        self.inner().misses.get(&key, now)
    }

    /// Nobody has a digest.
    pub(super) fn set_miss(
        &self,
        (name, digest, who): (&MirroredName, &Digest, Identity),
        error: MirrorError,
        now: Instant,
        lifetime: Duration,
    ) {
        let key = (name.clone(), digest.clone(), who);
        self.inner().misses.insert(key, error, now, lifetime);
    }

    /// Whether somebody has proved that he may have something.
    pub(super) fn proved(
        &self,
        name: &MirroredName,
        proof: &Reference,
        who: Identity,
        now: Instant,
    ) -> bool {
        let key = (name.clone(), proof.clone(), who);
        self.inner().proofs.get(&key, now).is_some()
    }

    /// Somebody has proved that he may have something.
    pub(super) fn set_proved(
        &self,
        (name, proof, who): (&MirroredName, &Reference, Identity),
        now: Instant,
        lifetime: Duration,
    ) {
        let key = (name.clone(), proof.clone(), who);
        self.inner().proofs.insert(key, (), now, lifetime);
    }

    /// Whether the registry was asked about a tag lately.
    pub(super) fn checked(&self, name: &MirroredName, tag: &Tag, now: Instant) -> bool {
        let key = (name.clone(), tag.clone());
        self.inner().checked.get(&key, now).is_some()
    }

    /// The registry was asked about a tag.
    pub(super) fn set_checked(
        &self,
        (name, tag): (&MirroredName, &Tag),
        now: Instant,
        lifetime: Duration,
    ) {
        let key = (name.clone(), tag.clone());
        self.inner().checked.insert(key, (), now, lifetime);
    }
}
