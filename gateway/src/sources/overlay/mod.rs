//! Images of the overlay2 graph driver, read where the Engine keeps them.
//!
//! The Engine keeps unpacked layers, and beside each how its archive was: from both the archive is put together anew
//! while it is read, byte for byte, from any place. Its size is known without reading the files. The manifest is made as
//! from an archive of `docker save`, so that an image has one digest whichever way it is read.

mod layer_tar;
mod layers;
mod tar_split;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use self::layers::{DataRoot, Kept};
use super::stream::{Blocking, Memory};
use super::verify::Verdicts;
use super::{Found, SourceError};
use crate::content::{Blob, Document};
use crate::names::Digest;

/// What the manifests are that are made here.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The most sizes of layers that are remembered; all are forgotten beyond it.
const MOST_SIZES: usize = 100_000;

/// Sizes of archives by the folder of the layer: finding one means reading all of its description.
pub(super) type Sizes = Arc<Mutex<HashMap<String, u64>>>;

/// The images of a data root.
#[derive(Clone, Debug)]
pub(super) struct Overlay {
    root: DataRoot,
    sizes: Sizes,
}

impl Overlay {
    /// Checks that a data root is readable.
    pub(super) fn open(root: &Path, sizes: &Sizes) -> io::Result<Self> {
        Ok(Self {
            root: DataRoot::open(root)?,
            sizes: Arc::clone(sizes),
        })
    }

    /// The image of this id, which for graph drivers is its configuration's digest.
    pub(super) async fn find(
        &self,
        id: &Digest,
        verdicts: &Verdicts,
    ) -> Result<Option<Found>, SourceError> {
        let Ok(id) = id.as_str().parse::<docker::Digest>() else {
            return Ok(None);
        };
        let what = format!("image {id}");
        let overlay = self.clone();
        let looked = tokio::task::spawn_blocking(move || overlay.look(&id)).await;
        let looked = looked.unwrap_or_else(|error| Err(io::Error::other(error)));
        let Some(image) = looked.map_err(|source| SourceError::Io {
            what: what.clone(),
            source,
        })?
        else {
            return Ok(None);
        };
        image
            .found(verdicts)
            .map_err(|problem| SourceError::Unusable { what, problem })
    }

    fn look(&self, id: &docker::Digest) -> io::Result<Option<Image>> {
        let Some(config) = self.root.config(id)? else {
            return Ok(None);
        };
        let Some(layers) = self.root.layers_of(&config)? else {
            return Ok(None);
        };
        let sizes = self.sizes(&layers)?;
        Ok(Some(Image {
            id: id.clone(),
            config: config.into(),
            layers: layers.into_iter().zip(sizes).collect(),
        }))
    }

    /// The sizes of layers; those that are not known are found by two threads.
    fn sizes(&self, layers: &[Kept]) -> io::Result<Vec<u64>> {
        let unknown: Vec<&Kept> = {
            let known = self.known();
            layers
                .iter()
                .filter(|layer| !known.contains_key(&layer.cache_id))
                .collect()
        };
        let (some, others) = unknown.split_at(unknown.len() / 2);
        let all = |layers: &[&Kept]| {
            layers
                .iter()
                .try_for_each(|layer| self.size(layer).map(drop))
        };
        if unknown.len() > 1 {
            std::thread::scope(|scope| {
                let other = scope.spawn(|| all(others));
                all(some)?;
                other
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("a thread ended early")))
            })?;
        }
        layers.iter().map(|layer| self.size(layer)).collect()
    }

    fn size(&self, layer: &Kept) -> io::Result<u64> {
        if let Some(size) = self.known().get(&layer.cache_id) {
            return Ok(*size);
        }
        let size = layer.files.size()?;
        let mut known = self.known();
        if known.len() >= MOST_SIZES {
            known.clear();
        }
        known.insert(layer.cache_id.clone(), size);
        Ok(size)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An image, as it is kept.
struct Image {
    id: docker::Digest,
    config: Bytes,
    layers: Vec<(Kept, u64)>,
}

impl Image {
    /// The image as it is served; `None` when one of its layers turned out to be something else.
    fn found(self, verdicts: &Verdicts) -> Result<Option<Found>, String> {
        let sizes: Vec<_> = self
            .layers
            .iter()
            .map(|(layer, size)| (layer.diff_id.clone(), *size))
            .collect();
        let manifest = docker::image::manifest_of((&self.id, self.config.len() as u64), &sizes)
            .map_err(|error| error.to_string())?;
        let mut blobs = BTreeMap::new();
        let config = Blob {
            digest: Digest::of(&self.config),
            size: self.config.len() as u64,
            bytes: Arc::new(Memory(self.config)),
        };
        blobs.insert(config.digest.clone(), config);
        for (layer, size) in self.layers {
            let key = format!("overlay2 {}", layer.cache_id);
            if verdicts.is_bad(&key) {
                return Ok(None);
            }
            let blob = Blob {
                digest: Digest::parse(layer.diff_id.as_str()).map_err(|error| error.to_string())?,
                size,
                bytes: Arc::new(Blocking(Arc::new(layer.files))),
            };
            blobs.insert(blob.digest.clone(), verdicts.guard(key, blob));
        }
        Ok(Some(Found {
            manifest: Document {
                media_type: MANIFEST.to_owned(),
                digest: Digest::of(&manifest),
                bytes: manifest,
            },
            documents: BTreeMap::new(),
            blobs,
            missing: Vec::new(),
            absent: Vec::new(),
        }))
    }
}

#[cfg(test)]
#[path = "overlay_tests.rs"]
mod tests;
