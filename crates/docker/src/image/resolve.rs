//! From what passed to what it is: pure, after the last byte.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::archive::{Archive, Format, Image, Layer, Manifest};
use super::document::{Config, Description, Descriptor, Document, MadeManifest, Platform, Saved};
use super::{ImageError, media_type};
use crate::digest::Digest;

/// How many links may lead to a layer.
const MOST_LINKS: usize = 8;

/// How deep indexes may lie in indexes.
const DEEPEST: usize = 4;

/// Where containerd keeps an image's full name.
const IMAGE_NAME: &str = "io.containerd.image.name";
/// Where the OCI keeps its tag or name.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// What of an archive is kept while it passes.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) documents: BTreeMap<String, Bytes>,
    pub(super) links: BTreeMap<String, String>,
    files: BTreeMap<String, Passed>,
}

#[derive(Clone, Debug)]
struct Passed {
    digest: Digest,
    size: u64,
    is_gzip: bool,
}

impl Content {
    pub(super) fn add_blob(&mut self, path: String, digest: Digest, size: u64, is_gzip: bool) {
        let passed = Passed {
            digest,
            size,
            is_gzip,
        };
        self.files.insert(path, passed);
    }

    /// A file at a path, or where links from there lead. Small layers may have been taken for documents.
    fn file(&self, path: &str) -> Option<Passed> {
        let mut path = path;
        for _ in 0..MOST_LINKS {
            match self.links.get(path) {
                Some(target) => path = target,
                None => break,
            }
        }
        let document = || {
            let document = self.documents.get(path)?;
            Some(Passed {
                digest: Digest::of(document),
                size: document.len() as u64,
                is_gzip: false,
            })
        };
        self.files.get(path).cloned().or_else(document)
    }

    fn json<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, ImageError> {
        let Some(document) = self.documents.get(path) else {
            return Ok(None);
        };
        parse(path, document).map(Some)
    }

    /// The signs of a layout that was made up for the archive: its tags are listed once more, layers have sources, there are
    /// descriptions of legacy layers, or an image that has no name is in no index.
    fn is_made_up(&self, saved: &[Saved], index: &Document) -> bool {
        let is_description = |document: &Bytes| {
            serde_json::from_slice(document).is_ok_and(|found: Description| {
                found.rootfs.is_none() && Digest::of_hex(&found.id).is_ok()
            })
        };
        !saved.is_empty()
            && (self.documents.contains_key("repositories")
                || saved.iter().any(|saved| saved.layer_sources.is_some())
                || index.manifests.iter().flatten().next().is_none()
                || self.documents.values().any(is_description))
    }
}

/// Errors name the line only.
fn parse<T: DeserializeOwned>(path: &str, document: &[u8]) -> Result<T, ImageError> {
    serde_json::from_slice(document).map_err(|error| ImageError::Json {
        path: path.to_owned(),
        line: error.line(),
    })
}

/// Says what an archive held.
pub(super) fn resolve(content: &Content) -> Result<Archive, ImageError> {
    let saved: Vec<Saved> = content.json("manifest.json")?.unwrap_or_default();
    let index: Option<Document> = content.json("index.json")?;
    let format = match &index {
        Some(index) if !content.is_made_up(&saved, index) => Format::Layout,
        Some(_) => Format::GraphDriver,
        None if saved.is_empty() => return Err(ImageError::NoImage),
        None => Format::Legacy,
    };
    let blobs = content
        .files
        .values()
        .map(|file| (file.digest.clone(), file.size))
        .collect();
    let documents = content
        .documents
        .iter()
        .filter(|(path, _)| path.starts_with("blobs/"))
        .map(|(_, document)| (Digest::of(document), document.clone()))
        .collect();
    let mut archive = Archive {
        format,
        images: Vec::new(),
        documents,
        blobs,
    };
    match (format, index) {
        (Format::Layout, Some(index)) => {
            archive.images = images(&archive, &index)?;
        }
        _ => {
            for saved in &saved {
                let image = made_image(content, saved, &mut archive.documents)?;
                archive.images.push(image);
            }
        }
    }
    Ok(archive)
}

