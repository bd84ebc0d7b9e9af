//! What is pulled, and what the agent must say of it.

use std::collections::BTreeMap;
use tracer_model::{LayerState, NameConfidence, Phase, ReportedPull, RuntimeState};

use crate::agent::Agent;
use crate::containerd::{Containerd, Version};
use crate::images::{image, layer, layer_of_many_files};
use crate::registry::Registry;
use crate::server::Server;

const MIB: usize = 1 << 20;
/// For a line, and each connection has one.
const SLOW: usize = 2 * MIB;
const FAST: usize = 64 * MIB;

struct Node {
    registry: Registry,
    containerd: Containerd,
    server: Server,
    agent: Agent,
}

async fn node(version: Version, bytes_per_second: usize) -> Node {
    let registry = Registry::start(bytes_per_second).await;
    let containerd = Containerd::start(version, &registry.address).await;
    let server = Server::start().await;
    let agent = Agent::start(&containerd.socket(), &containerd.certs_d(), &server.url);
    server.wait_runtime(RuntimeState::Connected).await;
    Node {
        registry,
        containerd,
        server,
        agent,
    }
}

fn seconds(pull: &ReportedPull) -> f64 {
    pull.completed_at
        .unwrap()
        .duration_since(pull.started_at)
        .as_secs_f64()
}

fn of<'a>(finished: &'a [ReportedPull], name: &str) -> &'a ReportedPull {
    let mut found = finished.iter().filter(|pull| pull.image_ref == name);
    let pull = found
        .next()
        .unwrap_or_else(|| panic!("{name} is not among {finished:#?}"));
    assert!(found.next().is_none(), "{name} ended twice");
    pull
}

pub(crate) async fn the_total_of_a_pull_is_exact_from_its_manifest_on(version: Version) {
    let node = node(version, SLOW).await;
    let sizes = [3 * MIB, 6 * MIB, 4 * MIB, 2 * MIB, MIB, MIB / 2];
    let made = image(
        (0_u64..)
            .zip(sizes)
            .map(|(seed, size)| layer(seed, size))
            .collect(),
    );
    let name = node.registry.holds("lib/alpha", "v1", &made);
    node.containerd.pull(&name).await.unwrap();
    let finished = node.server.wait_finished(1).await;
    let told = node.server.told();

    let known: Vec<&ReportedPull> = told
        .iter()
        .map(|(_, pull)| pull)
        .filter(|pull| pull.total_known)
        .collect();
    assert!(known.len() > 5, "{told:#?}");
    assert!(
        known
            .iter()
            .all(|pull| pull.total_bytes == made.total() && pull.layers.len() == 6)
    );
    // 500 ms, and the time between two reports; from the start of the lease, which is before the manifest.
    let first = known[0].progress_at.unwrap().max(known[0].started_at);
    assert!(
        first.duration_since(known[0].started_at).as_secs_f64() < 1.0,
        "{:#?}",
        known[0]
    );
    assert!(
        known
            .windows(2)
            .all(|two| two[0].downloaded_bytes <= two[1].downloaded_bytes)
    );
    let moving = |pull: &ReportedPull, state| {
        pull.layers
            .iter()
            .filter(|layer| layer.state == state)
            .count()
    };
    let three = |pull: &&&ReportedPull| {
        moving(pull, LayerState::Downloading) == 3 && moving(pull, LayerState::Queued) >= 1
    };
    assert!(
        known.iter().any(|pull| three(&pull)),
        "three layers move, the rest waits: {known:#?}"
    );
    assert!(known.iter().any(|pull| pull.bytes_per_sec > 500_000.0));
    let repository = |pull: &&&ReportedPull| pull.name_confidence == NameConfidence::Repository;
    assert!(
        known
            .iter()
            .filter(repository)
            .any(|pull| pull.image_ref == "127.0.0.1/lib/alpha")
    );

    let done = of(&finished, &name);
    assert_eq!(
        (done.phase, done.downloaded_bytes),
        (Phase::Done, made.total())
    );
    assert_eq!(
        (done.digest.as_str(), done.tag.as_str()),
        (made.index.digest.as_str(), "v1")
    );
    assert_eq!(done.name_confidence, NameConfidence::Exact);
    assert_eq!(done.registry, node.registry.address);
    assert_eq!(
        done.expected_endpoints[0].url,
        format!("http://{}/v2", node.registry.address)
    );
    assert!(
        done.layers
            .iter()
            .all(|layer| layer.state == LayerState::Done)
    );
}

