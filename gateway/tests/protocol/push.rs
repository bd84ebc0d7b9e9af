//! Blobs and manifests as clients push them.

use std::fmt::Write as _;

use berth_gateway::http::Limits;
use berth_gateway::names::Digest;
use berth_gateway::store;
use serde_json::json;

use crate::running::{
    INDEX, MANIFEST, Setup, descriptor, digest_of, manifest_of, start, start_with,
};

#[tokio::test]
async fn a_blob_is_pushed_in_two_requests() {
    let running = start().await;
    let upload = running.begin("org/app").await;
    let digest = Digest::of(b"content");
    let put = running
        .ask("PUT", &format!("{upload}?digest={digest}"))
        .body("content")
        .send()
        .await
        .is(201);
    assert_eq!(put.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(running.get(put.location()).await.is(200).body, b"content");
    running
        .get(&upload)
        .await
        .refuses(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_blob_is_pushed_in_one_request() {
    let running = start().await;
    let digest = Digest::of(b"content");
    let path = format!("/v2/app/blobs/uploads/?digest={digest}");
    let post = running
        .ask("POST", &path)
        .body("content")
        .send()
        .await
        .is(201);
    assert_eq!(running.get(post.location()).await.is(200).body, b"content");
    running
        .ask("POST", &path)
        .body("content")
        .send()
        .await
        .is(201);
}

#[tokio::test]
async fn a_blob_is_pushed_as_a_stream() {
    let running = start().await;
    let content = vec![7; 100_000];
    let digest = Digest::of(&content);
    let upload = running.begin("app").await;
    let patch = running
        .ask("PATCH", &upload)
        .body(content.clone())
        .streamed()
        .send()
        .await
        .is(202);
    assert_eq!(patch.header("range"), Some("0-99999"));
    let put = running
        .ask("PUT", &format!("{}?digest={digest}", patch.location()))
        .send()
        .await
        .is(201);
    assert_eq!(running.get(put.location()).await.is(200).body, content);
}

#[tokio::test]
async fn a_blob_is_pushed_in_chunks_and_the_last_may_come_with_the_end() {
    let content: Vec<u8> = (0..3000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    let digest = Digest::of(&content);
    for last_in_put in [false, true] {
        let running = start().await;
        let mut upload = running.begin("app").await;
        for (first, end) in [(0, 1024), (1024, 2048), (2048, 3000)] {
            let range = format!("{first}-{}", end - 1);
            let is_end = last_in_put && end == 3000;
            let method = if is_end { "PUT" } else { "PATCH" };
            let path = if is_end {
                format!("{upload}?digest={digest}")
            } else {
                upload.clone()
            };
            let ask = running
                .ask(method, &path)
                .header("Content-Range", &range)
                .body(&content[first..end]);
            let answer = ask.send().await.is(if is_end { 201 } else { 202 });
            if !is_end {
                assert_eq!(
                    answer.header("range"),
                    Some(format!("0-{}", end - 1).as_str())
                );
            }
            upload = answer.location().to_owned();
        }
        if !last_in_put {
            upload = running
                .ask("PUT", &format!("{upload}?digest={digest}"))
                .send()
                .await
                .is(201)
                .location()
                .to_owned();
        }
        assert_eq!(running.get(&upload).await.is(200).body, content);
    }
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_and_the_upload_goes_on() {
    let running = start().await;
    let content = vec![5; 2000];
    let digest = Digest::of(&content);
    let upload = running.begin("app").await;
    let send = |method: &str, path: &str, first: usize, end: usize| {
        let range = format!("{first}-{}", end - 1);
        running
            .ask(method, path)
            .header("Content-Range", &range)
            .body(&content[first..end])
            .send()
    };
    send("PATCH", &upload, 1000, 2000).await.is(416);
    assert_eq!(
        running.get(&upload).await.is(204).header("range"),
        Some("0-0")
    );
    send("PATCH", &upload, 0, 1000).await.is(202);
    for (method, path) in [
        ("PATCH", upload.clone()),
        ("PUT", format!("{upload}?digest={digest}")),
    ] {
        let refused = send(method, &path, 0, 1000)
            .await
            .refuses(416, "BLOB_UPLOAD_INVALID");
        assert_eq!(
            (refused.location(), refused.header("range")),
            (upload.as_str(), Some("0-999"))
        );
    }
    let status = running.get(&upload).await.is(204);
    assert_eq!(
        (status.location(), status.header("range")),
        (upload.as_str(), Some("0-999"))
    );
    let put = send("PUT", &format!("{upload}?digest={digest}"), 1000, 2000)
        .await
        .is(201);
    assert_eq!(running.get(put.location()).await.is(200).body, content);
}

#[tokio::test]
async fn a_chunk_that_is_not_as_long_as_it_says_is_refused() {
    let running = start().await;
    let upload = running.begin("app").await;
    let ask = |range: &str| {
        running
            .ask("PATCH", &upload)
            .header("Content-Range", range)
            .body("12345")
    };
    ask("0-9").send().await.refuses(400, "SIZE_INVALID");
    ask("0-9")
        .streamed()
        .send()
        .await
        .refuses(400, "SIZE_INVALID");
    ask("nonsense")
        .send()
        .await
        .refuses(400, "BLOB_UPLOAD_INVALID");
}

#[tokio::test]
async fn a_wrong_digest_is_refused_and_nothing_is_kept() {
    let running = start().await;
    let before = running.files().len();
    let wrong = Digest::of(b"other");
    let upload = running.begin("app").await;
    running
        .ask("PUT", &format!("{upload}?digest={wrong}"))
        .body("content")
        .send()
        .await
        .refuses(400, "DIGEST_INVALID");
    let upload = running.begin("app").await;
    running
        .ask("PATCH", &upload)
        .body("content")
        .send()
        .await
        .is(202);
    running
        .ask("PUT", &format!("{upload}?digest={wrong}"))
        .send()
        .await
        .refuses(400, "DIGEST_INVALID");
    let post = format!("/v2/app/blobs/uploads/?digest={wrong}");
    running
        .ask("POST", &post)
        .body("content")
        .send()
        .await
        .refuses(400, "DIGEST_INVALID");
    for digest in [
        "sha256:../../../../tmp/evil",
        "sha256:x",
        "",
        "md5:x",
        "sha256%3A..%2F..%2Fx",
    ] {
        let upload = running.begin("app").await;
        running
            .ask("PUT", &format!("{upload}?digest={digest}"))
            .body("x")
            .send()
            .await
            .refuses(400, "DIGEST_INVALID");
        running.ask("DELETE", &upload).send().await.is(204);
        let post = format!("/v2/app/blobs/uploads/?digest={digest}");
        running
            .ask("POST", &post)
            .body("x")
            .send()
            .await
            .refuses(400, "DIGEST_INVALID");
    }
    running.get(&format!("/v2/app/blobs/{wrong}")).await.is(404);
    running
        .get(&format!("/v2/app/blobs/{}", Digest::of(b"content")))
        .await
        .is(404);
    assert_eq!(running.files().len(), before, "{:?}", running.files());
}

#[tokio::test]
async fn the_end_of_an_upload_needs_a_digest() {
    let running = start().await;
    let upload = running.begin("app").await;
    running
        .ask("PUT", &upload)
        .body("x")
        .send()
        .await
        .refuses(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn an_upload_can_be_given_up_and_belongs_to_its_repository() {
    let running = start().await;
    let before = running.files();
    let upload = running.begin("app").await;
    running
        .ask("PATCH", &upload)
        .body("content")
        .send()
        .await
        .is(202);
    running
        .get(&upload.replace("/app/", "/other/"))
        .await
        .refuses(404, "BLOB_UPLOAD_UNKNOWN");
    running.delete(&upload).await.is(204);
    for method in ["GET", "PATCH", "PUT", "DELETE"] {
        running
            .ask(method, &upload)
            .send()
            .await
            .refuses(404, "BLOB_UPLOAD_UNKNOWN");
    }
    running
        .get("/v2/app/blobs/uploads/..")
        .await
        .refuses(404, "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(running.files(), before);
}

#[tokio::test]
async fn a_blob_of_another_repository_is_mounted() {
    let running = start().await;
    let digest = running.push_blob("from", b"content").await;
    running.push_image("from", "1").await;
    let mount = |query: String| {
        running
            .ask("POST", &format!("/v2/to/blobs/uploads/?mount={query}"))
            .send()
    };
    let answer = mount(format!("{digest}&from=from")).await.is(201);
    assert_eq!(
        running.get(answer.location()).await.is(200).body,
        b"content"
    );
    let unknown = Digest::of(b"unknown");
    let answer = mount(format!("{unknown}&from=from")).await.is(202);
    let put = running
        .ask("PUT", &format!("{}?digest={unknown}", answer.location()))
        .body("unknown")
        .send()
        .await;
    put.is(201);
    mount(format!("{digest}&from=..%2Fx"))
        .await
        .refuses(400, "NAME_INVALID");
    mount("sha256:x&from=from".to_owned())
        .await
        .refuses(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn a_blob_is_mounted_without_saying_from_where() {
    let running = start().await;
    running.push_image("from", "1").await;
    let layer = Digest::of(b"layer of from:1");
    let answer = running
        .ask("POST", &format!("/v2/to/blobs/uploads/?mount={layer}"))
        .send()
        .await
        .is(201);
    assert_eq!(
        running.get(answer.location()).await.is(200).body,
        b"layer of from:1"
    );
    let unknown = Digest::of(b"unknown");
    running
        .ask("POST", &format!("/v2/to/blobs/uploads/?mount={unknown}"))
        .send()
        .await
        .is(202);
}

#[tokio::test]
async fn the_same_blob_may_be_pushed_many_times_at_once() {
    let running = start().await;
    let content = vec![9; 300_000];
    let digest = Digest::of(&content);
    let path = format!("/v2/app/blobs/uploads/?digest={digest}");
    let pushes = (0..8).map(|_| running.ask("POST", &path).body(content.clone()).send());
    for answer in futures::future::join_all(pushes).await {
        answer.is(201);
    }
    assert_eq!(
        running
            .get(&format!("/v2/app/blobs/{digest}"))
            .await
            .is(200)
            .body,
        content
    );
    let whole = running
        .files()
        .iter()
        .filter(|file| file.starts_with("blobs/"))
        .count();
    assert_eq!(whole, 1, "{:?}", running.files());
}

#[tokio::test]
async fn a_manifest_needs_what_it_names() {
    let running = start().await;
    let manifest = manifest_of("{}", "layer");
    running.push_blob("app", b"{}").await;
    let refused = running
        .put_manifest("app", "1", &manifest)
        .await
        .refuses(400, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(
        refused.json()["errors"][0]["detail"]["digests"],
        json!([Digest::of(b"layer")])
    );
    running.get("/v2/app/manifests/1").await.is(404);
    running.push_blob("app", b"layer").await;
    running.put_manifest("app", "1", &manifest).await.is(201);
    let child = digest_of(&manifest);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"mediaType": MANIFEST, "digest": child, "size": 1}]});
    running.put_manifest("app", "all", &index).await.is(201);
    running
        .put_manifest("other", "all", &index)
        .await
        .refuses(400, "MANIFEST_BLOB_UNKNOWN");
}

#[tokio::test]
async fn sparse_manifests_are_taken_where_they_are_allowed() {
    let limits = Limits {
        sparse: true,
        ..Limits::default()
    };
    let running = start_with(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    let manifest = manifest_of("{}", "layer");
    running.put_manifest("app", "1", &manifest).await.is(201);
    running.get("/v2/app/manifests/1").await.is(200);
    running
        .get(&format!("/v2/app/blobs/{}", Digest::of(b"layer")))
        .await
        .is(404);
}

#[tokio::test]
async fn layers_that_others_distribute_need_not_be_pushed() {
    let running = start().await;
    running.push_blob("app", b"{}").await;
    let mut manifest = manifest_of("{}", "{}");
    let kind = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    manifest["layers"]
        .as_array_mut()
        .unwrap()
        .push(descriptor(kind, "elsewhere"));
    running.put_manifest("app", "1", &manifest).await.is(201);
}

#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let running = start().await;
    running.push_blob("app", b"{}").await;
    for body in ["", "not json", "{}", "[1]"] {
        let ask = running
            .ask("PUT", "/v2/app/manifests/1")
            .header("Content-Type", "application/json")
            .body(body);
        ask.send().await.refuses(400, "MANIFEST_INVALID");
    }
    let manifest = manifest_of("{}", "{}");
    let ask = running
        .ask("PUT", "/v2/app/manifests/1")
        .header("Content-Type", INDEX)
        .body(manifest.to_string());
    ask.send().await.refuses(400, "MANIFEST_INVALID");
    running
        .put_manifest("app", "sha256:baddigeststring", &manifest)
        .await
        .refuses(400, "DIGEST_INVALID");
    running
        .put_manifest("app", Digest::of(b"other").as_str(), &manifest)
        .await
        .refuses(400, "DIGEST_INVALID");
    running.get("/v2/app/manifests/1").await.is(404);
    running
        .put_manifest("app", digest_of(&manifest).as_str(), &manifest)
        .await
        .is(201);
}

#[tokio::test]
async fn unknown_fields_are_kept_and_a_missing_type_is_found_out() {
    let running = start().await;
    running.push_blob("app", b"{}").await;
    let mut manifest = manifest_of("{}", "{}");
    manifest["x-unknown"] = json!({"kept": [1, null]});
    manifest.as_object_mut().unwrap().remove("mediaType");
    let text = format!("  {manifest}\n");
    running
        .ask("PUT", "/v2/app/manifests/1")
        .body(text.clone())
        .send()
        .await
        .is(201);
    let answer = running.get("/v2/app/manifests/1").await.is(200);
    assert_eq!(answer.body, text.into_bytes());
    assert_eq!(answer.header("content-type"), Some(MANIFEST));
}

#[tokio::test]
async fn a_large_manifest_is_taken_and_a_huge_one_is_not() {
    let running = start().await;
    running.push_blob("app", b"{}").await;
    let mut manifest = manifest_of("{}", "{}");
    let annotations: serde_json::Map<_, _> = (0..390)
        .map(|n| (format!("annotation-{n}"), json!("A".repeat(10_000))))
        .collect();
    manifest["annotations"] = annotations.into();
    running
        .put_manifest("app", "large", &manifest)
        .await
        .is(201);
    assert_eq!(
        running.get("/v2/app/manifests/large").await.is(200).body,
        manifest.to_string().into_bytes()
    );
    manifest["annotations"]["more"] = json!("A".repeat(5 << 20));
    running
        .put_manifest("app", "huge", &manifest)
        .await
        .refuses(413, "SIZE_INVALID");
}

#[tokio::test]
async fn uploads_that_nobody_finishes_have_a_limit() {
    let running = start_with(Setup {
        store: store::Limits {
            uploads_of_peer: 2,
            ..store::Limits::default()
        },
        ..Setup::default()
    })
    .await;
    let first = running.begin("app").await;
    running.begin("other").await;
    let path = "/v2/app/blobs/uploads/";
    let refused = running.ask("POST", path).send().await;
    assert!(refused.header("retry-after").is_some());
    refused.refuses(429, "TOOMANYREQUESTS");
    // Whole blobs in one request need no session, and one that ends makes room.
    running.push_blob("app", b"whole").await;
    running.delete(&first).await.is(204);
    running.begin("app").await;
}

#[tokio::test]
async fn a_blob_has_a_limit() {
    let limits = Limits {
        blob: 10,
        ..Limits::default()
    };
    let running = start_with(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    let before = running.files();
    let eleven = "x".repeat(11);
    let post = format!(
        "/v2/app/blobs/uploads/?digest={}",
        Digest::of(eleven.as_bytes())
    );
    running
        .ask("POST", &post)
        .body(eleven.clone())
        .send()
        .await
        .refuses(413, "SIZE_INVALID");
    let upload = running.begin("app").await;
    running
        .ask("PATCH", &upload)
        .body(eleven)
        .streamed()
        .send()
        .await
        .refuses(413, "SIZE_INVALID");
    running.delete(&upload).await.is(204);
    running.push_blob("app", b"xxxxxxxxxx").await;
    assert_eq!(
        running
            .files()
            .iter()
            .filter(|file| !before.contains(file))
            .count(),
        1,
        "{:?}",
        running.files()
    );
}

#[tokio::test]
async fn one_manifest_gets_several_tags() {
    let running = start().await;
    running.push_blob("app", b"{}").await;
    let manifest = manifest_of("{}", "{}");
    let mut reference = digest_of(&manifest).to_string();
    write!(reference, "?tag=a&tag=b").unwrap();
    let answer = running
        .put_manifest("app", &reference, &manifest)
        .await
        .is(201);
    assert_eq!(
        answer
            .headers()
            .iter()
            .filter(|(name, _)| name == "oci-tag")
            .count(),
        2
    );
    for tag in ["a", "b"] {
        running
            .get(&format!("/v2/app/manifests/{tag}"))
            .await
            .is(200);
    }
    let wrong = format!("{}?tag=..", digest_of(&manifest));
    running.put_manifest("app", &wrong, &manifest).await.is(400);
}

#[tokio::test]
async fn a_tag_moves_and_the_old_manifest_stays() {
    let running = start().await;
    let old = running.push_image("app", "1").await;
    let new = manifest_of("{}", "{}");
    running.put_manifest("app", "1", &new).await.is(201);
    assert_eq!(
        running.get("/v2/app/manifests/1").await.is(200).body,
        new.to_string().into_bytes()
    );
    running
        .get(&format!("/v2/app/manifests/{}", digest_of(&old)))
        .await
        .is(200);
}
