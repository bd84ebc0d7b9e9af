//! What was learnt from the Engine and from registries, as long as this process lives. All of it can be learnt again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::MirrorError;
use super::access::{Identity, Standing};
use super::holding::Held;
use crate::content::Blob;
use crate::names::{Digest, MirroredName, Reference, Tag};

/// More is not kept: what was thrown away is learnt again.
const MOST: usize = 4096;
/// Images whose content is at hand.
const MOST_HELD: usize = 512;

/// What an image links into a repository, and how it stands to callers there.
#[derive(Clone, Debug)]
pub(super) struct Linked {
    /// The image's id, or what stands for a manifest that came from its registry.
    pub(super) image: Digest,
    /// Who may have it.
    pub(super) standing: Standing,
    /// What of the registry proves that somebody may have it.
    pub(super) proof: Reference,
    /// Its documents and blobs.
    pub(super) digests: Arc<BTreeSet<Digest>>,
}

impl Linked {
    /// Whether callers have the same image by the same right.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.image == other.image && self.standing == other.standing && self.proof == other.proof
    }
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
    arrivals: HashMap<(MirroredName, Digest), Blob>,
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

    /// A blob that its registry is giving to a repository now.
    pub(super) fn arrival(&self, name: &MirroredName, digest: &Digest) -> Option<Blob> {
        let key = (name.clone(), digest.clone());
        self.inner().arrivals.get(&key).cloned()
    }

    /// A registry begins to give a blob to a repository.
    pub(super) fn set_arrival(&self, name: &MirroredName, blob: Blob) {
        let key = (name.clone(), blob.digest.clone());
        self.inner().arrivals.insert(key, blob);
    }

    /// The blob is here, or will never be.
    pub(super) fn end_arrival(&self, name: &MirroredName, digest: &Digest) {
        let key = (name.clone(), digest.clone());
        self.inner().arrivals.remove(&key);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::{Linked, Memory};
    use crate::mirror::access::{Identity, Standing};
    use crate::mirror::{Caller, Login, MirrorError, Reach};
    use crate::names::{Digest, Host, MirroredName, Name, Reference};

    fn name(repository: &str) -> MirroredName {
        MirroredName {
            host: Host::parse("a.io").unwrap(),
            repository: Name::parse(repository).unwrap(),
        }
    }

    fn digest(letter: char) -> Digest {
        Digest::parse(&format!("sha256:{}", letter.to_string().repeat(64))).unwrap()
    }

    fn who(user: Option<&str>) -> Identity {
        let caller = Caller {
            address: [127, 0, 0, 1].into(),
            login: user.map(|user| Login {
                user: user.into(),
                password: "p".into(),
            }),
            reach: Reach::Upstream,
        };
        Identity::of(&caller, &[1; 32])
    }

    fn linked(image: char, parts: &str) -> Linked {
        Linked {
            image: digest(image),
            standing: Standing::Open,
            proof: Reference::Digest(digest(image)),
            digests: Arc::new(parts.chars().map(digest).collect::<BTreeSet<_>>()),
        }
    }

    #[test]
    fn a_repository_shows_what_its_images_link_until_they_go() {
        let memory = Memory::default();
        memory.link(&name("one"), linked('a', "ab"));
        memory.link(&name("one"), linked('c', "bc"));
        let images = |repository: &str, of: char| -> Vec<Digest> {
            let linked = memory.linked(&name(repository), &digest(of));
            linked.into_iter().map(|linked| linked.image).collect()
        };
        assert_eq!(images("one", 'b'), [digest('a'), digest('c')]);
        assert_eq!(images("two", 'b'), []);
        memory.forget(&digest('a'));
        assert_eq!(images("one", 'b'), [digest('c')]);
        assert_eq!(images("one", 'a'), []);
        memory.forget_all();
        assert_eq!(images("one", 'b'), []);
    }

    #[test]
    fn proofs_are_good_for_a_while_and_for_one_login_repository_and_thing() {
        let memory = Memory::default();
        let (now, proof) = (Instant::now(), Reference::Digest(digest('a')));
        let lifetime = Duration::from_secs(300);
        memory.set_proved((&name("one"), &proof, who(Some("ada"))), now, lifetime);
        let proved = |repository: &str, proof: &Reference, user: Option<&str>, later: u64| {
            let then = now + Duration::from_secs(later);
            memory.proved(&name(repository), proof, who(user), then)
        };
        assert!(proved("one", &proof, Some("ada"), 299));
        assert!(!proved("one", &proof, Some("ada"), 300));
        assert!(!proved("one", &proof, Some("eve"), 1));
        assert!(!proved("one", &proof, None, 1));
        assert!(!proved("two", &proof, Some("ada"), 1));
        assert!(!proved(
            "one",
            &Reference::Digest(digest('b')),
            Some("ada"),
            1
        ));
    }

    #[test]
    fn what_nobody_had_is_looked_for_again_when_something_is_new() {
        let memory = Memory::default();
        let now = Instant::now();
        let miss = || memory.miss(&name("one"), &digest('a'), who(None), now);
        let error = MirrorError::Unknown("no".into());
        let lifetime = Duration::from_secs(30);
        memory.set_miss(
            (&name("one"), &digest('a'), who(None)),
            error.clone(),
            now,
            lifetime,
        );
        assert_eq!(miss(), Some(error));
        memory.forget_doubts();
        assert_eq!(miss(), None);
    }
}