pub(crate) async fn two_pulls_share_a_base_layer(version: Version) {
    let node = node(version, SLOW).await;
    let one = image(vec![layer(1, 8 * MIB), layer(2, MIB)]);
    let two = image(vec![layer(1, 8 * MIB), layer(3, 2 * MIB)]);
    let first = node.registry.holds("lib/one", "v1", &one);
    let second = node.registry.holds("lib/two", "v1", &two);
    let later = async {
        node.server
            .wait("the first pull's base layer", |server| {
                let mut told = server.told().into_iter();
                told.any(|(_, pull)| pull.layers.iter().any(|layer| layer.downloaded_bytes > 0))
                    .then_some(())
            })
            .await;
        node.containerd.pull(&second).await
    };
    let (a, b) = tokio::join!(node.containerd.pull(&first), later);
    a.unwrap();
    b.unwrap();
    let finished = node.server.wait_finished(2).await;
    let (a, b) = (of(&finished, &first), of(&finished, &second));
    assert_eq!((a.total_bytes, b.total_bytes), (one.total(), two.total()));
    assert_eq!((a.phase, b.phase), (Phase::Done, Phase::Done));
    assert_eq!((a.shared_bytes, a.cached_bytes), (0, 0));
    let base = one.layers[0].blob.bytes.len() as u64;
    assert_eq!(b.shared_bytes, base, "{b:#?}");
    assert_eq!(b.layers[0].shared_with, a.id);
    let waiting = |pull: &ReportedPull| {
        pull.id == b.id
            && pull
                .layers
                .first()
                .is_some_and(|layer| layer.state == LayerState::WaitingShared)
    };
    assert!(node.server.told().iter().any(|(_, pull)| waiting(pull)));
}

pub(crate) async fn two_pulls_in_a_row_are_two_entries_with_the_runtimes_own_durations(
    version: Version,
) {
    let node = node(version, SLOW).await;
    let mut expected = BTreeMap::new();
    for seed in [10, 20] {
        let made = image(vec![layer(seed, 2 * MIB), layer(seed + 1, MIB)]);
        let name = node.registry.holds(&format!("lib/row{seed}"), "v1", &made);
        expected.insert(name.clone(), node.containerd.pull(&name).await.unwrap());
    }
    let finished = node.server.wait_finished(2).await;
    for (name, took) in expected {
        let told = seconds(of(&finished, &name));
        assert!(
            (told - took.as_secs_f64()).abs() < 0.5,
            "{name} took {took:?}, told {told}"
        );
    }
    assert_eq!(node.server.finished().len(), 2);
}

pub(crate) async fn a_missing_layer_and_a_wrong_digest_are_failures_with_real_bytes(
    version: Version,
) {
    let node = node(version, SLOW).await;
    let gone = image(vec![layer(30, 2 * MIB), layer(31, 4 * MIB)]);
    let gone_name = node.registry.holds("bad/gone", "v1", &gone);
    node.registry.loses(&gone.layers[1].blob);
    assert!(node.containerd.pull(&gone_name).await.is_err());
    let failed = node.server.wait_finished(1).await.remove(0);
    assert_eq!(failed.phase, Phase::Failed, "{failed:#?}");
    assert!(failed.failure.is_some());

    let wrong = image(vec![layer(32, 2 * MIB)]);
    let wrong_name = node.registry.holds("bad/wrong", "v1", &wrong);
    node.registry.spoils(&wrong.layers[0].blob);
    let error = node.containerd.pull(&wrong_name).await.unwrap_err();
    let failed = node.server.wait_finished(2).await.remove(1);
    assert_eq!(failed.phase, Phase::Failed, "{failed:#?}");
    assert_eq!(failed.total_bytes, wrong.total());
    assert_eq!(failed.image_ref, "127.0.0.1/bad/wrong");
    // What the kubelet says of it later tells the cause.
    let class = tracer_model::failure::classify(error.message());
    assert_eq!(class, tracer_model::FailureClass::DigestMismatch, "{error}");
}

