//! Deleting what was pushed.

use berth_gateway::names::Digest;
use serde_json::json;

use crate::running::{digest_of, start};

#[tokio::test]
async fn a_tag_goes_and_its_manifest_stays() {
    let running = start().await;
    let manifest = running.push_image("app", "1").await;
    running.delete("/v2/app/manifests/1").await.is(202);
    running.head("/v2/app/manifests/1").await.is(404);
    running
        .get(&format!("/v2/app/manifests/{}", digest_of(&manifest)))
        .await
        .is(200);
    running
        .delete("/v2/app/manifests/1")
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_manifest_goes_with_its_tags() {
    let running = start().await;
    let manifest = running.push_image("app", "1").await;
    running.put_manifest("app", "2", &manifest).await.is(201);
    let path = format!("/v2/app/manifests/{}", digest_of(&manifest));
    running.delete(&path).await.is(202);
    for path in [path.as_str(), "/v2/app/manifests/1", "/v2/app/manifests/2"] {
        running.head(path).await.is(404);
    }
    running.delete(&path).await.refuses(404, "MANIFEST_UNKNOWN");
    running.put_manifest("other", "1", &manifest).await.is(400);
}

#[tokio::test]
async fn a_blob_goes_from_its_repository_alone() {
    let running = start().await;
    let digest = running.push_blob("app", b"content").await;
    running.push_blob("other", b"content").await;
    let path = format!("/v2/app/blobs/{digest}");
    running.delete(&path).await.is(202);
    running.head(&path).await.is(404);
    running.delete(&path).await.refuses(404, "BLOB_UNKNOWN");
    running
        .get(&format!("/v2/other/blobs/{digest}"))
        .await
        .is(200);
    running.push_blob("app", b"content").await;
    running.get(&path).await.is(200);
}

#[tokio::test]
async fn what_was_never_there_cannot_be_deleted() {
    let running = start().await;
    let digest = Digest::of(b"unknown");
    running
        .delete("/v2/app/manifests/1")
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
    running
        .delete(&format!("/v2/app/manifests/{digest}"))
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
    running
        .delete(&format!("/v2/app/blobs/{digest}"))
        .await
        .refuses(404, "BLOB_UNKNOWN");
    running
        .delete("/v2/app/manifests/sha256:x")
        .await
        .refuses(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn images_of_the_engine_are_not_deleted_here() {
    let running = start().await;
    let manifest = json!({"layers": [{"digest": Digest::of(b"a"), "size": 1}]});
    running
        .images
        .add("docker.io", "library/app", "1", &manifest);
    for path in [
        "/v2/app/manifests/1".to_owned(),
        format!("/v2/app/blobs/{}", Digest::of(b"a")),
    ] {
        let answer = running.delete(&path).await.refuses(405, "UNSUPPORTED");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        running.get(&path).await.is(200);
    }
}
