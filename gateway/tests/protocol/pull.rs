//! Manifests and blobs as clients read them.

use std::time::Duration;

use berth_gateway::mirror::MirrorError;
use berth_gateway::names::Digest;
use serde_json::json;

use crate::running::{INDEX, MANIFEST, descriptor, digest_of, manifest_of, sha512, start};

#[tokio::test]
async fn the_base_says_that_this_is_a_registry() {
    let running = start().await;
    for path in ["/v2/", "/v2"] {
        let answer = running.get(path).await.is(200);
        assert_eq!(
            answer.header("docker-distribution-api-version"),
            Some("registry/2.0"),
            "{path}"
        );
        let head = running.head(path).await.is(200);
        assert_eq!(head.headers(), answer.headers());
    }
}

#[tokio::test]
async fn a_manifest_comes_back_byte_for_byte_with_every_header() {
    let running = start().await;
    let manifest = running.push_image("org/app", "1").await;
    let digest = digest_of(&manifest);
    for reference in ["1".to_owned(), digest.to_string(), format!("1@{digest}")] {
        let path = format!("/v2/org/app/manifests/{reference}");
        let answer = running.get(&path).await.is(200);
        assert_eq!(answer.body, manifest.to_string().into_bytes());
        assert_eq!(answer.header("content-type"), Some(MANIFEST));
        assert_eq!(
            answer.header("docker-content-digest"),
            Some(digest.as_str())
        );
        assert_eq!(
            answer.header("etag"),
            Some(format!("\"{digest}\"").as_str())
        );
        assert_eq!(
            running.head(&path).await.is(200).headers(),
            answer.headers()
        );
    }
}

#[tokio::test]
async fn a_blob_comes_back_with_every_header() {
    let running = start().await;
    let digest = running.push_blob("app", b"content").await;
    let path = format!("/v2/app/blobs/{digest}");
    let answer = running.get(&path).await.is(200);
    assert_eq!(answer.body, b"content");
    assert_eq!(
        answer.header("docker-content-digest"),
        Some(digest.as_str())
    );
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(
        running.head(&path).await.is(200).headers(),
        answer.headers()
    );
    assert_eq!(
        running.get(&path.replace(':', "%3A")).await.is(200).body,
        b"content"
    );
}

#[tokio::test]
async fn a_client_that_has_it_is_told_so() {
    let running = start().await;
    let manifest = running.push_image("app", "1").await;
    let blob = running.push_blob("app", b"content").await;
    for (path, digest) in [
        ("/v2/app/manifests/1".to_owned(), digest_of(&manifest)),
        (format!("/v2/app/blobs/{blob}"), blob),
    ] {
        for method in ["GET", "HEAD"] {
            let tag = format!("\"x\", \"{digest}\"");
            let answer = running
                .ask(method, &path)
                .header("If-None-Match", &tag)
                .send()
                .await
                .is(304);
            assert_eq!(
                answer.header("docker-content-digest"),
                Some(digest.as_str())
            );
        }
        running
            .ask("GET", &path)
            .header("If-None-Match", "\"other\"")
            .send()
            .await
            .is(200);
    }
}

