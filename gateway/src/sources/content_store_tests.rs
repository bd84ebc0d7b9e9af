//! Stores made by hand, as containerd keeps them.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::stream::TryStreamExt as _;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Content, Described, Files, INDEX, MANIFEST, Parts};
use crate::content::Blob;
use crate::names::Digest;
use crate::sources::Found;
use crate::sources::verify::Verdicts;

struct Store(tempfile::TempDir);

impl Store {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("blobs/sha256")).unwrap();
        Self(place)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.0.path().join("blobs/sha256").join(digest.hex())
    }

    /// Adds content and gives its descriptor.
    fn add(&self, media_type: &str, content: &[u8]) -> Value {
        let digest = Digest::of(content);
        std::fs::write(self.path(&digest), content).unwrap();
        json!({"mediaType": media_type, "digest": digest.as_str(), "size": content.len()})
    }

    /// Adds a manifest with a configuration and these layers.
    fn manifest(&self, platform: &str, layers: &[Value]) -> Value {
        let config = self.add(
            "application/vnd.oci.image.config.v1+json",
            format!("{{\"os\":\"{platform}\"}}").as_bytes(),
        );
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        self.add(MANIFEST, manifest.to_string().as_bytes())
    }

    async fn find(
        &self,
        target: &Digest,
        media_type: &str,
        verdicts: &Verdicts,
    ) -> Result<Option<Found>, String> {
        let content = Content::Files(Arc::new(Files::open(self.0.path()).unwrap()));
        let found = content.find(target, media_type, verdicts).await;
        found.map_err(|error| error.to_string())
    }
}

fn digest(descriptor: &Value) -> Digest {
    Digest::parse(descriptor["digest"].as_str().unwrap()).unwrap()
}

async fn content(blob: &Blob) -> std::io::Result<Vec<u8>> {
    let pieces: Vec<bytes::Bytes> = blob.bytes.read(0..blob.size).try_collect().await?;
    Ok(pieces.concat())
}

#[tokio::test]
async fn an_index_is_found_with_the_platforms_that_are_here() {
    let store = Store::new();
    let layer = store.add("application/vnd.oci.image.layer.v1.tar+gzip", b"layer");
    let here = store.manifest("linux", std::slice::from_ref(&layer));
    let away = json!({"mediaType": MANIFEST, "digest": Digest::of(b"away").as_str(), "size": 4});
    let index = json!({"schemaVersion": 2, "manifests": [here, away]});
    let target = digest(&store.add("", index.to_string().as_bytes()));
    let found = store
        .find(&target, "", &Verdicts::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.manifest.media_type.as_str(), &found.manifest.digest),
        (INDEX, &target)
    );
    assert_eq!(found.documents.keys().collect::<Vec<_>>(), [&digest(&here)]);
    assert_eq!(found.absent, [digest(&away)]);
    assert_eq!(found.missing, []);
    assert_eq!(
        content(&found.blobs[&digest(&layer)]).await.unwrap(),
        b"layer"
    );
    assert_eq!(found.blobs.len(), 2, "the layer and the configuration");
}

#[tokio::test]
async fn layers_and_configurations_that_are_not_here_are_missing() {
    let store = Store::new();
    let [here, gone, cut] = [b"here", b"gone", b"cut!"]
        .map(|content| store.add("application/vnd.oci.image.layer.v1.tar", content));
    let foreign = json!({"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": Digest::of(b"foreign").as_str(), "size": 7});
    let target = digest(&store.manifest(
        "linux",
        &[
            here.clone(),
            gone.clone(),
            cut.clone(),
            gone.clone(),
            foreign,
        ],
    ));
    std::fs::remove_file(store.path(&digest(&gone))).unwrap();
    std::fs::write(store.path(&digest(&cut)), "cu").unwrap();
    let found = store
        .find(&target, "", &Verdicts::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.missing, [digest(&gone), digest(&cut)]);
    assert!(found.blobs.contains_key(&digest(&here)));
}

#[tokio::test]
async fn content_in_a_descriptor_needs_no_file() {
    let store = Store::new();
    let inline = json!({"mediaType": "a", "digest": Digest::of(b"{}").as_str(), "size": 2, "data": STANDARD.encode("{}")});
    let lie = json!({"mediaType": "a", "digest": Digest::of(b"1").as_str(), "size": 1, "data": STANDARD.encode("2")});
    let target = digest(&store.manifest("linux", &[inline.clone(), lie.clone()]));
    let found = store
        .find(&target, "", &Verdicts::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        content(&found.blobs[&digest(&inline)]).await.unwrap(),
        b"{}"
    );
    assert_eq!(found.missing, [digest(&lie)]);
}

