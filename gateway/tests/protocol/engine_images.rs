//! Images that the Engine has, by `ns` and by names of ours.

use std::time::Duration;

use berth_gateway::mirror::{MirrorError, Reach};
use berth_gateway::names::Digest;
use serde_json::json;

use crate::running::{MANIFEST, digest_of, manifest_of, manifest_of_letters, start};

#[tokio::test]
async fn an_image_of_the_engine_is_served_with_every_header() {
    let running = start().await;
    let manifest = manifest_of_letters(2000);
    running
        .images
        .add("docker.io", "library/app", "1", &manifest);
    let digest = digest_of(&manifest);
    for path in [
        "/v2/library/app/manifests/1?ns=docker.io".to_owned(),
        format!("/v2/app/manifests/{digest}"),
    ] {
        let answer = running.get(&path).await.is(200);
        assert_eq!(answer.body, manifest.to_string().into_bytes());
        assert_eq!(answer.header("content-type"), Some(MANIFEST));
        assert_eq!(
            answer.header("docker-content-digest"),
            Some(digest.as_str())
        );
        assert_eq!(
            running.head(&path).await.is(200).headers(),
            answer.headers()
        );
    }
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    for path in [
        format!("/v2/app/blobs/{layer}"),
        format!("/v2/library/app/blobs/{layer}?ns=docker.io"),
    ] {
        let answer = running.get(&path).await.is(200);
        assert_eq!(answer.body, vec![b'a'; 2000]);
        assert_eq!(
            running.head(&path).await.is(200).headers(),
            answer.headers()
        );
        let part = running
            .ask("GET", &path)
            .header("Range", "bytes=500-1499")
            .send()
            .await
            .is(206);
        assert_eq!(part.body.len(), 1000);
    }
    assert_eq!(
        running.get("/v2/app/tags/list").await.is(200).json()["tags"],
        json!(["1"])
    );
    running
        .get("/v2/app/manifests/2")
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn names_of_ours_never_reach_beyond_the_engine() {
    let running = start().await;
    running
        .images
        .add("docker.io", "library/app", "1", &json!({}));
    running.get("/v2/app/manifests/2").await.is(404);
    running.get("/v2/unknown/manifests/1").await.is(404);
    let asked = running.images.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(
        (asked[0].0.as_str(), asked[0].2),
        ("docker.io/library/app", Reach::Engine)
    );
    running
        .get("/v2/unknown/manifests/1?ns=docker.io")
        .await
        .is(404);
    let asked = running.images.asked();
    assert_eq!(
        (asked[0].0.as_str(), asked[0].2),
        ("docker.io/library/unknown", Reach::Upstream)
    );
}

#[tokio::test]
async fn the_engine_s_names_for_us_are_tried_in_order() {
    let running = start().await;
    let images = [
        ("docker.io", "library/app", "hub"),
        ("registry.test:5000", "app", "own"),
        ("localhost:9", "app", "local"),
    ];
    for (host, repository, tag) in images {
        running
            .images
            .add(host, repository, tag, &manifest_of("{}", tag));
    }
    for tag in ["hub", "own", "local"] {
        let answer = running
            .get(&format!("/v2/app/manifests/{tag}"))
            .await
            .is(200);
        assert_eq!(answer.body, manifest_of("{}", tag).to_string().into_bytes());
    }
    assert_eq!(
        running.get("/v2/app/tags/list").await.json()["tags"],
        json!(["hub", "local", "own"])
    );
    let other = running
        .ask("GET", "/v2/app/manifests/own")
        .header("Host", "other:5000")
        .send()
        .await;
    other.is(404);
    running
        .get("/v2/app/manifests/own?ns=registry.test:5000")
        .await
        .is(200);
}

#[tokio::test]
async fn what_was_pushed_comes_before_what_the_engine_has() {
    let running = start().await;
    let engine = manifest_of("{}", "engine");
    running
        .images
        .add("docker.io", "library/app", "1", &engine)
        .add("docker.io", "library/app", "2", &engine);
    let pushed = running.push_image("app", "1").await;
    assert_eq!(
        running.get("/v2/app/manifests/1").await.is(200).body,
        pushed.to_string().into_bytes()
    );
    assert_eq!(
        running.get("/v2/app/manifests/2").await.is(200).body,
        engine.to_string().into_bytes()
    );
    let named = running
        .get("/v2/library/app/manifests/1?ns=docker.io")
        .await
        .is(200);
    assert_eq!(named.body, engine.to_string().into_bytes());
    assert_eq!(
        running.get("/v2/app/tags/list").await.json()["tags"],
        json!(["1", "2"])
    );
}

#[tokio::test]
async fn trouble_behind_is_told_as_it_is() {
    let running = start().await;
    let text = || "why".to_owned();
    let unavailable = MirrorError::Unavailable {
        message: text(),
        retry_after: Duration::from_secs(7),
    };
    for (error, status, code) in [
        (MirrorError::Unknown(text()), 404, "MANIFEST_UNKNOWN"),
        (MirrorError::Unauthorized(text()), 401, "UNAUTHORIZED"),
        (MirrorError::Denied(text()), 403, "DENIED"),
        (MirrorError::BadGateway(text()), 502, "UNKNOWN"),
        (unavailable, 503, "UNKNOWN"),
        (MirrorError::TimedOut(text()), 504, "UNKNOWN"),
        (MirrorError::NoSpace(text()), 507, "UNKNOWN"),
        (MirrorError::Failed(text()), 500, "UNKNOWN"),
    ] {
        running.images.trouble(Some(error));
        let answer = running
            .get("/v2/app/manifests/1?ns=ghcr.io")
            .await
            .refuses(status, code);
        assert_eq!(answer.header("retry-after"), (status == 503).then_some("7"));
        assert_eq!(
            answer.header("www-authenticate"),
            (status == 401).then_some("Basic realm=\"ghcr.io\"")
        );
    }
    running
        .images
        .trouble(Some(MirrorError::Unauthorized(text())));
    let ask = running
        .ask("GET", "/v2/app/manifests/1?ns=ghcr.io")
        .header("Authorization", "Basic YTpi");
    assert_eq!(ask.send().await.is(401).header("www-authenticate"), None);
}

#[tokio::test]
async fn pushing_works_while_the_engine_is_away() {
    let running = start().await;
    let message = "the Engine does not answer".to_owned();
    running.images.trouble(Some(MirrorError::Unavailable {
        message,
        retry_after: Duration::from_secs(1),
    }));
    running
        .head(&format!(
            "/v2/app/blobs/{}",
            berth_gateway::names::Digest::of(b"new")
        ))
        .await
        .is(404);
    running.get("/v2/app/manifests/1").await.is(503);
    let manifest = running.push_image("app", "1").await;
    assert_eq!(
        running.get("/v2/app/manifests/1").await.is(200).body,
        manifest.to_string().into_bytes()
    );
    assert_eq!(
        running.get("/v2/app/tags/list").await.is(200).json()["tags"],
        json!(["1"])
    );
    assert_eq!(
        running.get("/v2/_catalog").await.is(200).json()["repositories"],
        json!(["app"])
    );
}

#[tokio::test]
async fn a_push_that_leaves_out_what_the_engine_has_is_kept_all_the_same() {
    let running = start().await;
    let manifest = manifest_of("a", "aaaa");
    running
        .images
        .add("registry.test:5000", "app", "1", &manifest);
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    running
        .head(&format!("/v2/app/blobs/{layer}"))
        .await
        .is(200);
    running.push_blob("app", b"a").await;
    running.put_manifest("app", "1", &manifest).await.is(201);
    running.images.forget();
    assert_eq!(
        running
            .get(&format!("/v2/app/blobs/{layer}"))
            .await
            .is(200)
            .body,
        b"aaaa"
    );
    running.get("/v2/app/manifests/1").await.is(200);
}

#[tokio::test]
async fn docker_pushes_its_own_image_whole() {
    let running = start().await;
    let manifest = manifest_of("a", "aaaa");
    running
        .images
        .add("registry.test:5000", "app", "1", &manifest);
    let path = format!(
        "/v2/app/blobs/{}",
        manifest["layers"][0]["digest"].as_str().unwrap()
    );
    let docker = |method: &str, path: &str| {
        running
            .ask(method, path)
            .header("User-Agent", "docker/26.1.5 go/go1.22")
    };
    docker("HEAD", &path).send().await.is(404);
    docker("GET", &path).send().await.is(200);
    docker("HEAD", "/v2/app/manifests/1").send().await.is(200);
    running.push_blob("app", b"a").await;
    running.push_blob("app", b"aaaa").await;
    docker("HEAD", "/v2/app/manifests/1").send().await.is(404);
    running.put_manifest("app", "1", &manifest).await.is(201);
    docker("HEAD", "/v2/app/manifests/1").send().await.is(200);
    docker("HEAD", &path).send().await.is(200);
}

#[tokio::test]
async fn an_index_takes_its_children_from_the_engine() {
    let running = start().await;
    let child = manifest_of("a", "a");
    running.images.add("docker.io", "library/app", "1", &child);
    let index = json!({
        "schemaVersion": 2, "mediaType": crate::running::INDEX,
        "manifests": [{"mediaType": MANIFEST, "digest": digest_of(&child), "size": 1}],
    });
    running.put_manifest("app", "all", &index).await.is(201);
    running.images.forget();
    running.get("/v2/app/manifests/all").await.is(200);
    running
        .get(&format!("/v2/app/manifests/{}", digest_of(&child)))
        .await
        .is(200);
    running
        .get(&format!("/v2/app/blobs/{}", Digest::of(b"a")))
        .await
        .is(200);
}
