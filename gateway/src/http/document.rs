//! A manifest that is pushed: what it is, what it names, what it is about. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::names::Digest;
use crate::store::Subject;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What a pushed manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) media_type: String,
    /// Blobs that must be there.
    pub(super) blobs: Vec<Digest>,
    /// Manifests that must be there.
    pub(super) children: Vec<Digest>,
    /// Blobs that others distribute; they may be here.
    pub(super) elsewhere: Vec<Digest>,
    pub(super) subject: Option<Subject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    blobs: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: Digest,
}

impl Descriptor {
    fn is_elsewhere(&self) -> bool {
        self.media_type.contains(".nondistributable.") || self.media_type.contains(".foreign.")
    }
}

/// Reads a manifest. `declared` is the request's `Content-Type`. The error is for people.
pub(super) fn read(bytes: &[u8], declared: Option<&str>) -> Result<Manifest, String> {
    let outline: Outline = serde_json::from_slice(bytes).map_err(|error| {
        format!("failed to read the manifest: it is not the JSON of one: {error}")
    })?;
    if outline.schema_version == Some(1) {
        return Err(
            "manifests of schema version 1 have no digests that hold; push with a newer client"
                .to_owned(),
        );
    }
    let media_type = media_type(&outline, declared)?;
    let described = outline.layers.into_iter().chain(outline.blobs).flatten();
    let (elsewhere, mut here): (Vec<_>, Vec<_>) = described.partition(Descriptor::is_elsewhere);
    // Clients that name a foreign config do not exist.
    let artifact_type = outline
        .artifact_type
        .clone()
        .or_else(|| Some(outline.config.as_ref()?.media_type.clone()));
    here.extend(outline.config);
    let digests =
        |descriptors: Vec<Descriptor>| descriptors.into_iter().map(|each| each.digest).collect();
    Ok(Manifest {
        media_type,
        blobs: digests(here),
        elsewhere: digests(elsewhere),
        children: digests(outline.manifests.unwrap_or_default()),
        subject: outline.subject.map(|subject| Subject {
            digest: subject.digest,
            artifact_type: artifact_type.filter(|text| !text.is_empty()),
            annotations: outline.annotations.unwrap_or_default(),
        }),
    })
}

/// What the request says, which must be what the document says; else what the document looks like.
fn media_type(outline: &Outline, declared: Option<&str>) -> Result<String, String> {
    let bare = |text: &str| text.split(';').next().unwrap_or_default().trim().to_owned();
    let declared = declared.map(bare).filter(|text| !text.is_empty());
    let generic = |text: &String| {
        matches!(
            text.as_str(),
            "application/json" | "application/octet-stream"
        )
    };
    let inside = outline.media_type.clone().filter(|text| !text.is_empty());
    match (declared.filter(|text| !generic(text)), inside) {
        (Some(declared), Some(inside)) if declared != inside => Err(format!(
            "Content-Type is {declared}, and mediaType in the manifest is {inside}; make them equal"
        )),
        (Some(text), _) | (None, Some(text)) => valid(text),
        (None, None) if outline.manifests.is_some() => Ok(OCI_INDEX.to_owned()),
        (None, None) if outline.config.is_some() => Ok(OCI_MANIFEST.to_owned()),
        (None, None) => Err(
            "the manifest does not say what it is: send Content-Type or give it mediaType"
                .to_owned(),
        ),
    }
}

/// What goes into a header later must be fit for one.
fn valid(text: String) -> Result<String, String> {
    let fits =
        text.len() <= 255 && text.contains('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(text)
    } else {
        Err("the media type of the manifest is not one".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn digest(of: &str) -> Digest {
        Digest::of(of.as_bytes())
    }

    fn descriptor(kind: &str, of: &str) -> serde_json::Value {
        json!({"mediaType": kind, "digest": digest(of), "size": 1, "urls": ["https://store.example.com"]})
    }

    #[test]
    fn a_manifest_needs_its_config_and_layers_but_not_foreign_ones() {
        let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
        let text = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": descriptor("c", "config"),
            "layers": [descriptor("l", "layer"), descriptor(foreign, "foreign")],
            "future": {"unknown": true},
        });
        let manifest = read(
            text.to_string().as_bytes(),
            Some("application/vnd.oci.image.manifest.v1+json; charset=x"),
        )
        .unwrap();
        assert_eq!(manifest.media_type, OCI_MANIFEST);
        assert_eq!(manifest.blobs, [digest("layer"), digest("config")]);
        assert_eq!(manifest.elsewhere, [digest("foreign")]);
        assert!(manifest.children.is_empty() && manifest.subject.is_none());
    }

    #[test]
    fn an_index_needs_its_children() {
        let text = json!({"schemaVersion": 2, "manifests": [descriptor(OCI_MANIFEST, "child")]});
        let manifest = read(text.to_string().as_bytes(), None).unwrap();
        assert_eq!(manifest.media_type, OCI_INDEX);
        assert_eq!(manifest.children, [digest("child")]);
    }

    #[test]
    fn a_referrer_is_of_its_artifact_type_or_its_config_s() {
        let mut text = json!({
            "mediaType": OCI_MANIFEST, "config": descriptor("kind/of-config", "config"),
            "subject": descriptor(OCI_MANIFEST, "subject"), "annotations": {"a": "b"},
        });
        let kind = |text: &serde_json::Value| {
            let subject = read(text.to_string().as_bytes(), None)
                .unwrap()
                .subject
                .unwrap();
            assert_eq!(subject.digest, digest("subject"));
            assert_eq!(subject.annotations["a"], "b");
            subject.artifact_type
        };
        assert_eq!(kind(&text).unwrap(), "kind/of-config");
        text["artifactType"] = json!("kind/of-artifact");
        assert_eq!(kind(&text).unwrap(), "kind/of-artifact");
    }

    /// Bytes of a manifest and of an index, changed here and there.
    #[test]
    fn a_manifest_that_was_tampered_with_is_read_or_refused() {
        let config = descriptor("application/vnd.oci.image.config.v1+json", "config");
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [config], "subject": config});
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [config], "annotations": {"a": "b"}});
        let documents = [
            manifest.to_string().into_bytes(),
            index.to_string().into_bytes(),
        ];
        bolero::check!()
            .with_iterations(4_000)
            .with_type::<(bool, Vec<(u16, u8)>)>()
            .for_each(|(which, edits)| {
                let mut bytes = documents[usize::from(*which)].clone();
                for (at, byte) in edits {
                    let at = usize::from(*at) % bytes.len();
                    bytes[at] = *byte;
                }
                if let Ok(read) = read(&bytes, None) {
                    assert!(!read.media_type.is_empty() && !read.media_type.contains(['\r', '\n']));
                }
            });
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let mismatch = json!({"mediaType": OCI_INDEX, "manifests": []}).to_string();
        assert!(read(mismatch.as_bytes(), Some(OCI_MANIFEST)).is_err());
        for text in [
            "",
            "not json",
            "[]",
            "{}",
            "\"x\"",
            "null",
            r#"{"schemaVersion":1,"mediaType":"a/b"}"#,
            r#"{"mediaType":"a/b","config":{"digest":"sha256:../../x"}}"#,
            r#"{"mediaType":"a/b","layers":[{"size":1}]}"#,
            r#"{"mediaType":"a/b\nX-Evil: 1"}"#,
        ] {
            assert!(read(text.as_bytes(), None).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_document_makes_the_reader_fall_over(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, None);
        }
    }
}
