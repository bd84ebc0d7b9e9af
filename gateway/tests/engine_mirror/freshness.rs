//! What the Engine has now is what is served now.

use crate::gateway::{Gateway, files, noise, sha256, wait};
use crate::host::{Host, unique};
use crate::registry::Registry;
use crate::relay::Relay;

/// Whatever registry is asked here does not exist, and is refused at once.
const NOBODY: &str = "127.0.0.1:1";

#[test]
fn a_rebuilt_tag_is_served_at_once_and_a_removed_one_no_longer() {
    let host = Host::first();
    let gateway = Gateway::start(&host.address, &[]);
    let name = unique("rebuilt");
    let full = format!("{NOBODY}/{name}:1");
    let first = host.image(&full, b"one");
    let before = gateway.manifest(NOBODY, &name, "1", None);
    assert_eq!(before.status, 200, "{before:?}");
    assert_eq!(sha256(&before.body), before.digest());
    gateway.all_blobs(NOBODY, &name, &before, None);

    let second = host.image(&full, b"two");
    let head = gateway.ask(&format!("/v2/{name}/manifests/1?ns={NOBODY}"), &["--head"]);
    assert_ne!(head.digest(), before.digest());
    let after = gateway.manifest(NOBODY, &name, "1", None);
    assert_eq!(after.digest(), head.digest());
    gateway.all_blobs(NOBODY, &name, &after, None);

    // The old one has no tag any more, and is still there for who holds its digest.
    let old = gateway.manifest(NOBODY, &name, &before.digest(), None);
    assert_eq!((old.status, old.body), (200, before.body.clone()));

    drop((first, second));
    let gone = gateway.manifest(NOBODY, &name, "1", Some("ada:any"));
    assert_eq!(
        (gone.status, gone.code().as_str()),
        (502, "UNKNOWN"),
        "{gone:?}"
    );
    let layer = after.json()["layers"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    wait("the event of the removal", || {
        (gateway.blob(NOBODY, &name, &layer, None).status != 200).then_some(())
    });
}

#[test]
fn a_removed_image_is_not_found_after_its_registry_was_asked() {
    let host = Host::first();
    let registry = Registry::start(&host.registries, false);
    let gateway = Gateway::start(&host.address, &[]);
    let name = unique("removed");
    let image = host.image(&registry.name(&name, "1"), b"one");
    assert_eq!(
        gateway.manifest(&registry.address, &name, "1", None).status,
        200
    );
    drop(image);
    let gone = gateway.manifest(&registry.address, &name, "1", Some("ada:any"));
    assert_eq!(
        (gone.status, gone.code().as_str()),
        (404, "MANIFEST_UNKNOWN")
    );
}

#[test]
fn digests_are_the_same_after_restarts_and_in_other_stores() {
    let host = Host::first();
    let mut gateway = Gateway::start(&host.address, &[]);
    let name = unique("stable");
    let _image = host.image(&format!("{NOBODY}/{name}:1"), b"content");
    let first = gateway.manifest(NOBODY, &name, "1", None);
    gateway.restart();
    let by_digest = gateway.manifest(NOBODY, &name, &first.digest(), None);
    assert_eq!((by_digest.status, &by_digest.body), (200, &first.body));
    gateway.restart();
    // A client goes on where it was, without asking for the manifest again.
    gateway.all_blobs(NOBODY, &name, &first, None);
    let other = Gateway::start(&host.address, &[]);
    assert_eq!(
        other.manifest(NOBODY, &name, "1", None).digest(),
        first.digest()
    );
    // Nothing of the Engine's content can be read there: it is exported, and is the same.
    let blind = Gateway::start(&host.address, &["--data-root", "/nonexistent"]);
    let exported = blind.manifest(NOBODY, &name, "1", None);
    assert_eq!(exported.digest(), first.digest());
    blind.all_blobs(NOBODY, &name, &exported, None);
}

#[test]
fn a_digest_that_nobody_has_costs_no_export() {
    let host = Host::first();
    let registry = Registry::start(&host.registries, false);
    let gateway = Gateway::start(&host.address, &["--data-root", "/nonexistent"]);
    let name = unique("digest");
    let _image = host.image(&registry.name(&name, "1"), &vec![7; 1 << 20]);
    let nobody = format!("sha256:{}", "0".repeat(64));
    for _ in 0..3 {
        let answer = gateway.manifest(&registry.address, &name, &nobody, Some("ada:any"));
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "MANIFEST_UNKNOWN")
        );
    }
    let store = gateway.folder.path().join("store/blobs");
    assert_eq!(files(&store), 0, "{}", gateway.log());
}

