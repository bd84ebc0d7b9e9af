//! Tags, the catalog, referrers.

use serde_json::{Value, json};

use crate::running::{INDEX, MANIFEST, Running, descriptor, digest_of, manifest_of, start};

async fn tags(running: &Running, query: &str) -> (Value, Option<String>) {
    let answer = running
        .get(&format!("/v2/app/tags/list{query}"))
        .await
        .is(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json()["name"], "app");
    (
        answer.json()["tags"].clone(),
        answer.header("link").map(str::to_owned),
    )
}

#[tokio::test]
async fn tags_are_listed_in_pages() {
    let running = start().await;
    running
        .get("/v2/app/tags/list")
        .await
        .refuses(404, "NAME_UNKNOWN");
    let manifest = running.push_image("app", "b").await;
    for tag in ["c", "a", "D"] {
        running.put_manifest("app", tag, &manifest).await.is(201);
    }
    assert_eq!(
        tags(&running, "").await,
        (json!(["D", "a", "b", "c"]), None)
    );
    let link = "</v2/app/tags/list?n=2&last=a>; rel=\"next\"".to_owned();
    assert_eq!(
        tags(&running, "?n=2").await,
        (json!(["D", "a"]), Some(link))
    );
    assert_eq!(
        tags(&running, "?n=2&last=a").await,
        (json!(["b", "c"]), None)
    );
    assert_eq!(tags(&running, "?last=b").await, (json!(["c"]), None));
    assert_eq!(tags(&running, "?last=aa").await, (json!(["b", "c"]), None));
    assert_eq!(tags(&running, "?n=0").await, (json!([]), None));
    running.get("/v2/app/tags/list?n=x").await.is(400);
    running.get("/v2/app/tags/list?n=-1").await.is(400);
}

#[tokio::test]
async fn the_catalog_lists_what_was_pushed_and_what_the_engine_has() {
    let running = start().await;
    running.push_image("pushed/b", "1").await;
    let manifest = json!({});
    running
        .images
        .add("docker.io", "library/a", "1", &manifest)
        .add("ghcr.io", "org/c", "1", &manifest);
    let catalog = |query: &'static str| running.ask("GET", &format!("/v2/_catalog{query}")).send();
    assert_eq!(
        catalog("").await.is(200).json(),
        json!({"repositories": ["a", "ghcr.io/org/c", "pushed/b"]})
    );
    let first = catalog("?n=1").await.is(200);
    assert_eq!(first.json()["repositories"], json!(["a"]));
    assert_eq!(
        first.header("link"),
        Some("</v2/_catalog?n=1&last=a>; rel=\"next\"")
    );
    assert_eq!(
        catalog("?n=1&last=ghcr.io/org/c").await.is(200).json()["repositories"],
        json!(["pushed/b"])
    );
}

#[tokio::test]
async fn referrers_are_listed_and_filtered() {
    let running = start().await;
    let subject = running.push_image("app", "1").await;
    let subject_digest = digest_of(&subject);
    let path = format!("/v2/app/referrers/{subject_digest}");
    let none = running.get(&path).await.is(200);
    assert_eq!(none.header("content-type"), Some(INDEX));
    assert_eq!(
        none.json(),
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    );

    let about = |kind: Option<&str>, config: &str| {
        let mut manifest = manifest_of("{}", "{}");
        manifest["config"]["mediaType"] = json!(config);
        manifest["subject"] = json!({"mediaType": MANIFEST, "digest": subject_digest, "size": 1});
        manifest["annotations"] = json!({"kind": kind});
        if let Some(kind) = kind {
            manifest["artifactType"] = json!(kind);
        }
        manifest
    };
    let signature = about(Some("a/signature"), "application/vnd.oci.empty.v1+json");
    let mut plain = about(None, "a/config");
    plain["annotations"] = json!({"x": "y"});
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX, "artifactType": "a/index", "manifests": [],
        "subject": {"mediaType": MANIFEST, "digest": subject_digest, "size": 1},
    });
    for manifest in [&signature, &plain, &index] {
        let answer = running
            .put_manifest("app", digest_of(manifest).as_str(), manifest)
            .await
            .is(201);
        assert_eq!(answer.header("oci-subject"), Some(subject_digest.as_str()));
    }
    let list = running.get(&path).await.is(200);
    assert_eq!(running.head(&path).await.is(200).headers(), list.headers());
    assert_eq!(list.header("oci-filters-applied"), None);
    let list = list.json();
    let found = |digest: &str| {
        let all = list["manifests"].as_array().unwrap();
        all.iter()
            .find(|entry| entry["digest"] == digest)
            .cloned()
            .unwrap()
    };
    assert_eq!(list["manifests"].as_array().unwrap().len(), 3);
    assert_eq!(
        found(digest_of(&plain).as_str()),
        json!({
            "mediaType": MANIFEST, "digest": digest_of(&plain), "size": plain.to_string().len(),
            "artifactType": "a/config", "annotations": {"x": "y"},
        })
    );
    assert_eq!(
        found(digest_of(&signature).as_str())["artifactType"],
        "a/signature"
    );
    assert_eq!(found(digest_of(&index).as_str())["artifactType"], "a/index");
    assert_eq!(found(digest_of(&index).as_str())["mediaType"], INDEX);

    let filtered = running
        .get(&format!("{path}?artifactType=a%2Fsignature"))
        .await
        .is(200);
    assert_eq!(filtered.header("oci-filters-applied"), Some("artifactType"));
    assert_eq!(
        filtered.json()["manifests"][0]["digest"],
        digest_of(&signature).as_str()
    );
    assert_eq!(filtered.json()["manifests"].as_array().unwrap().len(), 1);

    running
        .delete(&format!("/v2/app/manifests/{}", digest_of(&signature)))
        .await
        .is(202);
    assert_eq!(
        running.get(&path).await.json()["manifests"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        running
            .get(&path.replace("/app/", "/other/"))
            .await
            .is(200)
            .json()["manifests"],
        json!([])
    );
}

#[tokio::test]
async fn a_subject_need_not_be_there_yet() {
    let running = start().await;
    running.push_blob("app", b"{}").await;
    let mut manifest = manifest_of("{}", "{}");
    manifest["subject"] = descriptor(MANIFEST, "not pushed");
    let answer = running.put_manifest("app", "1", &manifest).await.is(201);
    let subject = manifest["subject"]["digest"].as_str().unwrap();
    assert_eq!(answer.header("oci-subject"), Some(subject));
    let list = running
        .get(&format!("/v2/app/referrers/{subject}"))
        .await
        .is(200);
    assert_eq!(
        list.json()["manifests"][0]["digest"],
        digest_of(&manifest).as_str()
    );
}
