//! Images of containerd's store: documents that name documents and blobs, wherever the content is read from.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::containerd::Socket;
use super::content_files::Files;
use super::stream::Memory;
use super::verify::Verdicts;
use super::{Found, SourceError};
use crate::content::{Blob, Document, ReadRange};
use crate::names::Digest;

/// The largest document.
pub(super) const LARGEST_DOCUMENT: u64 = 8 * 1024 * 1024;
/// The most that all documents of an image may take.
const DOCUMENTS: usize = 32 * 1024 * 1024;
/// The most descriptors that are looked at.
const MOST_DESCRIPTORS: usize = 20_000;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Where content is read from.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Files named after digests.
    Files(Arc<Files>),
    /// containerd's socket.
    Socket(Socket),
}

impl Content {
    /// A document as a whole, if it is there.
    async fn document(&self, digest: &Digest) -> io::Result<Option<Bytes>> {
        match self {
            Self::Files(files) => {
                let (files, digest) = (Arc::clone(files), digest.clone());
                let read =
                    tokio::task::spawn_blocking(move || files.whole(&digest, LARGEST_DOCUMENT))
                        .await;
                read.unwrap_or_else(|error| Err(io::Error::other(error)))
            }
            Self::Socket(socket) => socket.whole(digest, LARGEST_DOCUMENT).await,
        }
    }

    /// A blob of this size that is read later, with what names this copy of it; `None` when it is not there.
    async fn blob(
        &self,
        digest: &Digest,
        size: u64,
    ) -> io::Result<Option<(String, Arc<dyn ReadRange>)>> {
        match self {
            Self::Files(files) => {
                let (files, digest) = (Arc::clone(files), digest.clone());
                let looked = tokio::task::spawn_blocking(move || files.blob(&digest, size)).await;
                looked.unwrap_or_else(|error| Err(io::Error::other(error)))
            }
            Self::Socket(socket) => {
                let is_whole = socket.size(digest).await? == Some(size);
                Ok(is_whole.then(|| {
                    let content: Arc<dyn ReadRange> = Arc::new(socket.content(digest.clone()));
                    (format!("{digest} of containerd"), content)
                }))
            }
        }
    }

    /// An image by the digest that its name means, with the type the Engine gives it, if any.
    pub(super) async fn find(
        &self,
        target: &Digest,
        media_type: &str,
        verdicts: &Verdicts,
    ) -> Result<Option<Found>, SourceError> {
        let what = format!("image {target}");
        let failed = |error: WalkError| match error {
            WalkError::Io(source) => SourceError::Io {
                what: what.clone(),
                source,
            },
            WalkError::Problem(problem) => SourceError::Unusable {
                what: what.clone(),
                problem,
            },
        };
        let root = Described {
            media_type: media_type.to_owned(),
            digest: target.clone(),
            size: None,
            data: None,
        };
        let documents = self.documents(root).await.map_err(failed)?;
        let Some((manifest, parts)) = documents else {
            return Ok(None);
        };
        let mut found = Found {
            manifest,
            documents: parts.documents,
            blobs: BTreeMap::new(),
            missing: Vec::new(),
            absent: parts.absent,
        };
        let mut seen = BTreeSet::new();
        for described in parts.blobs {
            if !seen.insert(described.digest.clone()) {
                continue;
            }
            match self.described(&described, verdicts).await.map_err(failed)? {
                Some(blob) => drop(found.blobs.insert(described.digest, blob)),
                None if described.is_elsewhere() => {}
                None => found.missing.push(described.digest),
            }
        }
        Ok(Some(found))
    }

    async fn described(
        &self,
        described: &Described,
        verdicts: &Verdicts,
    ) -> Result<Option<Blob>, WalkError> {
        if let Some(bytes) = described.inline() {
            return Ok(Some(Blob {
                digest: described.digest.clone(),
                size: bytes.len() as u64,
                bytes: Arc::new(Memory(bytes)),
            }));
        }
        let size = described
            .size
            .ok_or_else(|| WalkError::new("a blob of it has no size"))?;
        let Some((key, bytes)) = self.blob(&described.digest, size).await? else {
            return Ok(None);
        };
        if verdicts.is_bad(&key) {
            return Ok(None);
        }
        let blob = Blob {
            digest: described.digest.clone(),
            size,
            bytes,
        };
        Ok(Some(verdicts.guard(key, blob)))
    }

