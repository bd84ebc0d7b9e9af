//! What the Engine is asked for, counted at its socket, and what is left when it or the gateway breaks off.

use crate::gateway::{Answer, Gateway, files, noise, wait};
use crate::host::{Host, unique};
use crate::registry::{ADA, Registry};
use crate::relay::Relay;

/// Whatever registry is asked here does not exist, and is refused at once.
const NOBODY: &str = "127.0.0.1:1";

/// Eight clients that ask for the same at the same time.
fn eight(ask: impl Fn() -> Answer + Sync) -> Vec<Answer> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8).map(|_| scope.spawn(&ask)).collect();
        asked
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect()
    })
}

fn eight_make_one_export(host: &Host) {
    let relay = Relay::start(host);
    let gateway = Gateway::start(
        &relay.address(),
        &[
            "--data-root",
            "/nonexistent",
            "--containerd",
            "/nonexistent",
        ],
    );
    let name = unique("eight");
    let _image = host.image(&format!("{NOBODY}/{name}:1"), &noise(16 << 20));
    let answers = eight(|| {
        let answer = gateway.manifest(NOBODY, &name, "1", None);
        assert_eq!(answer.status, 200, "{answer:?}");
        gateway.all_blobs(NOBODY, &name, &answer, None);
        answer
    });
    assert!(answers.windows(2).all(|two| two[0].body == two[1].body));
    assert_eq!(relay.count("GET", "/get"), 1);
    // Another tag of the image and another name need none, and nothing is pulled for what is there.
    let _more = ["2", "3"].map(|tag| {
        host.tagged(
            &format!("{NOBODY}/{name}:1"),
            &format!("{NOBODY}/{name}:{tag}"),
        )
    });
    for tag in ["2", "3"] {
        let answer = gateway.manifest(NOBODY, &name, tag, None);
        gateway.all_blobs(NOBODY, &name, &answer, None);
    }
    assert_eq!(relay.count("GET", "/get"), 1);
    assert_eq!(relay.count("POST", "/images/create"), 0);
}

#[test]
fn eight_cold_clients_make_one_export() {
    eight_make_one_export(&Host::first());
}

#[test]
fn newer_docker_with_a_graph_driver_makes_one_export_for_eight() {
    eight_make_one_export(&Host::newer_graph());
}

#[test]
fn newer_docker_with_containerds_store_makes_one_export_for_eight() {
    eight_make_one_export(&Host::newer_containerd());
}

#[test]
fn eight_clients_of_an_absent_image_make_one_pull_and_no_export_where_layers_can_be_read() {
    let host = Host::first();
    let registry = Registry::start(&host.registries, true);
    let relay = Relay::start(&host);
    let gateway = Gateway::start(&relay.address(), &[]);
    let name = unique("absent");
    registry.fill(&host, &name, "1", &noise(4 << 20));
    let _pulled = host.named(&registry.name(&name, "1"));
    let answers = eight(|| gateway.manifest(&registry.address, &name, "1", Some(ADA)));
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?} {}", gateway.log());
        gateway.all_blobs(&registry.address, &name, &answer, Some(ADA));
    }
    assert_eq!(relay.count("POST", "/images/create"), 1);
    assert_eq!(relay.count("GET", "/get"), 0);
}

/// A gateway in the middle of an export.
fn in_the_middle(host: &Host, relay: &Relay, name: &str) -> Gateway {
    let gateway = Gateway::start(&relay.address(), &["--data-root", "/nonexistent"]);
    let full = format!("{NOBODY}/{name}:1");
    assert!(host.inspect(&full).is_some());
    relay.hold_after(4 << 20);
    let path = format!("/v2/{name}/manifests/1?ns={NOBODY}");
    // The manifest may be known before the layers are here.
    drop(gateway.try_ask(&path, &["--max-time", "0.2"]));
    let arriving = gateway.folder.path().join("store/arriving");
    wait("the first bytes", || (files(&arriving) > 0).then_some(()));
    gateway
}

#[test]
fn an_engine_that_goes_away_in_the_middle_of_an_export_leaves_nothing_half() {
    let host = Host::first();
    let name = unique("broken");
    let _image = host.image(&format!("{NOBODY}/{name}:1"), &noise(16 << 20));
    let relay = Relay::start(&host);
    let gateway = in_the_middle(&host, &relay, &name);
    relay.stop();
    let arriving = gateway.folder.path().join("store/arriving");
    wait("that the half is removed", || {
        (files(&arriving) == 0).then_some(())
    });
    let down = gateway.manifest(NOBODY, &name, "1", None);
    assert!(matches!(down.status, 502 | 503), "{down:?}");
    relay.resume();
    wait("the Engine", || {
        (gateway.ask("/readyz", &[]).status == 200).then_some(())
    });
    let answer = gateway.manifest(NOBODY, &name, "1", None);
    gateway.all_blobs(NOBODY, &name, &answer, None);
}

#[test]
fn a_gateway_that_is_killed_in_the_middle_of_an_export_serves_nothing_half() {
    let host = Host::first();
    let name = unique("killed");
    let _image = host.image(&format!("{NOBODY}/{name}:1"), &noise(16 << 20));
    let relay = Relay::start(&host);
    let mut gateway = in_the_middle(&host, &relay, &name);
    relay.hold_after(usize::MAX);
    gateway.restart();
    let arriving = gateway.folder.path().join("store/arriving");
    assert_eq!(files(&arriving), 0);
    let answer = gateway.manifest(NOBODY, &name, "1", None);
    assert_eq!(answer.status, 200, "{answer:?} {}", gateway.log());
    gateway.all_blobs(NOBODY, &name, &answer, None);
}
