//! The agent's watch against runtimes as they were recorded: containerd 1.6 to 2.3, answered over gRPC in real time.
//!
//! The recordings hold what was seen, when: leases and what they held, ingests with their offsets, events, names. Digests
//! are cut; the manifests and configurations that belong to them are made up here, with the recorded sizes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on ends there"
)]

mod recording;
mod runtime;
mod world;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use daemon::http::Readiness;
use jiff::Timestamp;
use prometheus::Registry;
use tokio::sync::{mpsc, watch};
use tracer_agent::discover::{Distribution, candidates};
use tracer_agent::health::Metrics;
use tracer_agent::reporter::Present;
use tracer_agent::watch::{Watch, unreachable_runtime};
use tracer_model::{LayerState, NameConfidence, Phase, ReportedPull, RuntimeState};

use recording::Recording;

/// What the agent said: every state with its time, and the ends.
struct Said {
    began: Timestamp,
    recording: Recording,
    states: Vec<(Timestamp, ReportedPull)>,
    finished: Vec<ReportedPull>,
}

/// Begins to watch a socket: the node as it is shown, and the pulls that end.
fn watched(
    socket: &Path,
) -> (
    watch::Receiver<Present>,
    mpsc::UnboundedReceiver<ReportedPull>,
) {
    let (present, seen) = watch::channel(Present {
        active: Vec::new(),
        runtime: unreachable_runtime(),
    });
    let (sender, ends) = mpsc::unbounded_channel();
    let watch = Watch {
        candidates: candidates(Distribution::Auto, Some(socket), &PathBuf::from("/")),
        host_prefix: PathBuf::from("/"),
        certs_d: None,
        namespaces: vec!["k8s.io".to_owned()],
        present,
        finished: vec![sender],
        metrics: Metrics::new(&Registry::new()).unwrap(),
        readiness: Readiness::default(),
    };
    tokio::spawn(watch.run());
    (seen, ends)
}

async fn replay(name: &str) -> Said {
    let recording = Recording::read(name);
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("containerd.sock");
    let runtime = runtime::start(&socket, &recording.version);
    let (mut seen, mut ends) = watched(&socket);
    seen.wait_for(|present| present.runtime.state == RuntimeState::Connected)
        .await
        .unwrap();
    let began = Timestamp::now();
    let player = tokio::spawn(runtime.play(recording.clone()));
    let expected = recording.certain_ends();
    let mut said = Said {
        began,
        recording,
        states: Vec::new(),
        finished: Vec::new(),
    };
    let deadline = Instant::now() + Duration::from_secs(40);
    while said.finished.len() < expected || !player.is_finished() {
        assert!(Instant::now() < deadline, "ended: {:#?}", said.finished);
        let tick = Duration::from_millis(50);
        tokio::select! {
            changed = seen.changed() => {
                changed.unwrap();
                let active = seen.borrow_and_update().active.clone();
                said.states.extend(active.into_iter().map(|pull| (Timestamp::now(), pull)));
            }
            pull = ends.recv() => said.finished.push(pull.unwrap()),
            () = tokio::time::sleep(tick) => {}
        }
    }
    said
}

impl Said {
    fn since_beginning(&self, at: Timestamp) -> f64 {
        at.duration_since(self.began).as_secs_f64()
    }

    /// The end of the pull of one image.
    fn end(&self, name: &str) -> &ReportedPull {
        let name = format!("registry.test/{name}");
        let mut found = self.finished.iter().filter(|pull| pull.image_ref == name);
        let pull = found
            .next()
            .unwrap_or_else(|| panic!("{name} is not among {:#?}", self.finished));
        assert!(found.next().is_none(), "{name} ended twice");
        pull
    }

    /// Whatever was recorded, this holds.
    fn keeps_the_laws(&self) {
        for (name, began, ended) in self.recording.successes() {
            let pull = self.end(&name);
            let image = self.recording.image_of(&name);
            assert_eq!(pull.phase, Phase::Done, "{pull:#?}");
            assert_eq!(pull.name_confidence, NameConfidence::Exact);
            assert_eq!(
                (pull.total_bytes, pull.downloaded_bytes),
                (image.total(), image.total())
            );
            let told = self.since_beginning(pull.completed_at.unwrap())
                - self.since_beginning(pull.started_at);
            assert!(
                (told - (ended - began)).abs() < 0.5,
                "{name}: {told}, recorded {}",
                ended - began
            );
        }
        let done = self
            .finished
            .iter()
            .filter(|pull| pull.phase == Phase::Done)
            .count();
        assert_eq!(
            done,
            self.recording.successes().len(),
            "{:#?}",
            self.finished
        );
        let mut shown = std::collections::BTreeMap::new();
        for (_, pull) in &self.states {
            let (bytes, total) = shown.entry(&pull.id).or_insert((0, 0));
            assert!(pull.downloaded_bytes >= *bytes, "bytes fell: {pull:#?}");
            assert!(
                *total == 0 || pull.total_bytes == *total,
                "the total changed: {pull:#?}"
            );
            assert!(pull.downloaded_bytes <= pull.total_bytes);
            (*bytes, *total) = (pull.downloaded_bytes, pull.total_bytes);
        }
    }
}

