//! Names as clients write them.

use crate::gateway::Gateway;
use crate::host::{Host, unique};
use crate::registry::Registry;

#[test]
fn images_of_docker_hub_are_found_by_all_its_names() {
    let host = Host::first();
    let gateway = Gateway::start(&host.address, &[]);
    let (bare, organised) = (unique("bare"), format!("org/{}", unique("app")));
    let _images = [
        host.image(&format!("{bare}:1"), b"a"),
        host.image(&format!("{organised}:1"), b"b"),
    ];
    for registry in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
        for name in [&format!("library/{bare}"), &organised] {
            let answer = gateway.manifest(registry, name, "1", None);
            assert_eq!(answer.status, 200, "{registry} {name}: {answer:?}");
            gateway.all_blobs(registry, name, &answer, None);
        }
    }
}

#[test]
fn registries_with_ports_are_named_as_urls_need_it() {
    let host = Host::first();
    let gateway = Gateway::start(&host.address, &[]);
    let name = unique("port");
    let _image = host.image(&format!("127.0.0.1:1/{name}:1"), b"a");
    for registry in ["127.0.0.1:1", "127.0.0.1%3A1"] {
        assert_eq!(gateway.manifest(registry, &name, "1", None).status, 200);
    }
}

#[test]
fn a_blob_is_shown_only_by_repositories_that_have_it() {
    let host = Host::first();
    let gateway = Gateway::start(&host.address, &[]);
    let (one, other) = (unique("one"), unique("other"));
    let _images = [
        host.image(&format!("127.0.0.1:1/{one}:1"), b"one"),
        host.image(&format!("127.0.0.1:1/{other}:1"), b"other"),
    ];
    let manifest = gateway.manifest("127.0.0.1:1", &one, "1", None);
    let layer = manifest.json()["layers"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(gateway.blob("127.0.0.1:1", &one, &layer, None).status, 200);
    for (registry, name) in [("127.0.0.1:1", &other), ("127.0.0.1:2", &one)] {
        let answer = gateway.blob(registry, name, &layer, None);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "BLOB_UNKNOWN")
        );
    }
    let manifest = gateway.manifest("127.0.0.1:1", &other, &manifest.digest(), Some("a:b"));
    assert_eq!(manifest.status, 502, "{manifest:?}");
}

#[test]
fn names_without_a_registry_find_the_engines_images_and_ask_nobody_else() {
    let host = Host::first();
    let gateway = Gateway::start(&host.address, &[]);
    let name = unique("plain");
    let _image = host.image(&format!("{name}:1"), b"a");
    let answer = gateway.ask(&format!("/v2/{name}/manifests/1"), &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let layer = answer.json()["layers"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        gateway
            .ask(&format!("/v2/{name}/blobs/{layer}"), &[])
            .status,
        200
    );
    let tags = gateway.ask(&format!("/v2/{name}/tags/list"), &[]);
    assert_eq!(tags.json()["tags"], serde_json::json!(["1"]));
    let tags = gateway.ask(&format!("/v2/library/{name}/tags/list?ns=docker.io"), &[]);
    assert_eq!(tags.json()["tags"], serde_json::json!(["1"]));
    let unknown = gateway.ask(&format!("/v2/{name}/manifests/2"), &[]);
    assert_eq!(
        (unknown.status, unknown.code().as_str()),
        (404, "MANIFEST_UNKNOWN")
    );
    assert!(!gateway.log().contains("pulling"), "{}", gateway.log());
}

#[test]
fn newer_docker_whose_content_cannot_be_read_serves_what_is_below_an_index() {
    let host = Host::newer_containerd();
    let registry = Registry::start(&host.registries, false);
    let name = unique("below");
    let digest = registry.fill(&host, &name, "1", name.as_bytes());
    let platforms = serde_json::json!([{"architecture": "amd64", "os": "linux"}]);
    registry.put_index(&name, "1", &digest, &platforms);
    let nowhere = [
        "--data-root",
        "/nonexistent",
        "--containerd",
        "/nonexistent",
    ];
    let mut gateway = Gateway::start(&host.address, &nowhere);
    host.docker(&["pull", "--quiet", &registry.name(&name, "1")])
        .unwrap();
    let _pulled = host.named(&registry.name(&name, "1"));
    // The Engine has it, and nobody else is there to ask.
    let address = registry.address.clone();
    drop(registry);
    for _ in 0..2 {
        let index = gateway.manifest(&address, &name, "1", None);
        assert_eq!(index.json()["manifests"][0]["digest"], digest.as_str());
        let child = gateway.manifest(&address, &name, &digest, None);
        assert_eq!(child.digest(), digest);
        gateway.all_blobs(&address, &name, &child, None);
        gateway.restart();
        // A client goes on where it was.
        gateway.all_blobs(&address, &name, &child, None);
    }
}