/// An image whose manifest is made here.
fn made_image(
    content: &Content,
    saved: &Saved,
    documents: &mut BTreeMap<Digest, Bytes>,
) -> Result<Image, ImageError> {
    let missing = |what: &str| ImageError::Missing {
        what: what.to_owned(),
    };
    let document = content
        .documents
        .get(&saved.config)
        .ok_or_else(|| missing(&saved.config))?;
    let config: Config = parse(&saved.config, document)?;
    let digest = Digest::of(document);
    let name = saved.config.rsplit('/').next().unwrap_or_default();
    let name = name.strip_prefix("sha256:").unwrap_or(name);
    let named = name.split('.').next();
    if named.is_some_and(|hex| Digest::of_hex(hex).is_ok_and(|named| named != digest)) {
        return Err(ImageError::Digest {
            path: saved.config.clone(),
            found: digest,
        });
    }
    let layers = made_layers(content, saved, &config)?;
    let config_descriptor = described(media_type::CONFIG, &digest, document.len() as u64);
    documents.insert(digest, document.clone());
    let made = made_manifest(
        &config_descriptor,
        layers.iter().map(|layer| &layer.descriptor).collect(),
    )?;
    let target = Descriptor {
        platform: Some(config.platform),
        ..described(media_type::MANIFEST, &Digest::of(&made), made.len() as u64)
    };
    documents.insert(target.digest.clone(), made);
    Ok(Image {
        names: saved.repo_tags.clone(),
        manifests: vec![Manifest {
            descriptor: target.clone(),
            config: config_descriptor,
            layers,
        }],
        target,
        absent: Vec::new(),
    })
}

/// The manifest of an image of a graph driver, from its configuration and its unpacked layers, lowest first: the same
/// bytes that a [`super::Reader`] makes of such an image's archive.
pub fn manifest_of(config: (&Digest, u64), layers: &[(Digest, u64)]) -> Result<Bytes, ImageError> {
    let config = described(media_type::CONFIG, config.0, config.1);
    let layers: Vec<_> = layers
        .iter()
        .map(|(digest, size)| described(media_type::LAYER, digest, *size))
        .collect();
    made_manifest(&config, layers.iter().collect())
}

fn made_manifest(config: &Descriptor, layers: Vec<&Descriptor>) -> Result<Bytes, ImageError> {
    let made = MadeManifest {
        schema_version: 2,
        media_type: media_type::MANIFEST,
        config,
        layers,
    };
    let made = serde_json::to_vec(&made).map_err(|error| ImageError::Inconsistent {
        image: config.digest.to_string(),
        problem: error.to_string(),
    })?;
    Ok(made.into())
}

fn described(media_type: &str, digest: &Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: digest.clone(),
        size,
        platform: None,
        annotations: BTreeMap::new(),
    }
}

fn made_layers(
    content: &Content,
    saved: &Saved,
    config: &Config,
) -> Result<Vec<Layer>, ImageError> {
    let diff_ids = &config.rootfs.diff_ids;
    let inconsistent = |problem: String| ImageError::Inconsistent {
        image: saved.repo_tags.first().unwrap_or(&saved.config).clone(),
        problem,
    };
    if diff_ids.len() != saved.layers.len() {
        let (named, listed) = (diff_ids.len(), saved.layers.len());
        return Err(inconsistent(format!(
            "its configuration names {named} layers, manifest.json {listed}"
        )));
    }
    let mut layers = Vec::new();
    for (path, diff_id) in saved.layers.iter().zip(diff_ids) {
        let file = content
            .file(path)
            .ok_or_else(|| ImageError::Missing { what: path.clone() })?;
        if !file.is_gzip && file.digest != *diff_id {
            return Err(inconsistent(format!(
                "{path} is {}, not {diff_id}",
                file.digest
            )));
        }
        let media_type = if file.is_gzip {
            media_type::LAYER_GZIP
        } else {
            media_type::LAYER
        };
        layers.push(Layer {
            descriptor: described(media_type, &file.digest, file.size),
            diff_id: Some(diff_id.clone()),
            is_here: true,
        });
    }
    Ok(layers)
}

