//! What is known of an image while its archive passes, and the manifest as early as it can be: pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use docker::image::{ImageError, manifest_of};
use serde::Deserialize;

use super::ExportError;
use crate::content::Document;
use crate::names::Digest;
use crate::sources::Found;
use crate::store::{Pin, media_type};

/// What clients wait for.
#[derive(Default)]
pub(super) struct Known {
    pub(super) manifest: Option<Document>,
    /// Manifests and indexes below an index, as they pass.
    pub(super) documents: BTreeMap<Digest, Document>,
    /// Blobs stay in the store as long as somebody has the export.
    pub(super) pins: Vec<Pin>,
    pub(super) end: Option<Result<Box<Found>, ExportError>>,
}

/// The sizes of the layers that passed.
#[derive(Default)]
pub(super) struct Sizes(BTreeMap<docker::Digest, u64>);

/// What of a configuration tells its layers.
#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<docker::Digest>>,
}

impl Sizes {
    pub(super) fn add(&mut self, layer: docker::Digest, size: u64) {
        self.0.insert(layer, size);
    }

    /// The manifest of the image that `document` is the id of: the document itself, or what is made of it when it is a
    /// configuration all of whose layers have passed or begun.
    pub(super) fn manifest(
        &self,
        id: &docker::Digest,
        document: &Bytes,
    ) -> Result<Option<Document>, ImageError> {
        let Ok(config) = serde_json::from_slice::<Config>(document) else {
            return Ok(described(document.clone()));
        };
        let layers: Option<Vec<_>> = config
            .rootfs
            .diff_ids
            .unwrap_or_default()
            .into_iter()
            .map(|layer| {
                let size = *self.0.get(&layer)?;
                Some((layer, size))
            })
            .collect();
        let Some(layers) = layers else {
            return Ok(None);
        };
        manifest_of((id, document.len() as u64), &layers).map(described)
    }
}

/// A document that says what it is.
pub(super) fn described(bytes: Bytes) -> Option<Document> {
    Some(Document {
        media_type: media_type(&bytes)?,
        digest: Digest::of(&bytes),
        bytes,
    })
}