#[tokio::test]
async fn an_image_that_is_not_here_is_not_found_and_a_document_that_lies_is_refused() {
    let store = Store::new();
    let target = digest(&store.manifest("linux", &[]));
    let verdicts = Verdicts::default();
    assert!(
        store
            .find(&Digest::of(b"another"), "", &verdicts)
            .await
            .unwrap()
            .is_none()
    );
    std::fs::write(store.path(&target), "{}").unwrap();
    assert!(store.find(&target, "", &verdicts).await.is_err());
    for text in [
        "{}",
        "[]",
        "no json",
        r#"{"manifests":[{"digest":"sha256:../../etc/passwd","size":1}]}"#,
    ] {
        let target = digest(&store.add("", text.as_bytes()));
        assert!(store.find(&target, "", &verdicts).await.is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_file_that_is_something_else_never_ends_well_and_is_missing_from_then_on() {
    let store = Store::new();
    let layer = store.add("application/vnd.oci.image.layer.v1.tar", b"right");
    let target = digest(&store.manifest("linux", std::slice::from_ref(&layer)));
    std::fs::write(store.path(&digest(&layer)), "wrong").unwrap();
    let verdicts = Verdicts::default();
    let found = store.find(&target, "", &verdicts).await.unwrap().unwrap();
    assert!(content(&found.blobs[&digest(&layer)]).await.is_err());
    let found = store.find(&target, "", &verdicts).await.unwrap().unwrap();
    assert_eq!(found.missing, [digest(&layer)]);
}

#[tokio::test]
async fn the_type_is_what_the_document_says_else_what_its_descriptor_says() {
    let store = Store::new();
    let config = store.add("c", b"config");
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let named = json!({"mediaType": docker, "config": config, "layers": []});
    let unnamed = json!({"config": config, "layers": null});
    let verdicts = Verdicts::default();
    for (document, told, expected) in [
        (&named, MANIFEST, docker),
        (&unnamed, docker, docker),
        (&unnamed, "", MANIFEST),
    ] {
        let target = digest(&store.add("", document.to_string().as_bytes()));
        let found = store.find(&target, told, &verdicts).await.unwrap().unwrap();
        assert_eq!(found.manifest.media_type, expected);
    }
}

#[tokio::test]
async fn indexes_that_name_each_other_end() {
    let store = Store::new();
    let inner = store.add(INDEX, br#"{"manifests":[]}"#);
    let mut child = inner;
    for _ in 0..50 {
        let index = json!({"manifests": [child, child]});
        child = store.add(INDEX, index.to_string().as_bytes());
    }
    let found = store
        .find(&digest(&child), "", &Verdicts::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.documents.len(), 50);
}

/// A descriptor, or nearly one.
fn hostile_descriptor() -> impl Strategy<Value = Value> {
    let digest = prop_oneof![
        Just(json!(Digest::of(b"a").as_str())),
        Just(json!("sha256:../../../etc/passwd")),
        Just(json!("sha512:00")),
        Just(json!(7)),
        Just(Value::Null),
    ];
    let size = prop_oneof![
        Just(json!(-1)),
        Just(json!(u64::MAX)),
        Just(json!(1e300)),
        Just(json!(null)),
        Just(json!(3))
    ];
    let data = prop_oneof![Just(json!("YQ==")), Just(json!("?")), Just(json!(null))];
    (digest, size, data)
        .prop_map(|(digest, size, data)| json!({"digest": digest, "size": size, "data": data}))
}

proptest! {
    #[test]
    fn no_document_makes_it_panic_or_name_what_is_no_digest(
        manifests in prop::option::of(prop::collection::vec(hostile_descriptor(), 0..4)),
        config in prop::option::of(hostile_descriptor()),
        layers in prop::option::of(prop::collection::vec(hostile_descriptor(), 0..4)),
        cut in 0_usize..40,
    ) {
        let document = json!({"manifests": manifests, "config": config, "layers": layers}).to_string();
        let named = Described { media_type: String::new(), digest: Digest::of(b""), size: None, data: None };
        let mut parts = Parts::default();
        if parts.add(&named, document.as_bytes()).is_ok() {
            for described in parts.blobs.iter().chain(&parts.to_read) {
                prop_assert!(Digest::parse(described.digest.as_str()).is_ok());
                prop_assert!(described.inline().is_none_or(|bytes| described.digest.is_of(&bytes)));
            }
        }
        let _ = parts.add(&named, &document.as_bytes()[..document.len().saturating_sub(cut)]);
    }
}
