//! Images of real Engines, served while they are saved.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the functions that tests share fail as tests do"
)]

mod fixture;

use std::collections::BTreeSet;
use std::sync::Arc;

use berth_gateway::content::Document;
use berth_gateway::names::Digest;
use berth_gateway::sources::export::{Export, ExportError, Exports};
use berth_gateway::store::{Limits, Store};
use bytes::Bytes;
use futures::TryStreamExt as _;
use serde_json::Value;
use tempfile::TempDir;

use fixture::{Host, layer};

const NEWER_GRAPH: &str = "BERTH_NEWER_DOCKER_GRAPH";
const NEWER_CONTAINERD: &str = "BERTH_NEWER_DOCKER_CONTAINERD";

#[tokio::test]
async fn an_image_is_served_whole_while_it_is_saved() {
    serves_whole(&Host::first().await).await;
}

#[tokio::test]
async fn an_image_of_newer_docker_with_a_graph_driver_is_served_whole() {
    serves_whole(&Host::newer(NEWER_GRAPH).await).await;
}

#[tokio::test]
async fn an_image_of_newer_docker_with_containerds_store_is_served_whole() {
    serves_whole(&Host::newer(NEWER_CONTAINERD).await).await;
}

#[tokio::test]
async fn graph_drivers_of_old_and_newer_docker_give_the_same_manifest() {
    let (old, newer) = (Host::first().await, Host::newer(NEWER_GRAPH).await);
    let layers = [layer(1), layer(2), layer(1)];
    let mut manifests = Vec::new();
    for host in [&old, &newer] {
        let image = host.load(&layers).await;
        let (_folder, _store, exports) = exporting(host).await;
        let export = exports
            .start(&host.inspect(&image.name).await)
            .await
            .unwrap();
        manifests.push(export.manifest().await.unwrap());
    }
    assert_eq!(manifests[0], manifests[1]);
}

#[tokio::test]
async fn an_image_that_the_engine_lost_is_gone_and_blocks_nothing() {
    let host = Host::first().await;
    let (_folder, _store, exports) = exporting(&host).await;
    let image = host.load(&[layer(3)]).await;
    let inspected = host.inspect(&image.name).await;
    drop(image);
    let export = exports.start(&inspected).await.unwrap();
    assert_eq!(export.manifest().await, Err(ExportError::Gone));
    let image = host.load(&[layer(3)]).await;
    let again = exports
        .start(&host.inspect(&image.name).await)
        .await
        .unwrap();
    assert!(again.finished().await.unwrap().missing.is_empty());
}

async fn exporting(host: &Host) -> (TempDir, Store, Exports) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Limits::default()).await.unwrap();
    let exports = Exports::new(host.engine.clone(), store.clone(), 2);
    (folder, store, exports)
}

async fn serves_whole(host: &Host) {
    // The last layer is the first one again.
    let image = host.load(&[layer(1), layer(2), layer(1)]).await;
    let inspected = host.inspect(&image.name).await;
    let mut manifests = BTreeSet::new();
    for _ in 0..2 {
        let (folder, store, exports) = exporting(host).await;
        let clients = (0..4).map(|_| async {
            let export = exports.start(&inspected).await.unwrap();
            reads_whole(&export, export.manifest().await.unwrap()).await
        });
        let seen = futures::future::join_all(clients).await;
        assert!(seen.windows(2).all(|two| two[0] == two[1]));
        let export = exports.start(&inspected).await.unwrap();
        let found = export.finished().await.unwrap();
        assert!(found.missing.is_empty(), "{:?}", found.missing);
        let id = Digest::parse(inspected.id.as_deref().unwrap()).unwrap();
        let known = store.facts().manifest_of(&id);
        assert_eq!(known.as_ref(), Some(&found.manifest.digest));
        manifests.insert(found.manifest.digest);
        drop((export, exports, store, folder));
    }
    assert_eq!(manifests.len(), 1);
}

/// Reads every blob that the manifest names, and gives their digests.
async fn reads_whole(export: &Arc<Export>, manifest: Document) -> Vec<Digest> {
    let json: Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let layers = json["layers"]
        .as_array()
        .expect("the image has one platform");
    assert_eq!(layers.len(), 3);
    let mut digests = Vec::new();
    for part in layers.iter().chain([&json["config"]]) {
        let digest = Digest::parse(part["digest"].as_str().unwrap()).unwrap();
        let blob = export
            .blob(&digest)
            .await
            .unwrap()
            .expect("the Engine has it");
        assert_eq!(Some(blob.size), part["size"].as_u64());
        let pieces: Vec<Bytes> = blob.bytes.read(0..blob.size).try_collect().await.unwrap();
        assert!(digest.is_of(&pieces.concat()));
        digests.push(digest);
    }
    digests
}