#[tokio::test]
async fn parts_of_a_blob_are_served() {
    let running = start().await;
    let content: Vec<u8> = (0..2000_u32)
        .flat_map(u32::to_le_bytes)
        .take(2000)
        .collect();
    let digest = running.push_blob("app", &content).await;
    let path = format!("/v2/app/blobs/{digest}");
    for (range, first, last) in [
        ("bytes=500-1499", 500, 1499),
        ("bytes=500-", 500, 1999),
        ("bytes=-500", 1500, 1999),
        ("bytes=500-9999", 500, 1999),
        ("bytes=0-0", 0, 0),
    ] {
        let answer = running
            .ask("GET", &path)
            .header("Range", range)
            .send()
            .await
            .is(206);
        assert_eq!(answer.body, content[first..=last], "{range}");
        assert_eq!(
            answer.header("content-range"),
            Some(format!("bytes {first}-{last}/2000").as_str())
        );
    }
    for range in ["bytes=500-0", "bytes=2000-", "bytes=5000-6000", "bytes=-0"] {
        let answer = running
            .ask("GET", &path)
            .header("Range", range)
            .send()
            .await
            .is(416);
        assert_eq!(
            answer.header("content-range"),
            Some("bytes */2000"),
            "{range}"
        );
    }
    running
        .ask("HEAD", &path)
        .header("Range", "bytes=0-1")
        .send()
        .await
        .is(200);
    let other = running
        .ask("GET", &path)
        .header("Range", "bytes=0-1")
        .header("If-Range", "\"other\"");
    assert_eq!(other.send().await.is(200).body, content);
    let same = running
        .ask("GET", &path)
        .header("Range", "bytes=0-1")
        .header("If-Range", &format!("\"{digest}\""));
    same.send().await.is(206);
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let running = start().await;
    let digest = running.push_blob("app", b"").await;
    let path = format!("/v2/app/blobs/{digest}");
    assert_eq!(
        running.get(&path).await.is(200).header("content-length"),
        Some("0")
    );
    assert_eq!(
        running.head(&path).await.is(200).header("content-length"),
        Some("0")
    );
    running
        .ask("GET", &path)
        .header("Range", "bytes=0-")
        .send()
        .await
        .is(416);
}

#[tokio::test]
async fn what_is_not_there_is_unknown_and_what_is_nonsense_is_refused() {
    let running = start().await;
    running.push_image("app", "1").await;
    let digest = Digest::of(b"unknown");
    running
        .get("/v2/app/manifests/2")
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
    running
        .get(&format!("/v2/app/manifests/{digest}"))
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
    running
        .get("/v2/other/manifests/1")
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
    running
        .get(&format!("/v2/app/blobs/{digest}"))
        .await
        .refuses(404, "BLOB_UNKNOWN");
    running
        .head(&format!("/v2/app/blobs/{digest}"))
        .await
        .is(404);
    for (path, code) in [
        ("/v2/app/manifests/sha256:baddigeststring", "DIGEST_INVALID"),
        ("/v2/app/manifests/..", "MANIFEST_INVALID"),
        ("/v2/app/manifests/%2e%2e", "MANIFEST_INVALID"),
        ("/v2/app/blobs/sha256:x", "DIGEST_INVALID"),
        (
            "/v2/app/blobs/sha256:..%2f..%2fetc%2fpasswd",
            "DIGEST_INVALID",
        ),
        ("/v2/App/manifests/1", "NAME_INVALID"),
        ("/v2/../app/manifests/1", "NAME_INVALID"),
        ("/v2/a%2fb/manifests/1", "NAME_INVALID"),
        ("/v2/app/manifests/1?ns=..%2f..", "NAME_INVALID"),
        ("/v2/app/manifests/1?ns=http://x", "NAME_INVALID"),
        ("/v2/app/referrers/x", "DIGEST_INVALID"),
    ] {
        running.get(path).await.refuses(400, code);
    }
    running.get("/v2/app").await.refuses(404, "NAME_UNKNOWN");
    assert!(
        running
            .images
            .asked()
            .iter()
            .all(|(name, ..)| !name.contains(".."))
    );
}

