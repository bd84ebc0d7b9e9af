//! The content of an image of the Engine: read where it lies, else what was exported before, else exported now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use docker::models::ImageInspect;
use futures::TryStreamExt as _;

use super::MirrorError;
use super::engine_mirror::Shared;
use super::link::Connected;
use super::parts::{document, parts};
use crate::content::{Blob, Document};
use crate::names::Digest;
use crate::sources::Found;
use crate::sources::export::ExportError;

/// No manifest and no index is larger.
const LARGEST_DOCUMENT: u64 = 8 << 20;

/// What is at hand of an image.
#[derive(Clone)]
pub(super) struct Held {
    /// Its id.
    pub(super) image: Digest,
    /// What a tag means.
    pub(super) manifest: Document,
    /// This manifest and the ones below it.
    pub(super) documents: BTreeMap<Digest, Document>,
    /// Blobs that are read where they lie.
    pub(super) blobs: BTreeMap<Digest, Blob>,
    /// Blobs that the Engine lacks.
    pub(super) missing: Vec<Digest>,
    /// The image as the Engine showed it, when what is not among the blobs comes by an export.
    pub(super) exported: Option<Box<ImageInspect>>,
}

/// How much may be done for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// What takes milliseconds.
    Look,
    /// An export as well.
    Export,
}

impl Held {
    fn found(image: Digest, found: Found) -> Self {
        let mut documents = found.documents;
        documents.insert(found.manifest.digest.clone(), found.manifest.clone());
        Self {
            image,
            manifest: found.manifest,
            documents,
            blobs: found.blobs,
            missing: found.missing,
            exported: None,
        }
    }

    fn exported(image: Digest, inspect: &ImageInspect, manifest: Document) -> Self {
        Self {
            image,
            exported: Some(Box::new(inspect.clone())),
            documents: BTreeMap::from([(manifest.digest.clone(), manifest.clone())]),
            manifest,
            blobs: BTreeMap::new(),
            missing: Vec::new(),
        }
    }

    /// The same with a manifest below it, which an export gave since.
    pub(super) fn with(&self, document: Document) -> Self {
        let mut held = self.clone();
        held.documents.insert(document.digest.clone(), document);
        held
    }

    /// Everything that the image shows in a repository.
    pub(super) fn digests(&self) -> BTreeSet<Digest> {
        let mut digests: BTreeSet<Digest> = self.documents.keys().cloned().collect();
        for document in self.documents.values() {
            let parts = parts(document);
            digests.extend(parts.blobs.into_iter().map(|part| part.digest));
            if self.exported.is_some() {
                digests.extend(parts.children.into_iter().map(|part| part.digest));
            }
        }
        digests
    }

    /// Whether the image has a document or blob, or may turn out to.
    pub(super) fn may_have(&self, digest: &Digest) -> bool {
        self.documents.contains_key(digest)
            || self.exported.is_some() && self.digests().contains(digest)
    }
}

/// The id of an image as a digest; an Engine that has none that can be read has no image.
pub(super) fn id_of(image: &ImageInspect) -> Result<Digest, MirrorError> {
    let id = image.id.as_deref().unwrap_or_default();
    Digest::parse(id)
        .or_else(|_| Digest::parse(&format!("sha256:{id}")))
        .map_err(|_| {
            MirrorError::BadGateway("the Docker Engine shows an image without an id".to_owned())
        })
}

impl Shared {
    /// The content of an image; `None` when only an export could tell.
    pub(super) async fn hold(
        self: &Arc<Self>,
        connected: &Connected,
        image: &ImageInspect,
        effort: Effort,
    ) -> Result<Option<Arc<Held>>, MirrorError> {
        let id = id_of(image)?;
        // A blob that turned out to be something else where it lies is found elsewhere.
        let is_right = |held: &Arc<Held>| !held.blobs.values().any(|blob| blob.bytes.is_wrong());
        if let Some(held) = self.memory.held(&id).filter(is_right) {
            return Ok(Some(held));
        }
        let held = match self.find(connected, image, &id).await {
            Some(found) => Held::found(id, found),
            None => match (self.exported_before(&id).await, effort) {
                (Some(manifest), _) => {
                    let held = Held::exported(id, image, manifest);
                    self.with_children(held).await
                }
                (None, Effort::Look) => return Ok(None),
                (None, Effort::Export) => {
                    let export = connected.exports.start(image).await?;
                    Held::exported(id, image, export.manifest().await?)
                }
            },
        };
        let held = Arc::new(held);
        self.memory.hold(&held);
        Ok(Some(held))
    }

    /// Reads the image where it lies. What cannot be read there can still be exported.
    async fn find(
        self: &Arc<Self>,
        connected: &Connected,
        image: &ImageInspect,
        id: &Digest,
    ) -> Option<Found> {
        let (sources, image) = (connected.sources.clone(), image.clone());
        let found = self
            .finding
            .join(id.clone(), move || async move {
                sources
                    .find(&image)
                    .await
                    .map_err(|error| Arc::new(error.to_string()))
            })
            .await;
        match found {
            Some(Ok(found)) => found,
            Some(Err(error)) => {
                tracing::warn!(image.id = %id, error = %error, "the image is exported instead");
                None
            }
            None => None,
        }
    }

    /// What an export of the image gave once.
    async fn exported_before(&self, id: &Digest) -> Option<Document> {
        let digest = self.store.facts().manifest_of(id)?;
        self.stored_document(&digest).await
    }

    /// With the manifests below an index that an export gave once.
    async fn with_children(&self, mut held: Held) -> Held {
        for child in parts(&held.manifest).children {
            if let Some(document) = self.stored_document(&child.digest).await {
                held = held.with(document);
            }
        }
        held
    }

    /// A document that the store has, whoever showed it.
    async fn stored_document(&self, digest: &Digest) -> Option<Document> {
        if !self.store.has(digest) {
            return None;
        }
        read_document(&self.store.blob(digest)?).await
    }

    /// A document of an image. Those of an export are blobs until they are asked for.
    pub(super) async fn document_of(
        &self,
        connected: &Connected,
        held: &Held,
        digest: &Digest,
    ) -> Result<Option<Document>, MirrorError> {
        if let Some(document) = held.documents.get(digest) {
            return Ok(Some(document.clone()));
        }
        let is_child = |document: &Document| {
            let children = parts(document).children;
            children.iter().any(|part| part.digest == *digest)
        };
        let Some(image) = &held.exported else {
            return Ok(None);
        };
        if !held.documents.values().any(is_child) {
            return Ok(None);
        }
        if let Some(document) = self.stored_document(digest).await {
            return Ok(Some(document));
        }
        let export = connected.exports.start(image).await?;
        Ok(export.document(digest).await?)
    }
}

impl From<ExportError> for MirrorError {
    fn from(error: ExportError) -> Self {
        let message = error.to_string();
        match error {
            ExportError::Gone => Self::Unknown(message),
            ExportError::NoSpace(_) => Self::NoSpace(message),
            ExportError::Failed(_) => Self::BadGateway(message),
        }
    }
}

/// A blob that may be a document, read as one.
pub(super) async fn read_document(blob: &Blob) -> Option<Document> {
    if blob.size > LARGEST_DOCUMENT {
        return None;
    }
    let pieces = blob.bytes.read(0..blob.size);
    let collect = |mut all: BytesMut, piece: Bytes| async move {
        all.extend_from_slice(&piece);
        Ok(all)
    };
    let bytes = pieces.try_fold(BytesMut::new(), collect).await.ok()?;
    document(bytes.freeze(), None).filter(|document| document.digest == blob.digest)
}