async fn one_pull(version: &str) {
    let said = replay(&format!("{version}-one")).await;
    said.keeps_the_laws();
    let manifest = said.recording.manifest_at("lib/alpha:v1");
    let known = said.states.iter().find(|(_, pull)| pull.total_known);
    let (known_at, first) = known.expect("a total");
    let late = said.since_beginning(*known_at) - manifest;
    assert!(
        late < 0.5,
        "the total was known {late} s after the manifest"
    );
    assert_eq!(first.total_bytes, 17_308_090);
    assert_eq!(first.layers.len(), 6);
    assert!(
        said.states
            .iter()
            .any(|(_, pull)| pull.image_ref == "registry.test/lib/alpha")
    );
    let three_move = said.states.iter().any(|(_, pull)| {
        let count = |state| {
            pull.layers
                .iter()
                .filter(|layer| layer.state == state)
                .count()
        };
        count(LayerState::Downloading) == 3 && count(LayerState::Queued) > 0
    });
    assert!(three_move, "three layers move, the others wait");
    assert!(
        said.states
            .iter()
            .any(|(_, pull)| pull.phase == Phase::Unpacking)
    );
    let end = said.end("lib/alpha:v1");
    assert!(
        end.layers
            .iter()
            .all(|layer| layer.state == LayerState::Done),
        "{end:#?}"
    );
}

#[tokio::test]
async fn one_pull_on_1_6_is_told_as_it_was() {
    one_pull("1.6.20").await;
}

#[tokio::test]
async fn one_pull_on_1_7_is_told_as_it_was() {
    one_pull("1.7.34").await;
}

#[tokio::test]
async fn one_pull_on_2_0_is_told_as_it_was() {
    one_pull("2.0.4").await;
}

#[tokio::test]
async fn one_pull_on_2_1_is_told_as_it_was() {
    one_pull("2.1.9").await;
}

#[tokio::test]
async fn one_pull_on_2_3_is_told_as_it_was() {
    one_pull("2.3.4").await;
}

async fn shared_layers(version: &str) {
    let said = replay(&format!("{version}-concurrent")).await;
    said.keeps_the_laws();
    let (alpha, beta) = (said.end("lib/alpha:v1"), said.end("lib/beta:v1"));
    let base = alpha.layers[0].total_bytes;
    assert_eq!(
        (alpha.shared_bytes, alpha.cached_bytes),
        (0, 0),
        "{alpha:#?}"
    );
    assert_eq!(beta.shared_bytes, base, "{beta:#?}");
    assert_eq!(beta.layers[0].shared_with, alpha.id);
    // Each byte was fetched by one pull: what is neither shared nor cached adds up to the distinct layers.
    let fetched: u64 = said
        .finished
        .iter()
        .map(|pull| pull.downloaded_bytes - pull.shared_bytes - pull.cached_bytes)
        .sum();
    assert_eq!(fetched, said.recording.distinct_bytes());
}

#[tokio::test]
async fn layers_that_pulls_share_on_1_6_count_once() {
    shared_layers("1.6.20").await;
}

#[tokio::test]
async fn layers_that_pulls_share_on_2_1_count_once() {
    shared_layers("2.1.9").await;
}

async fn failures(version: &str) {
    let said = replay(&format!("{version}-failures")).await;
    said.keeps_the_laws();
    let gone = said
        .finished
        .iter()
        .find(|pull| pull.repository == "bad/gone")
        .expect("an end of bad/gone");
    assert_eq!(gone.phase, Phase::Failed, "{gone:#?}");
    assert!(gone.downloaded_bytes < gone.total_bytes);
}

#[tokio::test]
async fn failures_on_1_6_are_no_successes() {
    failures("1.6.20").await;
}

#[tokio::test]
async fn failures_on_2_1_are_no_successes() {
    failures("2.1.9").await;
}

#[tokio::test]
async fn a_socket_that_accepts_and_says_nothing_is_a_hanging_runtime_until_one_answers() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("containerd.sock");
    let mute = tokio::net::UnixListener::bind(&socket).unwrap();
    let accepting = tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            open.push(mute.accept().await.unwrap());
        }
    });
    let (mut seen, _ends) = watched(&socket);
    let becomes = async |seen: &mut watch::Receiver<Present>, state| {
        let waiting = seen.wait_for(|present| present.runtime.state == state);
        let found = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        found.unwrap_or_else(|_| panic!("never {state:?}")).unwrap();
    };
    becomes(&mut seen, RuntimeState::Hanging).await;
    accepting.abort();
    assert!(accepting.await.unwrap_err().is_cancelled());
    becomes(&mut seen, RuntimeState::Unreachable).await;
    std::fs::remove_file(&socket).unwrap();
    runtime::start(&socket, "2.1.9");
    becomes(&mut seen, RuntimeState::Connected).await;
}