#[tokio::test]
async fn methods_that_are_not_there_are_named_with_those_that_are() {
    let running = start().await;
    running.push_image("app", "1").await;
    let digest = Digest::of(b"{}");
    for (method, path, allowed) in [
        (
            "POST",
            "/v2/app/manifests/1".to_owned(),
            "GET, HEAD, PUT, DELETE",
        ),
        (
            "OPTIONS",
            "/v2/app/manifests/1".to_owned(),
            "GET, HEAD, PUT, DELETE",
        ),
        (
            "PATCH",
            format!("/v2/app/blobs/{digest}"),
            "GET, HEAD, DELETE",
        ),
        ("DELETE", "/v2/app/tags/list".to_owned(), "GET, HEAD"),
        ("PUT", "/v2/_catalog".to_owned(), "GET, HEAD"),
        ("DELETE", "/v2/".to_owned(), "GET, HEAD"),
        ("GET", "/v2/app/blobs/uploads/".to_owned(), "POST"),
        (
            "POST",
            format!("/v2/app/blobs/uploads/{}", "0".repeat(32)),
            "GET, HEAD, PATCH, PUT, DELETE",
        ),
    ] {
        let answer = running
            .ask(method, &path)
            .send()
            .await
            .refuses(405, "UNSUPPORTED");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
    running.get("/v2/app/manifests/1").await.is(200);
}

#[tokio::test]
async fn sha512_is_a_digest_like_the_other() {
    let running = start().await;
    let config = sha512(b"{}");
    let upload = running.begin("app").await;
    running
        .ask("PUT", &format!("{upload}?digest={config}"))
        .body("{}")
        .send()
        .await
        .is(201);
    let path = format!("/v2/app/blobs/{config}");
    assert_eq!(
        running
            .get(&path)
            .await
            .is(200)
            .header("docker-content-digest"),
        Some(config.as_str())
    );
    running
        .ask(
            "POST",
            &format!("/v2/app/blobs/uploads/?digest={}", sha512(b"x")),
        )
        .body("x")
        .send()
        .await
        .is(201);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": {"mediaType": "a/b", "digest": config, "size": 2},
    });
    let digest = sha512(manifest.to_string().as_bytes());
    let answer = running
        .put_manifest("app", &digest, &manifest)
        .await
        .is(201);
    assert_eq!(
        answer.header("docker-content-digest"),
        Some(digest.as_str())
    );
    let path = answer.location().to_owned();
    assert_eq!(
        running.get(&path).await.is(200).body,
        manifest.to_string().into_bytes()
    );
    let wrong = sha512(b"other");
    running
        .put_manifest("app", &wrong, &manifest)
        .await
        .refuses(400, "DIGEST_INVALID");
    running
        .ask("POST", &format!("/v2/app/blobs/uploads/?digest={wrong}"))
        .body("x")
        .send()
        .await
        .is(400);
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [{"mediaType": MANIFEST, "digest": digest, "size": 1}],
    });
    running
        .put_manifest("app", &sha512(index.to_string().as_bytes()), &index)
        .await
        .is(201);
}

#[tokio::test]
async fn a_blob_shows_only_where_it_was_pushed() {
    let running = start().await;
    let digest = running.push_blob("mine", b"content").await;
    running
        .get(&format!("/v2/yours/blobs/{digest}"))
        .await
        .refuses(404, "BLOB_UNKNOWN");
    let manifest = manifest_of("content", "content");
    running
        .put_manifest("yours", "1", &manifest)
        .await
        .refuses(400, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(descriptor("x", "content")["digest"], digest.as_str());
}

#[tokio::test]
async fn probes_answer_beside_the_registry() {
    let running = start().await;
    for (path, text) in [
        ("/healthz", "ok\n"),
        ("/readyz", "ready\n"),
        ("/", "berth-gateway\n"),
    ] {
        assert_eq!(running.get(path).await.is(200).body, text.as_bytes());
    }
    running.get("/v2/app/manifests/1").await.is(404);
    // Without the Engine the gateway is alive, and whoever waits for it waits for the Engine as well.
    let down = MirrorError::Unavailable {
        message: "the Engine sleeps".to_owned(),
        retry_after: Duration::from_secs(2),
    };
    running.images.trouble(Some(down));
    let waits = running.get("/readyz").await.is(503);
    assert_eq!(waits.body, b"not ready: the Engine sleeps\n");
    running.get("/healthz").await.is(200);
    running.images.trouble(None);
    running.get("/readyz").await.is(200);
    let metrics = running.get("/metrics").await.is(200);
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(
        metrics.contains(
            r#"berth_gateway_requests_total{method="GET",resource="manifests",status="404"} 1"#
        ),
        "{metrics}"
    );
    running.get("/else").await.is(404);
}