pub(crate) async fn a_missing_manifest_is_a_failure_or_nothing_and_never_a_success(
    version: Version,
) {
    let node = node(version, SLOW).await;
    let error = node
        .containerd
        .pull(&format!("{}/lib/nope:v1", node.registry.address))
        .await
        .unwrap_err();
    let class = tracer_model::failure::classify(error.message());
    assert_eq!(class, tracer_model::FailureClass::NotFound, "{error}");
    let made = image(vec![layer(33, MIB)]);
    let name = node.registry.holds("lib/after", "v1", &made);
    node.containerd.pull(&name).await.unwrap();
    let finished = node
        .server
        .wait("the pull after it", |server| {
            let finished = server.finished();
            finished
                .iter()
                .any(|pull| pull.phase == Phase::Done)
                .then_some(finished)
        })
        .await;
    of(&finished, &name);
    assert_eq!(
        finished
            .iter()
            .filter(|pull| pull.phase == Phase::Done)
            .count(),
        1
    );
}

pub(crate) async fn a_cut_connection_is_resumed_and_succeeds(version: Version) {
    let node = node(version, SLOW).await;
    let made = image(vec![layer(34, 6 * MIB)]);
    let name = node.registry.holds("bad/cut", "v1", &made);
    node.registry.cuts_once_after(3 * 1_000_000);
    node.containerd.pull(&name).await.unwrap();
    let finished = node.server.wait_finished(1).await;
    let done = of(&finished, &name);
    assert_eq!(
        (done.phase, done.downloaded_bytes),
        (Phase::Done, made.total())
    );
    let told: Vec<u64> = node
        .server
        .told()
        .iter()
        .map(|(_, pull)| pull.downloaded_bytes)
        .collect();
    assert!(told.is_sorted(), "{told:?}");
}

pub(crate) async fn a_cached_image_is_a_cache_hit_or_nothing(version: Version) {
    let node = node(version, FAST).await;
    let made = image(vec![layer(35, 2 * MIB)]);
    let name = node.registry.holds("lib/cached", "v1", &made);
    node.containerd.pull(&name).await.unwrap();
    node.server.wait_finished(1).await;
    for _ in 0..3 {
        node.containerd.pull(&name).await.unwrap();
    }
    // Another pull after them shows that the agent has seen them.
    let marker = image(vec![layer(36, MIB)]);
    let last = node.registry.holds("lib/marker", "v1", &marker);
    node.containerd.pull(&last).await.unwrap();
    let finished = node
        .server
        .wait("the last pull", |server| {
            let finished = server.finished();
            finished
                .iter()
                .any(|pull| pull.image_ref == last)
                .then_some(finished)
        })
        .await;
    for hit in finished
        .iter()
        .filter(|pull| pull.image_ref == name)
        .skip(1)
    {
        assert_eq!(
            (hit.phase, hit.cached_bytes),
            (Phase::Done, made.total()),
            "{hit:#?}"
        );
    }
    assert!(
        finished.iter().all(|pull| pull.phase == Phase::Done),
        "{finished:#?}"
    );
}

pub(crate) async fn a_killed_runtime_leaves_an_orphan_and_the_next_pull_resumes(version: Version) {
    let mut node = node(version, MIB).await;
    let made = image(vec![layer(37, 6 * MIB)]);
    let name = node.registry.holds("lib/big", "v1", &made);
    let moved = node.server.wait("two MiB", |server| {
        let mut told = server.told().into_iter();
        told.find(|(_, pull)| pull.downloaded_bytes > 2 * MIB as u64)
            .map(|(_, pull)| pull)
    });
    let interrupted = tokio::select! {
        done = node.containerd.pull(&name) => panic!("the pull ended: {done:?}"),
        pull = moved => pull,
    };
    node.containerd.kill();
    let orphan = node.server.wait_finished(1).await.remove(0);
    assert_eq!(
        (orphan.id.as_str(), orphan.phase),
        (interrupted.id.as_str(), Phase::Orphaned)
    );
    assert!(orphan.downloaded_bytes >= MIB as u64 && orphan.downloaded_bytes < made.total());

    node.containerd.begin().await;
    node.server.wait_runtime(RuntimeState::Connected).await;
    node.containerd.pull(&name).await.unwrap();
    let finished = node.server.wait_finished(2).await;
    let done = of(&finished, &name);
    assert_eq!(
        (done.phase, done.downloaded_bytes),
        (Phase::Done, made.total())
    );
    assert_ne!(done.id, orphan.id);
    let first = node.server.told().into_iter().map(|(_, pull)| pull);
    let first = first
        .filter(|pull| pull.id == done.id)
        .find(|pull| pull.downloaded_bytes > 0)
        .unwrap();
    assert!(first.downloaded_bytes >= MIB as u64, "{first:#?}");
    assert_eq!(finished.len(), 2, "the old lease is no pull");
}