#[test]
fn cold_requests_at_the_same_time_are_all_answered() {
    let host = Host::first();
    let gateway = Gateway::start(&host.address, &["--data-root", "/nonexistent"]);
    let name = unique("cold");
    let _one = host.image(&format!("{NOBODY}/{name}:1"), &vec![1; 8 << 20]);
    let _two = host.image(&format!("{NOBODY}/{name}:2"), &vec![2; 8 << 20]);
    std::thread::scope(|scope| {
        let asking: Vec<_> = ["1", "2", "1", "2", "1", "2", "1", "2"]
            .map(|tag| {
                let (gateway, name) = (&gateway, &name);
                scope.spawn(move || gateway.manifest(NOBODY, name, tag, None))
            })
            .into();
        for asked in asking {
            let answer = asked.join().unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            gateway.all_blobs(NOBODY, &name, &answer, None);
        }
    });
}

#[test]
fn an_engine_that_is_down_is_said_and_found_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let gateway = Gateway::start(&format!("unix://{}", socket.display()), &[]);
    let down = gateway.manifest("docker.io", "library/any", "1", None);
    assert!(matches!(down.status, 502..=504), "{down:?}");
    assert!(
        down.json()["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("Docker")
    );
    let host = Host::first();
    let name = unique("comes");
    let _image = host.image(&format!("{NOBODY}/{name}:1"), b"content");
    let real = host.address.strip_prefix("unix://").unwrap();
    std::os::unix::fs::symlink(real, &socket).unwrap();
    wait("the Engine", || {
        (gateway.manifest(NOBODY, &name, "1", None).status == 200).then_some(())
    });
}

#[test]
fn an_engine_that_restarts_is_found_again() {
    let host = Host::first();
    let name = unique("restarts");
    let _image = host.image(&format!("{NOBODY}/{name}:1"), b"content");
    let relay = Relay::start(&host);
    let gateway = Gateway::start(&relay.address(), &[]);
    let status = |gateway: &Gateway| gateway.manifest(NOBODY, &name, "1", None).status;
    assert_eq!(status(&gateway), 200);
    relay.stop();
    wait("that the Engine is missed", || {
        (status(&gateway) == 503).then_some(())
    });
    assert_eq!(gateway.ask("/v2/", &[]).status, 200);
    relay.resume();
    wait("the Engine", || (status(&gateway) == 200).then_some(()));
}

#[test]
fn an_engine_that_does_not_answer_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let gateway = Gateway::start(&format!("unix://{}", socket.display()), &[]);
    let answer = gateway.manifest("docker.io", "library/any", "1", None);
    assert_eq!(answer.status, 504, "{answer:?}");
}

#[test]
fn who_goes_away_does_not_end_the_export_and_who_comes_again_finds_it() {
    let host = Host::first();
    let gateway = Gateway::start(&host.address, &["--data-root", "/nonexistent"]);
    let name = unique("leaves");
    let _image = host.image(&format!("{NOBODY}/{name}:1"), &noise(48 << 20));
    let path = format!("/v2/{name}/manifests/1?ns={NOBODY}");
    assert!(gateway.try_ask(&path, &["--max-time", "0.05"]).is_none());
    // Nobody asks now, and it goes on.
    wait("the whole image", || {
        (files(&gateway.folder.path().join("store/blobs")) >= 3).then_some(())
    });
    let answer = gateway.manifest(NOBODY, &name, "1", None);
    gateway.all_blobs(NOBODY, &name, &answer, None);
}
