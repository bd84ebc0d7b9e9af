//! Writes an archive anew, as an OCI layout for `ctr image import`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use registries::image::{ImageObject, ImageReference};

use super::archive::{Archive, Image};
use super::document::{Descriptor, MadeIndex};
use super::reader::{Blob, Reader};
use super::{ImageError, media_type};
use crate::digest::Digest;
use crate::engine::ByteStream;
use crate::tar::{self, Kind};

/// An archive that passes through and comes out as an OCI layout, whatever its format was.
///
/// Blobs come out as they come in. Those to be left out are passed by; so are those that came out before. A layer that
/// must be read to be known cannot be named after its digest, nor be left out: it comes out under a name of its own,
/// which importers of containerd take (they know content by hashing it) and strict readers of layouts do not.
/// [`Layout::with_layers`] makes every layer known.
pub struct Layout {
    reader: Option<Reader>,
    leave_out: BTreeSet<Digest>,
    written: BTreeSet<Digest>,
    state: State,
    unnamed: usize,
    archive: Option<Archive>,
}

enum State {
    Between,
    /// The zeros that will follow the current blob.
    Blob(usize),
    Done,
}

impl Layout {
    /// Rewrites what `docker save` writes, without the blobs that whoever receives it has already.
    pub fn new(archive: ByteStream, leave_out: BTreeSet<Digest>) -> Self {
        Self {
            reader: Some(Reader::new(archive)),
            leave_out,
            written: BTreeSet::new(),
            state: State::Between,
            unnamed: 0,
            archive: None,
        }
    }

    /// Tells the layers of an image that will come, see [`Reader::with_layers`].
    #[must_use]
    pub fn with_layers(mut self, diff_ids: &[Digest]) -> Self {
        self.reader = self.reader.map(|reader| reader.with_layers(diff_ids));
        self
    }

    /// The next piece.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ImageError> {
        let Some(reader) = &mut self.reader else {
            return Ok(None);
        };
        if let State::Blob(filling) = self.state {
            if let Some(chunk) = reader.chunk().await? {
                return Ok(Some(chunk));
            }
            self.state = State::Between;
            if filling > 0 {
                return Ok(Some(vec![0; filling].into()));
            }
        }
        while let Some(blob) = reader.next().await? {
            let is_wanted = blob.digest.as_ref().is_none_or(|digest| {
                !self.leave_out.contains(digest) && self.written.insert(digest.clone())
            });
            if !is_wanted {
                reader.skip().await?;
                continue;
            }
            if blob.digest.is_none() {
                self.unnamed += 1;
            }
            self.state = State::Blob(tar::padding(blob.size));
            return Ok(Some(header(&blob, self.unnamed).into()));
        }
        self.state = State::Done;
        let Some(reader) = self.reader.take() else {
            return Ok(None);
        };
        let archive = reader.finish().await?;
        let end = documents(&archive, &self.leave_out)?;
        self.archive = Some(archive);
        Ok(Some(end.into()))
    }

    /// What the archive held, once the last piece was taken.
    pub fn archive(&self) -> Option<&Archive> {
        self.archive.as_ref()
    }

    /// The pieces as a stream.
    pub fn into_stream(self) -> ByteStream {
        stream::try_unfold(self, |mut layout| async move {
            let chunk = layout.chunk().await.map_err(io::Error::other)?;
            Ok(chunk.map(|chunk| (chunk, layout)))
        })
        .boxed()
    }
}

fn header(blob: &Blob, unnamed: usize) -> Vec<u8> {
    let path = match &blob.digest {
        Some(digest) => blob_path(digest),
        None => format!("layers/{unnamed}.tar"),
    };
    tar::entry(&path, Kind::File, 0o644, blob.size)
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// What stands after the blobs: documents, the index and the end.
fn documents(archive: &Archive, leave_out: &BTreeSet<Digest>) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    let mut index = Vec::new();
    let mut wanted = BTreeSet::new();
    for image in &archive.images {
        for target in targets(archive, image, leave_out, &mut wanted) {
            let named = image.names.iter().map(|name| Descriptor {
                annotations: annotations(name),
                ..target.clone()
            });
            let before = index.len();
            index.extend(named);
            if index.len() == before {
                index.push(target.clone());
            }
        }
    }
    let wanted = wanted.difference(leave_out);
    for (digest, document) in wanted.filter_map(|digest| archive.documents.get_key_value(digest)) {
        add(&mut bytes, &blob_path(digest), document);
    }
    let index = MadeIndex {
        schema_version: 2,
        media_type: media_type::INDEX,
        manifests: index,
    };
    let index = serde_json::to_vec(&index).map_err(|error| ImageError::Inconsistent {
        image: "index.json".to_owned(),
        problem: error.to_string(),
    })?;
    add(&mut bytes, "index.json", &index);
    add(
        &mut bytes,
        "oci-layout",
        br#"{"imageLayoutVersion":"1.0.0"}"#,
    );
    bytes.extend(tar::end());
    Ok(bytes)
}

/// What an image's names shall mean: what they mean in the archive, or the whole manifests of an index that is not whole.
/// Importing an index that lacks platforms fails where all platforms are asked for.
fn targets<'a>(
    archive: &Archive,
    image: &'a Image,
    leave_out: &BTreeSet<Digest>,
    wanted: &mut BTreeSet<Digest>,
) -> Vec<&'a Descriptor> {
    let is_there = |descriptor: &Descriptor| {
        let digest = &descriptor.digest;
        leave_out.contains(digest)
            || archive.blobs.contains_key(digest)
            || archive.documents.contains_key(digest)
    };
    let mut whole = Vec::new();
    for manifest in &image.manifests {
        let layers = manifest.layers.iter().map(|layer| &layer.descriptor);
        if layers.chain([&manifest.config]).all(is_there) {
            wanted.insert(manifest.descriptor.digest.clone());
            wanted.insert(manifest.config.digest.clone());
            // A small layer may have been kept as a document.
            wanted.extend(
                manifest
                    .layers
                    .iter()
                    .map(|layer| layer.descriptor.digest.clone()),
            );
            whole.push(&manifest.descriptor);
        }
    }
    let is_index = [media_type::INDEX, media_type::DOCKER_INDEX]
        .contains(&image.target.media_type.as_str())
        || image
            .manifests
            .iter()
            .all(|manifest| manifest.descriptor.digest != image.target.digest);
    let is_whole = whole.len() == image.manifests.len() && image.absent.is_empty();
    if !is_index || is_whole {
        wanted.insert(image.target.digest.clone());
        return vec![&image.target];
    }
    // Of several manifests only those that run somewhere: attestations are for the index that is given up here.
    whole.retain(|descriptor| {
        descriptor
            .platform
            .as_ref()
            .is_some_and(|platform| platform.os != "unknown")
    });
    whole
}

/// Names as importers look for them.
fn annotations(name: &str) -> BTreeMap<String, String> {
    let (name, tag) = match ImageReference::parse(name) {
        Ok(reference) => {
            let (ImageObject::Tag(object) | ImageObject::Digest(object)) = &reference.object;
            (reference.normalized(), object.clone())
        }
        Err(_) => (name.to_owned(), name.to_owned()),
    };
    BTreeMap::from([
        ("io.containerd.image.name".to_owned(), name),
        ("org.opencontainers.image.ref.name".to_owned(), tag),
    ])
}

fn add(bytes: &mut Vec<u8>, path: &str, content: &[u8]) {
    let size = content.len() as u64;
    bytes.extend(tar::entry(path, Kind::File, 0o644, size));
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len() + tar::padding(size), 0);
}