pub(crate) async fn a_small_image_is_recorded(version: Version) {
    let node = node(version, FAST).await;
    let mut names = Vec::new();
    for seed in 40..46 {
        let made = image(vec![layer(seed, 50_000)]);
        let name = node.registry.holds(&format!("tiny/t{seed}"), "v1", &made);
        node.containerd.pull(&name).await.unwrap();
        names.push((name, made.total()));
    }
    let finished = node.server.wait_finished(names.len()).await;
    for (name, total) in &names {
        let pull = of(&finished, name);
        assert_eq!(
            (pull.phase, pull.total_bytes),
            (Phase::Done, *total),
            "{pull:#?}"
        );
        assert!(seconds(pull) < 2.0);
    }
    assert_eq!(node.server.finished().len(), names.len());
}

pub(crate) async fn unpacking_shows_after_the_last_byte(version: Version) {
    let node = node(version, FAST).await;
    let made = image(vec![layer(50, MIB), layer_of_many_files(60, 30_000, 100)]);
    let name = node.registry.holds("lib/many", "v1", &made);
    node.containerd.pull(&name).await.unwrap();
    let finished = node.server.wait_finished(1).await;
    let told = node.server.told();
    let unpacking = told.iter().find(|(_, pull)| pull.phase == Phase::Unpacking);
    let (_, unpacking) = unpacking.unwrap_or_else(|| panic!("no unpacking in {told:#?}"));
    assert_eq!(unpacking.downloaded_bytes, made.total());
    assert!(unpacking.unpacked_bytes < made.total());
    let done = of(&finished, &name);
    assert!(done.downloaded_at.unwrap() < done.completed_at.unwrap());
    assert_eq!(done.unpacked_bytes, made.total());
}

pub(crate) async fn an_absent_a_hanging_and_a_restarted_runtime_are_waited_for(version: Version) {
    let registry = Registry::start(FAST).await;
    let mut containerd = Containerd::prepare(version, &registry.address);
    let server = Server::start().await;
    let mut agent = Agent::start(&containerd.socket(), &containerd.certs_d(), &server.url);
    server.wait_runtime(RuntimeState::Unreachable).await;
    containerd.begin().await;
    server.wait_runtime(RuntimeState::Connected).await;
    containerd.signal("-STOP");
    server.wait_runtime(RuntimeState::Hanging).await;
    containerd.signal("-CONT");
    server.wait_runtime(RuntimeState::Connected).await;
    containerd.kill();
    server.wait_runtime(RuntimeState::Unreachable).await;
    containerd.begin().await;
    server.wait_runtime(RuntimeState::Connected).await;
    assert!(agent.is_alive());
    let made = image(vec![layer(70, MIB)]);
    let name = registry.holds("lib/late", "v1", &made);
    containerd.pull(&name).await.unwrap();
    assert_eq!(of(&server.wait_finished(1).await, &name).phase, Phase::Done);
}

pub(crate) async fn nothing_is_lost_while_the_server_is_away(version: Version) {
    let mut node = node(version, FAST).await;
    node.server.is_away(true);
    let mut names = Vec::new();
    for seed in 80..83 {
        let made = image(vec![layer(seed, MIB)]);
        let name = node.registry.holds(&format!("lib/away{seed}"), "v1", &made);
        node.containerd.pull(&name).await.unwrap();
        names.push(name);
    }
    node.server.forgets();
    node.server.is_away(false);
    let finished = node.server.wait_finished(names.len()).await;
    for name in &names {
        assert_eq!(of(&finished, name).phase, Phase::Done);
    }
    assert!(node.agent.is_alive());
}
