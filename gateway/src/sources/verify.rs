//! Digests are verified by a reader of their own, once per content: the end of a blob waits for the verdict.
//!
//! The reader starts with the first client and keeps on when that one goes away; a slow client does not slow it down.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use sha2::{Digest as _, Sha256, Sha512};
use tokio::sync::{Semaphore, watch};

use crate::content::{Blob, ReadRange};
use crate::names::Digest;

/// How much content is verified at a time; more would only take turns.
const AT_A_TIME: usize = 2;

/// The most verdicts that are remembered; all are forgotten beyond it.
const MOST: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pending,
    Good,
    Bad,
    /// It could not be read this time.
    Unread,
}

/// What is known of content that was read before. Cheap to clone.
#[derive(Clone)]
pub(super) struct Verdicts(Arc<Shared>);

struct Shared {
    known: Mutex<HashMap<String, watch::Receiver<Verdict>>>,
    turns: Semaphore,
}

impl Default for Verdicts {
    fn default() -> Self {
        Self(Arc::new(Shared {
            known: Mutex::default(),
            turns: Semaphore::new(AT_A_TIME),
        }))
    }
}

impl Verdicts {
    /// A blob whose end is only handed out once its content is right. The key names this very copy of the content.
    pub(super) fn guard(&self, key: String, blob: Blob) -> Blob {
        let guarded = Guarded {
            verdicts: self.clone(),
            key,
            blob: blob.clone(),
        };
        Blob {
            bytes: Arc::new(guarded),
            ..blob
        }
    }

    /// Whether content turned out to be something else.
    pub(super) fn is_bad(&self, key: &str) -> bool {
        let known = self.known();
        known
            .get(key)
            .is_some_and(|verdict| *verdict.borrow() == Verdict::Bad)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, watch::Receiver<Verdict>>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The verdict, now or later; whoever asks first has the content read.
    fn ask(&self, key: &str, blob: &Blob) -> watch::Receiver<Verdict> {
        let mut known = self.known();
        if let Some(verdict) = known.get(key) {
            // A reader that ended without a word, or without reading, is followed by another one.
            let is_lost = *verdict.borrow() == Verdict::Pending && verdict.has_changed().is_err();
            if !is_lost && *verdict.borrow() != Verdict::Unread {
                return verdict.clone();
            }
        }
        if known.len() >= MOST {
            known.clear();
        }
        let (sender, verdict) = watch::channel(Verdict::Pending);
        known.insert(key.to_owned(), verdict.clone());
        let (shared, blob) = (Arc::clone(&self.0), blob.clone());
        tokio::spawn(async move {
            let _turn = shared.turns.acquire().await;
            sender.send_replace(read(&blob).await);
        });
        verdict
    }
}

async fn read(blob: &Blob) -> Verdict {
    match is_right(blob).await {
        Ok(true) => Verdict::Good,
        Ok(false) => {
            tracing::warn!(blob.digest = %blob.digest, "the Engine's copy of a blob is something else; it is not used");
            Verdict::Bad
        }
        Err(error) => {
            tracing::warn!(blob.digest = %blob.digest, error = %error, "failed to read a blob of the Engine");
            match error.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::InvalidData
                | io::ErrorKind::UnexpectedEof => Verdict::Bad,
                _ => Verdict::Unread,
            }
        }
    }
}

async fn is_right(blob: &Blob) -> io::Result<bool> {
    let mut hash = Hash::new(&blob.digest);
    let mut pieces = blob.bytes.read(0..blob.size);
    let mut size = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        size += piece.len() as u64;
        hash = tokio::task::spawn_blocking(move || hash.and(&piece))
            .await
            .map_err(io::Error::other)?;
    }
    Ok(size == blob.size && hash.is(&blob.digest))
}

enum Hash {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hash {
    fn new(digest: &Digest) -> Self {
        match digest.algorithm() {
            "sha512" => Self::Sha512(Box::default()),
            _ => Self::Sha256(Sha256::new()),
        }
    }

    fn and(mut self, piece: &[u8]) -> Self {
        match &mut self {
            Self::Sha256(hash) => hash.update(piece),
            Self::Sha512(hash) => hash.update(piece),
        }
        self
    }

    fn is(self, digest: &Digest) -> bool {
        let hash = match self {
            Self::Sha256(hash) => hash.finalize().to_vec(),
            Self::Sha512(hash) => hash.finalize().to_vec(),
        };
        let mut pairs = digest.hex().as_bytes().chunks_exact(2);
        let mut expected = hash.iter().map(|byte| format!("{byte:02x}"));
        pairs.len() == hash.len()
            && pairs.all(|pair| expected.next().is_some_and(|byte| byte.as_bytes() == pair))
    }
}

struct Guarded {
    verdicts: Verdicts,
    key: String,
    blob: Blob,
}

impl ReadRange for Guarded {
    fn read(&self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let verdict = self.verdicts.ask(&self.key, &self.blob);
        let is_end = range.end == self.blob.size;
        let now = *verdict.borrow();
        match now {
            Verdict::Bad => stream::iter([Err(wrong())]).boxed(),
            Verdict::Pending | Verdict::Unread if is_end => {
                hold(self.blob.bytes.read(range), verdict)
            }
            _ => self.blob.bytes.read(range),
        }
    }