    /// The document a descriptor means, and everything below it.
    async fn documents(&self, root: Described) -> Result<Option<(Document, Parts)>, WalkError> {
        let mut parts = Parts::default();
        let Some(first) = self.one(&root, &mut parts).await? else {
            return Ok(None);
        };
        while let Some(child) = parts.to_read.pop() {
            if child.digest == root.digest || parts.documents.contains_key(&child.digest) {
                continue;
            }
            match self.one(&child, &mut parts).await? {
                Some(document) => drop(parts.documents.insert(child.digest, document)),
                None if parts.absent.contains(&child.digest) => {}
                None => parts.absent.push(child.digest),
            }
        }
        Ok(Some((first, parts)))
    }

    async fn one(
        &self,
        described: &Described,
        parts: &mut Parts,
    ) -> Result<Option<Document>, WalkError> {
        let bytes = match described.inline() {
            Some(bytes) => bytes,
            None => match self.document(&described.digest).await? {
                Some(bytes) => bytes,
                None => return Ok(None),
            },
        };
        if !described.digest.is_of(&bytes) {
            return Err(WalkError::new("a document is not what its digest says"));
        }
        let media_type = parts.add(described, &bytes)?;
        Ok(Some(Document {
            media_type,
            digest: described.digest.clone(),
            bytes,
        }))
    }
}

/// What documents name.
#[derive(Debug, Default)]
struct Parts {
    documents: BTreeMap<Digest, Document>,
    blobs: Vec<Described>,
    absent: Vec<Digest>,
    to_read: Vec<Described>,
    size: usize,
    descriptors: usize,
}

impl Parts {
    /// Takes what a document names, and says what type it is.
    fn add(&mut self, described: &Described, bytes: &[u8]) -> Result<String, WalkError> {
        let parsed: Parsed = serde_json::from_slice(bytes).map_err(|error| {
            WalkError::Problem(format!(
                "line {} of a document names no content",
                error.line()
            ))
        })?;
        let has_manifests = parsed.manifests.is_some();
        let (manifests, layers) = (
            parsed.manifests.unwrap_or_default(),
            parsed.layers.unwrap_or_default(),
        );
        self.size += bytes.len();
        self.descriptors += manifests.len() + layers.len() + 1;
        if self.size > DOCUMENTS || self.descriptors > MOST_DESCRIPTORS {
            return Err(WalkError::new("it names more content than any image"));
        }
        let is_index = parsed.config.is_none();
        if is_index && !has_manifests {
            return Err(WalkError::new(
                "a document is neither an index nor a manifest",
            ));
        }
        self.to_read.extend(manifests);
        self.blobs.extend(parsed.config);
        self.blobs.extend(layers);
        let guess = if is_index { INDEX } else { MANIFEST };
        let types = [parsed.media_type.as_str(), described.media_type.as_str()];
        Ok(types
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or(guess)
            .to_owned())
    }
}

/// An index or a manifest, whichever fields it has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parsed {
    #[serde(default)]
    media_type: String,
    manifests: Option<Vec<Described>>,
    config: Option<Described>,
    layers: Option<Vec<Described>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    #[serde(default)]
    media_type: String,
    digest: Digest,
    size: Option<u64>,
    data: Option<String>,
}

impl Described {
    /// Content that stands in the descriptor itself, if it is what the digest says.
    fn inline(&self) -> Option<Bytes> {
        let bytes = STANDARD.decode(self.data.as_ref()?).ok()?;
        self.digest.is_of(&bytes).then(|| bytes.into())
    }

    /// Layers that nobody distributes are fetched from where their maker keeps them.
    fn is_elsewhere(&self) -> bool {
        self.media_type.contains("nondistributable") || self.media_type.contains("foreign")
    }
}

enum WalkError {
    Io(io::Error),
    Problem(String),
}

impl WalkError {
    fn new(problem: &str) -> Self {
        Self::Problem(problem.to_owned())
    }
}

impl From<io::Error> for WalkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
#[path = "content_store_tests.rs"]
mod tests;