/// The images of an index; descriptors of the same content are one image with several names.
fn images(archive: &Archive, index: &Document) -> Result<Vec<Image>, ImageError> {
    let mut images: Vec<Image> = Vec::new();
    for descriptor in index.manifests.iter().flatten() {
        let name = [IMAGE_NAME, REF_NAME]
            .iter()
            .find_map(|key| descriptor.annotations.get(*key));
        let known = images
            .iter_mut()
            .find(|image| image.target.digest == descriptor.digest);
        if let Some(image) = known {
            image.names.extend(name.cloned());
            continue;
        }
        let mut image = Image {
            names: name.cloned().into_iter().collect(),
            target: Descriptor {
                annotations: BTreeMap::new(),
                ..descriptor.clone()
            },
            manifests: Vec::new(),
            absent: Vec::new(),
        };
        if !archive.documents.contains_key(&descriptor.digest) {
            return Err(ImageError::Missing {
                what: descriptor.digest.to_string(),
            });
        }
        collect(archive, &image.target.clone(), &mut image, DEEPEST)?;
        images.push(image);
    }
    Ok(images)
}

/// Adds the manifests that a descriptor leads to.
fn collect(
    archive: &Archive,
    descriptor: &Descriptor,
    image: &mut Image,
    depth: usize,
) -> Result<(), ImageError> {
    let inconsistent = |problem: &str| ImageError::Inconsistent {
        image: descriptor.digest.to_string(),
        problem: problem.to_owned(),
    };
    let Some(content) = archive.documents.get(&descriptor.digest) else {
        image.absent.push(descriptor.clone());
        return Ok(());
    };
    if content.len() as u64 != descriptor.size {
        return Err(inconsistent("its size is not the one that names it"));
    }
    let document: Document = parse(descriptor.digest.as_str(), content)?;
    if let Some(children) = document.manifests {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| inconsistent("its indexes are too deep"))?;
        let mut seen = BTreeSet::new();
        for child in children {
            if seen.insert(child.digest.clone()) {
                collect(archive, &child, image, depth)?;
            }
        }
        return Ok(());
    }
    let Some(config) = document.config else {
        return Err(inconsistent("it is neither an index nor a manifest"));
    };
    let layers = layers(archive, &config, document.layers);
    let mut descriptor = descriptor.clone();
    if descriptor.media_type.is_empty() {
        descriptor.media_type = document.media_type;
    }
    if descriptor.platform.is_none() {
        descriptor.platform = platform(archive, &config);
    }
    image.manifests.push(Manifest {
        descriptor,
        config,
        layers,
    });
    Ok(())
}

fn layers(archive: &Archive, config: &Descriptor, layers: Vec<Descriptor>) -> Vec<Layer> {
    let diff_ids = archive
        .documents
        .get(&config.digest)
        .and_then(|config| serde_json::from_slice::<Config>(config).ok())
        .map(|config| config.rootfs.diff_ids)
        .filter(|diff_ids| diff_ids.len() == layers.len())
        .unwrap_or_default();
    let is_here = |digest: &Digest| {
        archive.blobs.contains_key(digest) || archive.documents.contains_key(digest)
    };
    layers
        .into_iter()
        .enumerate()
        .map(|(index, descriptor)| Layer {
            is_here: is_here(&descriptor.digest),
            diff_id: diff_ids.get(index).cloned(),
            descriptor,
        })
        .collect()
}

fn platform(archive: &Archive, config: &Descriptor) -> Option<Platform> {
    let config: Config = serde_json::from_slice(archive.documents.get(&config.digest)?).ok()?;
    Some(config.platform).filter(|platform| !platform.os.is_empty())
}