    fn is_wrong(&self) -> bool {
        self.verdicts.is_bad(&self.key)
    }
}

/// Holds the last piece until the verdict is there.
fn hold(
    pieces: BoxStream<'static, io::Result<Bytes>>,
    verdict: watch::Receiver<Verdict>,
) -> BoxStream<'static, io::Result<Bytes>> {
    stream::try_unfold(Some((pieces, verdict, None)), |state| async move {
        let Some((mut pieces, mut verdict, mut held)) = state else {
            return Ok(None);
        };
        while let Some(piece) = pieces.next().await.transpose()? {
            if let Some(before) = held.replace(piece) {
                return Ok(Some((before, Some((pieces, verdict, held)))));
            }
        }
        let decided = verdict
            .wait_for(|verdict| *verdict != Verdict::Pending)
            .await;
        match decided.map_or(Verdict::Unread, |verdict| *verdict) {
            Verdict::Good => Ok(held.map(|last| (last, None))),
            Verdict::Bad => Err(wrong()),
            _ => Err(io::Error::other("the content could not be verified")),
        }
    })
    .boxed()
}

fn wrong() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the content is not what its digest says",
    )
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::ops::Range;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

    use super::Verdicts;
    use crate::content::{Blob, ReadRange};
    use crate::names::Digest;

    /// Bytes that come one by one and count how often all of them were read.
    struct Slow(Bytes, Arc<AtomicUsize>);

    impl ReadRange for Slow {
        fn read(&self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
            if range == (0..self.0.len() as u64) {
                self.1.fetch_add(1, Ordering::Relaxed);
            }
            let bytes = self.0.clone();
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            stream::iter(range.map(move |at| Ok(bytes.slice(at..=at)))).boxed()
        }
    }

    fn blob(claimed: &str, real: &'static str) -> (Blob, Arc<AtomicUsize>) {
        let reads = Arc::new(AtomicUsize::new(0));
        let blob = Blob {
            digest: Digest::of(claimed.as_bytes()),
            size: real.len() as u64,
            bytes: Arc::new(Slow(
                Bytes::from_static(real.as_bytes()),
                Arc::clone(&reads),
            )),
        };
        (blob, reads)
    }

    async fn text(blob: &Blob, range: Range<u64>) -> (String, Option<io::ErrorKind>) {
        let mut pieces = blob.bytes.read(range);
        let mut text = String::new();
        loop {
            match pieces.try_next().await {
                Ok(Some(piece)) => text.push_str(std::str::from_utf8(&piece).unwrap()),
                Ok(None) => return (text, None),
                Err(error) => return (text, Some(error.kind())),
            }
        }
    }

    #[tokio::test]
    async fn right_content_is_verified_once() {
        let verdicts = Verdicts::default();
        let (inner, reads) = blob("layer", "layer");
        let guarded = verdicts.guard("key".to_owned(), inner);
        for _ in 0..3 {
            assert_eq!(text(&guarded, 0..5).await, ("layer".to_owned(), None));
        }
        assert!(!guarded.bytes.is_wrong());
        assert_eq!(text(&guarded, 1..3).await, ("ay".to_owned(), None));
        assert_eq!(
            reads.load(Ordering::Relaxed),
            4,
            "three clients and one verifier"
        );
    }

    #[tokio::test]
    async fn wrong_content_never_ends_well_and_is_known_from_then_on() {
        let verdicts = Verdicts::default();
        let (inner, _) = blob("layer", "l@yer");
        let guarded = verdicts.guard("key".to_owned(), inner);
        let refused = Some(io::ErrorKind::InvalidData);
        let (first, error) = text(&guarded, 0..5).await;
        assert!(first.len() < 5 && error == refused, "{first:?} {error:?}");
        assert!(verdicts.is_bad("key") && guarded.bytes.is_wrong());
        assert_eq!(text(&guarded, 0..5).await, (String::new(), refused));
        assert_eq!(text(&guarded, 2..3).await, (String::new(), refused));
    }

    #[tokio::test]
    async fn a_client_that_goes_away_does_not_end_the_verification() {
        let verdicts = Verdicts::default();
        let (inner, reads) = blob("layer", "layer");
        let guarded = verdicts.guard("key".to_owned(), inner.clone());
        drop(guarded.bytes.read(1..5));
        let mut verdict = verdicts.ask("key", &inner);
        assert!(
            verdict
                .wait_for(|verdict| *verdict == super::Verdict::Good)
                .await
                .is_ok()
        );
        assert_eq!(reads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn content_by_sha512_is_verified_too() {
        let digest = Digest::parse(&format!("sha512:{}", "0".repeat(128))).unwrap();
        let (inner, _) = blob("layer", "layer");
        let guarded = Verdicts::default().guard("key".to_owned(), Blob { digest, ..inner });
        assert_eq!(
            text(&guarded, 0..5).await.1,
            Some(io::ErrorKind::InvalidData)
        );
    }
}
