//! What strangers can make the gateway do has bounds, and what breaks off leaves nothing behind.

use std::net::TcpListener;

use crate::gateway::{Gateway, files, wait};
use crate::host::{Host, unique};
use crate::liar::Liar;
use crate::registry::{ADA, Registry};
use crate::relay::Relay;

/// Where a registry takes connections and never answers.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[test]
fn many_pulls_wait_for_their_turn_and_too_many_are_told_to_come_again() {
    let host = Host::first();
    let gateway = Gateway::start(&host.address, &["--pulls", "1"]);
    let (_registry, address) = silent();
    let pull = |number: usize| {
        let path = format!("/v2/any/manifests/{number}?ns={address}");
        gateway.try_ask(&path, &["--max-time", "8"])
    };
    // One has its turn, eight wait, and the last four do not.
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..13)
            .map(|number| scope.spawn(move || pull(number)))
            .collect();
        asked
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect()
    });
    let refused: Vec<_> = answers.into_iter().flatten().collect();
    assert_eq!(refused.len(), 4, "{refused:?}");
    for answer in refused {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert!(answer.json()["errors"][0]["message"].is_string());
    }
    // What the Engine has needs no turn.
    let name = unique("turn");
    let _image = host.image(&format!("127.0.0.1:1/{name}:1"), b"content");
    assert_eq!(
        gateway.manifest("127.0.0.1:1", &name, "1", None).status,
        200
    );
}

#[test]
fn a_blob_that_is_said_to_be_larger_than_any_may_be_is_not_begun() {
    let host = Host::first();
    let manifest = |size: u64| {
        let layer = "sha256:4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a";
        let kind = "application/vnd.docker.distribution.manifest.v2+json";
        serde_json::json!({"schemaVersion": 2, "mediaType": kind,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": layer, "size": size},
            "layers": []})
    };
    let liar = Liar::start(
        "127.0.0.1:0",
        manifest(16).to_string().into_bytes(),
        "200 OK",
    );
    // What it gives has sixteen bytes.
    let gateway = Gateway::start(&host.address, &["--max-blob-size", "15"]);
    let digest = crate::gateway::sha256(manifest(16).to_string().as_bytes());
    let shown = gateway.manifest(&liar.address, "any", &digest, None);
    assert_eq!(shown.status, 200, "{shown:?} {}", gateway.log());
    let config = manifest(16)["config"]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let blob = gateway.blob(&liar.address, "any", &config, None);
    assert_eq!(blob.status, 502, "{blob:?}");
    let message = blob.json()["errors"][0]["message"].to_string();
    assert!(message.contains("--max-blob-size"), "{message}");
    assert_eq!(files(&gateway.folder.path().join("store/arriving")), 0);
}

/// Images that are built here under a name are for everybody, unless a pull of somebody's images of it goes on.
fn builds_are_open(host: &Host, gateway: &Gateway, address: &str, name: &str) {
    let _built = host.image(&format!("{address}/{name}:built"), name.as_bytes());
    wait("the end of the pull", || {
        let answer = gateway.manifest(address, name, "built", None);
        (answer.status == 200).then_some(())
    });
}

#[test]
fn who_goes_away_in_the_middle_of_a_pull_leaves_no_doubt_behind() {
    let host = Host::first();
    let gateway = Gateway::start(&host.address, &[]);
    let (registry, address) = silent();
    let name = unique("away");
    let path = format!("/v2/{name}/manifests/1?ns={address}");
    assert!(
        gateway
            .try_ask(&path, &["--user", ADA, "--max-time", "1"])
            .is_none()
    );
    wait("the pull", || {
        gateway.log().contains("pulling").then_some(())
    });
    drop(registry);
    builds_are_open(&host, &gateway, &address, &name);
}

#[test]
fn an_engine_that_goes_away_in_the_middle_of_a_pull_leaves_doubt_until_the_next_one_ends() {
    let host = Host::first();
    let mut registry = Registry::start(&host.registries, true);
    let relay = Relay::start(&host);
    let gateway = Gateway::start(&relay.address(), &[]);
    let name = unique("middle");
    registry.fill(&host, &name, "1", name.as_bytes());
    let _pulled = host.named(&registry.name(&name, "1"));
    let address = registry.address.clone();
    registry.stop();
    let silent = TcpListener::bind(&address).unwrap();
    let path = format!("/v2/{name}/manifests/1?ns={address}");
    assert!(
        gateway
            .try_ask(&path, &["--user", ADA, "--max-time", "1"])
            .is_none()
    );
    wait("the pull", || {
        gateway.log().contains("pulling").then_some(())
    });
    relay.stop();
    wait("that the pull fails", || {
        gateway.log().contains("not pulled").then_some(())
    });
    assert_eq!(gateway.ask("/readyz", &[]).status, 503);
    assert_eq!(gateway.ask("/healthz", &[]).status, 200);
    drop(silent);
    registry.resume();
    relay.resume();
    wait("the Engine", || {
        (gateway.ask("/readyz", &[]).status == 200).then_some(())
    });
    let pulled = gateway.manifest(&address, &name, "1", Some(ADA));
    assert_eq!(pulled.status, 200, "{pulled:?} {}", gateway.log());
    assert_eq!(gateway.manifest(&address, &name, "1", None).status, 401);
    builds_are_open(&host, &gateway, &address, &name);
    assert_eq!(gateway.manifest(&address, &name, "1", None).status, 401);
}
