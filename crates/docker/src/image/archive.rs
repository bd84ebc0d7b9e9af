//! What an archive turned out to hold.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::document::Descriptor;
use crate::digest::Digest;

/// Who wrote an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Docker up to 24, Podman and others: a folder or file per layer.
    Legacy,
    /// Docker 25 and newer with a graph driver: an OCI layout made up for the archive.
    GraphDriver,
    /// containerd's store, `BuildKit` and others: an OCI layout with the content as it was pulled or built.
    Layout,
}

/// An archive that was read to its end.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Who wrote it.
    pub format: Format,
    /// Its images.
    pub images: Vec<Image>,
    /// Every document by its digest: indexes, manifests, configurations, those made here included.
    pub documents: BTreeMap<Digest, Bytes>,
    /// Size of every blob that passed, skipped ones included.
    pub blobs: BTreeMap<Digest, u64>,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What the archive calls it, as written there; an image can be saved without a name.
    pub names: Vec<String>,
    /// The manifest or index that the names mean.
    pub target: Descriptor,
    /// The manifests that are in the archive: one, or those of the platforms that the Engine has.
    pub manifests: Vec<Manifest>,
    /// Manifests of an index that the Engine does not have.
    pub absent: Vec<Descriptor>,
}

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Itself.
    pub descriptor: Descriptor,
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, lowest first.
    pub layers: Vec<Layer>,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The blob.
    pub descriptor: Descriptor,
    /// The digest of what is in it, where the configuration names one.
    pub diff_id: Option<Digest>,
    /// Whether the blob passed; containerd's store may lack layers that it has unpacked.
    pub is_here: bool,
}

impl Manifest {
    /// Whether everything it names was in the archive.
    pub fn is_complete(&self, documents: &BTreeMap<Digest, Bytes>) -> bool {
        documents.contains_key(&self.config.digest) && self.layers.iter().all(|layer| layer.is_here)
    }
}
