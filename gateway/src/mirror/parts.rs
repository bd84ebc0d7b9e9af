//! What a manifest or an index names.

use bytes::Bytes;
use serde::Deserialize;

use super::reference::sha256;
use crate::content::Document;
use crate::names::Digest;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A document or a blob that another document names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// What a document names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// The configuration's digest, which is an image's id to graph drivers.
    pub(super) config: Option<Digest>,
    /// Manifests and indexes.
    pub(super) children: Vec<Part>,
    /// The configuration and the layers.
    pub(super) blobs: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default)]
    size: u64,
}

impl Descriptor {
    /// Nothing of another algorithm can be held here, so that it is passed over.
    fn part(&self) -> Option<Part> {
        let digest = Digest::parse(&self.digest).ok()?;
        let size = self.size;
        Some(Part { digest, size })
    }
}

/// What a document names; nothing when it is none that is known.
pub(super) fn parts(document: &Document) -> Parts {
    let Ok(written) = serde_json::from_slice::<Written>(&document.bytes) else {
        return Parts::default();
    };
    let list = |descriptors: Option<Vec<Descriptor>>| -> Vec<Part> {
        let descriptors = descriptors.unwrap_or_default();
        descriptors.iter().filter_map(Descriptor::part).collect()
    };
    let config = written.config.as_ref().and_then(Descriptor::part);
    let mut blobs = list(written.layers);
    blobs.extend(config.clone());
    Parts {
        config: config.map(|part| part.digest),
        children: list(written.manifests),
        blobs,
    }
}

/// Bytes as a document: its type is what it says itself, else what it was announced as, else what it looks like.
pub(crate) fn document(bytes: Bytes, announced: Option<&str>) -> Option<Document> {
    let written: Written = serde_json::from_slice(&bytes).ok()?;
    let announced = announced
        .and_then(|kind| kind.split(';').next())
        .map(str::trim)
        .filter(|kind| kind.contains("manifest") || kind.contains("index"));
    let looks = if written.manifests.is_some() {
        INDEX
    } else {
        MANIFEST
    };
    let media_type = written
        .media_type
        .filter(|kind| !kind.is_empty())
        .unwrap_or_else(|| announced.unwrap_or(looks).to_owned());
    Some(Document {
        media_type,
        digest: sha256(&bytes)?,
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::{Part, document, parts};
    use crate::names::Digest;

    const ONE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    const TWO: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

    fn part(digest: &str, size: u64) -> Part {
        let digest = Digest::parse(digest).unwrap();
        Part { digest, size }
    }

    #[test]
    fn a_manifest_names_its_configuration_and_layers() {
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{ONE}","size":1}},"layers":[{{"digest":"{TWO}","size":2}},{{"digest":"md5:0"}}]}}"#
        );
        let manifest = document(text.into(), Some("text/plain")).unwrap();
        assert!(manifest.media_type.ends_with("manifest.v1+json"));
        let parts = parts(&manifest);
        assert_eq!(parts.config, Digest::parse(ONE).ok());
        assert_eq!(parts.blobs, [part(TWO, 2), part(ONE, 1)]);
        assert_eq!(parts.children, []);
    }

    #[test]
    fn an_index_names_manifests_and_its_type_is_found_where_it_is_not_written() {
        let text = format!(r#"{{"manifests":[{{"digest":"{ONE}","size":7}}]}}"#);
        let index = document(text.clone().into(), None).unwrap();
        assert_eq!(index.media_type, super::INDEX);
        assert_eq!(parts(&index).children, [part(ONE, 7)]);
        let announced = "application/vnd.docker.distribution.manifest.list.v2+json";
        let index = document(text.into(), Some(announced)).unwrap();
        assert_eq!(index.media_type, announced);
    }

    #[test]
    fn what_is_no_document_names_nothing() {
        assert_eq!(document("<html>".into(), None), None);
    }
}
