//! Pulls as they were watched on real runtimes, look by look.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{Timestamp, ToSpan as _};
use tracer_model::{FailureClass, LayerState, NameConfidence, Phase, ReportedPull, Source};

use super::Tracker;
use crate::blob::{Blob, Descriptor, Manifest, chain_ids};
use crate::view::{Content, Event, Fact, Image, Ingest, Lease, View, Want};

const MIB: u64 = 1 << 20;

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap() + milliseconds.milliseconds()
}

fn digest(name: &str) -> String {
    let mut hex = String::new();
    for byte in name.bytes() {
        let _ = write!(hex, "{byte:02x}");
    }
    format!("sha256:{hex:0<64}")
}

/// A runtime that answers out of what a test put into it.
#[derive(Default)]
struct Runtime {
    view: View,
    contents: BTreeMap<String, Content>,
    blobs: BTreeMap<String, Blob>,
    snapshots: BTreeMap<String, Timestamp>,
    images: Vec<Image>,
}

impl Runtime {
    /// An image of which only the index and manifest are here.
    fn has_manifest(&mut self, image: &str, layers: &[(&str, u64)], when: Timestamp) {
        let descriptor = |(name, size): &(&str, u64)| Descriptor {
            digest: digest(name),
            size: *size,
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
        };
        let manifest = Manifest {
            config: digest(&format!("{image}-config")),
            layers: layers.iter().map(descriptor).collect(),
        };
        let (root, child) = (digest(image), digest(&format!("{image}-manifest")));
        self.blobs.insert(
            root.clone(),
            Blob::Index(vec![child.clone(), digest("other platform")]),
        );
        let diff_ids = layers
            .iter()
            .map(|(name, _)| digest(&format!("{name}-diff")))
            .collect();
        self.blobs
            .insert(manifest.config.clone(), Blob::Config(diff_ids));
        let config = manifest.config.clone();
        self.blobs.insert(child.clone(), Blob::Manifest(manifest));
        for digest in [&root, &child, &config] {
            self.has_content(digest, image, when);
        }
        self.contents.get_mut(&config).unwrap().has_children = false;
    }

    fn has_content(&mut self, digest: &str, repository: &str, when: Timestamp) {
        let content = Content {
            size: 1,
            created_at: when,
            sources: vec![("quay.io".to_owned(), vec![repository.to_owned()])],
            has_children: self.blobs.contains_key(digest) || !digest.contains(':'),
        };
        self.contents.insert(digest.to_owned(), content);
    }

    fn lease(&mut self, id: &str, when: Timestamp) -> &mut Lease {
        self.view.leases.push(Lease {
            id: id.to_owned(),
            created_at: when,
            content: Vec::new(),
            ingests: Vec::new(),
            snapshots: Vec::new(),
        });
        self.view.leases.last_mut().unwrap()
    }

    fn holds_documents(&mut self, lease: &str, image: &str) {
        let names = [
            image.to_owned(),
            format!("{image}-manifest"),
            format!("{image}-config"),
        ];
        let lease = self
            .view
            .leases
            .iter_mut()
            .find(|found| found.id == lease)
            .unwrap();
        lease.content.extend(names.iter().map(|name| digest(name)));
    }

    fn ingests(&mut self, lease: &str, layer: &str, offset: u64, when: Timestamp) {
        let reference = format!("layer-{}", digest(layer));
        let lease = self
            .view
            .leases
            .iter_mut()
            .find(|found| found.id == lease)
            .unwrap();
        if !lease.ingests.contains(&reference) {
            lease.ingests.push(reference.clone());
        }
        let found = self
            .view
            .ingests
            .iter_mut()
            .find(|ingest| ingest.reference == reference);
        match found {
            Some(ingest) => {
                ingest.offset = offset;
                ingest.updated_at = when;
            }
            None => self.view.ingests.push(Ingest {
                reference,
                offset,
                total: 0,
                started_at: when,
                updated_at: when,
            }),
        }
    }

    fn has_layer(&mut self, lease: &str, layer: &str, when: Timestamp) {
        let reference = format!("layer-{}", digest(layer));
        self.view
            .ingests
            .retain(|ingest| ingest.reference != reference);
        let lease = self
            .view
            .leases
            .iter_mut()
            .find(|found| found.id == lease)
            .unwrap();
        lease.ingests.retain(|name| *name != reference);
        lease.content.push(digest(layer));
        self.has_content(&digest(layer), "x", when);
    }

    fn has_image(&mut self, name: &str, image: &str, when: Timestamp) {
        self.images.push(Image {
            name: name.to_owned(),
            target: digest(image),
            created_at: when,
            updated_at: when,
        });
    }

    fn answer(&self, want: Want) -> Fact {
        match want {
            Want::Content(digest) => {
                let content = self.contents.get(&digest).cloned();
                Fact::Content(digest, content)
            }
            Want::Blob(digest) => {
                let blob = self
                    .blobs
                    .get(&digest)
                    .filter(|_| self.contents.contains_key(&digest));
                Fact::Blob(digest.clone(), blob.cloned())
            }
            Want::Snapshot(chain_id) => {
                let at = self.snapshots.get(&chain_id).copied();
                Fact::Snapshot(chain_id, at)
            }
            Want::NamesOf(root) => {
                let images = self.images.iter().filter(|image| image.target == root);
                Fact::NamesOf(root.clone(), images.cloned().collect())
            }
            Want::AllNames => Fact::AllNames(self.images.clone()),
            Want::Name(name) => {
                let image = self.images.iter().find(|image| image.name == name).cloned();
                Fact::Name(name, image)
            }
        }
    }

    /// One look, as the watch makes it.
    fn look(&self, tracker: &mut Tracker, now: Timestamp) -> Vec<ReportedPull> {
        tracker.look(&self.view, now);
        for round in 0.. {
            let wants = tracker.wants();
            if wants.is_empty() {
                break;
            }
            assert!(round < 8, "{wants:?} are asked again and again");
            let facts = wants.into_iter().map(|want| self.answer(want)).collect();
            tracker.learn(facts, now);
        }
        tracker.measure(now);
        tracker.active(now)
    }
}

fn states(pull: &ReportedPull) -> Vec<LayerState> {
    pull.layers.iter().map(|layer| layer.state).collect()
}

const SIX: [(&str, u64); 6] = [
    ("l0", 3_146_934),
    ("l1", 6_293_595),
    ("l2", 4_195_775),
    ("l3", 2_097_978),
    ("l4", 1_049_119),
    ("l5", 524_689),
];

#[test]
fn the_total_is_known_with_the_manifest_and_three_layers_move() {
    let mut runtime = Runtime::default();
    let mut tracker = Tracker::new("k8s.io");
    runtime.lease("1-a", at(0));
    let pulls = runtime.look(&mut tracker, at(100));
    assert_eq!(
        (pulls[0].phase, pulls[0].total_known),
        (Phase::Resolving, false)
    );

    runtime.has_manifest("alpha", &SIX, at(150));
    runtime.holds_documents("1-a", "alpha");
    // Newer runtimes open all at once; what moves is what has bytes, then the first of the others.
    for (name, _) in SIX {
        runtime.ingests("1-a", name, 0, at(200));
    }
    runtime.ingests("1-a", "l4", MIB, at(250));
    let pull = runtime.look(&mut tracker, at(300)).remove(0);
    assert_eq!(
        pull.total_bytes,
        SIX.iter().map(|(_, size)| size).sum::<u64>()
    );
    assert!(pull.total_known);
    assert_eq!(pull.image_ref, "quay.io/alpha");
    assert_eq!(pull.name_confidence, NameConfidence::Repository);
    assert_eq!((pull.id.as_str(), pull.started_at), ("k8s.io/1-a", at(0)));
    assert_eq!(
        states(&pull),
        [
            LayerState::Downloading,
            LayerState::Downloading,
            LayerState::Queued,
            LayerState::Queued,
            LayerState::Downloading,
            LayerState::Queued
        ]
    );
}

#[test]
fn bytes_never_fall_and_unpacking_is_a_phase_of_its_own() {
    let mut runtime = Runtime::default();
    let mut tracker = Tracker::new("k8s.io");
    runtime.lease("1-a", at(0));
    runtime.has_manifest("alpha", &SIX[..2], at(100));
    runtime.holds_documents("1-a", "alpha");
    let chain = chain_ids(&[digest("l0-diff"), digest("l1-diff")]);
    let mut shown = 0;
    for step in 1..6 {
        let now = at(step * 1000);
        runtime.ingests("1-a", "l1", step.unsigned_abs() * MIB, now);
        if step < 3 {
            runtime.ingests("1-a", "l0", step.unsigned_abs() * MIB, now);
        }
        if step == 3 {
            runtime.has_layer("1-a", "l0", now);
            runtime.view.leases[0].snapshots = vec![format!("extract-7-x {}", chain[0])];
        }
        for later in [0, 400, 800] {
            let pull = runtime
                .look(&mut tracker, at(step * 1000 + later))
                .remove(0);
            assert!(pull.downloaded_bytes >= shown && pull.downloaded_bytes <= pull.total_bytes);
            assert_eq!(pull.phase, Phase::Downloading);
            shown = pull.downloaded_bytes;
        }
    }
    let pull = runtime.look(&mut tracker, at(5900)).remove(0);
    assert_eq!(
        states(&pull),
        [LayerState::Unpacking, LayerState::Downloading]
    );
    assert!(
        pull.bytes_per_sec > 500_000.0 && pull.eta_seconds.is_some(),
        "{pull:?}"
    );

    runtime.has_layer("1-a", "l1", at(6000));
    tracker.heard(&Event::SnapshotCommitted(chain[0].clone()), at(5950));
    runtime.view.leases[0].snapshots = vec![chain[0].clone(), format!("extract-8-y {}", chain[1])];
    let pull = runtime.look(&mut tracker, at(6100)).remove(0);
    assert_eq!(
        (pull.phase, pull.downloaded_at),
        (Phase::Unpacking, Some(at(6000)))
    );
    assert_eq!(states(&pull), [LayerState::Done, LayerState::Unpacking]);
    assert_eq!(pull.layers[0].completed_at, Some(at(5950)));
    assert_eq!(
        (pull.downloaded_bytes, pull.unpacked_bytes),
        (pull.total_bytes, SIX[0].1)
    );

    runtime.view = View::default();
    runtime.has_image("quay.io/alpha:v1", "alpha", at(6300));
    assert_eq!(runtime.look(&mut tracker, at(6400)), []);
    let done = tracker.take_finished().remove(0);
    assert_eq!(
        (done.phase, done.completed_at),
        (Phase::Done, Some(at(6300)))
    );
    assert_eq!(
        (done.image_ref.as_str(), done.name_confidence),
        ("quay.io/alpha:v1", NameConfidence::Exact)
    );
    assert_eq!(
        (done.tag.as_str(), done.registry.as_str()),
        ("v1", "quay.io")
    );
    assert_eq!(states(&done), [LayerState::Done; 2]);
    assert!(!tracker.is_busy());
}

#[test]
fn a_lease_that_goes_without_a_record_has_failed_with_its_real_bytes() {
    let mut runtime = Runtime::default();
    let mut tracker = Tracker::new("k8s.io");
    runtime.lease("1-a", at(0));
    runtime.has_manifest("gone", &SIX[..2], at(100));
    runtime.holds_documents("1-a", "gone");
    runtime.ingests("1-a", "l0", MIB, at(1000));
    runtime.look(&mut tracker, at(1000));
    runtime.ingests("1-a", "l0", 2 * MIB, at(2000));
    runtime.look(&mut tracker, at(2500));
    runtime.view = View::default();
    runtime.look(&mut tracker, at(2750));
    let failed = tracker.take_finished().remove(0);
    assert_eq!(
        (failed.phase, failed.downloaded_bytes),
        (Phase::Failed, 2 * MIB)
    );
    assert_eq!(failed.failure.unwrap().class, FailureClass::Unknown);
    assert_eq!(failed.completed_at, Some(at(2750)));
    assert_eq!(failed.layers[0].state, LayerState::Failed);
}

#[test]
fn a_shared_layer_belongs_to_the_pull_that_fetches_it() {
    let mut runtime = Runtime::default();
    let mut tracker = Tracker::new("k8s.io");
    let one = [("base", 10 * MIB), ("a", 2 * MIB)];
    let two = [("base", 10 * MIB), ("b", 2 * MIB)];
    runtime.lease("1-a", at(0));
    runtime.lease("2-b", at(100));
    runtime.has_manifest("one", &one, at(150));
    runtime.has_manifest("two", &two, at(150));
    runtime.holds_documents("1-a", "one");
    runtime.holds_documents("2-b", "two");
    runtime.ingests("1-a", "base", 4 * MIB, at(300));
    let pulls = runtime.look(&mut tracker, at(300));
    let waiting = &pulls[1].layers[0];
    assert_eq!(
        (waiting.state, waiting.shared_with.as_str()),
        (LayerState::WaitingShared, "k8s.io/1-a")
    );
    assert_eq!(
        (waiting.downloaded_bytes, pulls[1].shared_bytes),
        (4 * MIB, 4 * MIB)
    );
    runtime.ingests("1-a", "base", 8 * MIB, at(1300));
    let pulls = runtime.look(&mut tracker, at(1300));
    assert!(pulls[0].bytes_per_sec > 0.0);
    assert!(
        pulls[1].bytes_per_sec <= 0.0,
        "what another fetches is no speed of this one"
    );

    runtime.has_layer("1-a", "base", at(1500));
    let chain = chain_ids(&[digest("base-diff")]);
    runtime.snapshots.insert(chain[0].clone(), at(1600));
    tracker.heard(&Event::SnapshotCommitted(chain[0].clone()), at(1600));
    runtime.view.leases.remove(0);
    runtime.has_image("quay.io/one:1", "one", at(1700));
    let pulls = runtime.look(&mut tracker, at(1800));
    assert_eq!(tracker.take_finished()[0].phase, Phase::Done);
    assert_eq!(pulls[0].layers[0].state, LayerState::Done);
    assert_eq!(pulls[0].layers[0].shared_with, "k8s.io/1-a");
}

#[test]
fn a_layer_is_free_again_when_the_pull_that_fetched_it_fails() {
    let mut runtime = Runtime::default();
    let mut tracker = Tracker::new("k8s.io");
    runtime.lease("1-a", at(0));
    runtime.lease("2-b", at(100));
    runtime.has_manifest("one", &[("base", 10 * MIB)], at(150));
    runtime.has_manifest("two", &[("base", 10 * MIB)], at(150));
    runtime.holds_documents("1-a", "one");
    runtime.holds_documents("2-b", "two");
    runtime.ingests("1-a", "base", 4 * MIB, at(300));
    runtime.look(&mut tracker, at(300));
    runtime.view.leases.remove(0);
    runtime.view.ingests.clear();
    let pulls = runtime.look(&mut tracker, at(600));
    assert_eq!(pulls[0].layers[0].state, LayerState::Queued);
    runtime.ingests("2-b", "base", MIB, at(700));
    let pulls = runtime.look(&mut tracker, at(700));
    assert_eq!(pulls[0].layers[0].state, LayerState::Downloading);
    assert_eq!(
        pulls[0].downloaded_bytes,
        4 * MIB,
        "what was shown does not fall"
    );
}

#[test]
fn what_was_on_the_node_is_cached() {
    let mut runtime = Runtime::default();
    let mut tracker = Tracker::new("k8s.io");
    runtime.lease("1-a", at(0));
    runtime.has_manifest("alpha", &SIX[..3], at(100));
    runtime.holds_documents("1-a", "alpha");
    let chain = chain_ids(&[digest("l0-diff")]);
    runtime.snapshots.insert(chain[0].clone(), at(-60_000));
    runtime.has_layer("1-a", "l1", at(-60_000));
    runtime.ingests("1-a", "l2", MIB, at(200));
    let pull = runtime.look(&mut tracker, at(300)).remove(0);
    assert_eq!(
        states(&pull),
        [
            LayerState::Cached,
            LayerState::Downloaded,
            LayerState::Downloading
        ]
    );
    assert_eq!(pull.cached_bytes, SIX[0].1 + SIX[1].1);
}

#[test]
fn a_restart_leaves_an_orphan_and_the_next_pull_goes_on_where_it_stopped() {
    let mut runtime = Runtime::default();
    let mut tracker = Tracker::new("k8s.io");
    tracker.runtime_started(at(-1000), at(0));
    runtime.lease("1-a", at(0));
    runtime.has_manifest("big", &[("l0", 30 * MIB)], at(100));
    runtime.holds_documents("1-a", "big");
    runtime.ingests("1-a", "l0", 10 * MIB, at(500));
    runtime.look(&mut tracker, at(500));
    tracker.runtime_lost(at(1000));
    let orphan = tracker.take_finished().remove(0);
    assert_eq!(
        (orphan.phase, orphan.downloaded_bytes),
        (Phase::Orphaned, 10 * MIB)
    );
    assert_eq!(
        orphan.failure.unwrap().class,
        FailureClass::RuntimeRestarted
    );

    tracker.runtime_started(at(2000), at(2100));
    assert_eq!(
        runtime.look(&mut tracker, at(2200)),
        [],
        "the lease that was left behind is no pull"
    );
    runtime.lease("2-b", at(3000));
    runtime.holds_documents("2-b", "big");
    runtime.ingests("2-b", "l0", 10 * MIB, at(500));
    let pull = runtime.look(&mut tracker, at(3100)).remove(0);
    assert_eq!(
        (pull.id.as_str(), pull.downloaded_bytes),
        ("k8s.io/2-b", 10 * MIB)
    );
    assert!(pull.bytes_per_sec <= 0.0);
    runtime.ingests("2-b", "l0", 12 * MIB, at(5100));
    let pull = runtime.look(&mut tracker, at(5100)).remove(0);
    assert!(
        (pull.bytes_per_sec - 1_048_576.0).abs() < 20_000.0,
        "{}",
        pull.bytes_per_sec
    );
}

#[test]
fn a_pull_between_two_looks_is_recovered_from_its_name() {
    let mut runtime = Runtime::default();
    let mut tracker = Tracker::new("k8s.io");
    runtime.has_manifest("tiny", &[("t0", 50_000)], at(100));
    runtime.has_content(&digest("t0"), "tiny", at(200));
    runtime.has_image("quay.io/tiny:v1", "tiny", at(350));
    tracker.heard(&Event::ImageNamed("quay.io/tiny:v1".to_owned()), at(350));
    tracker.heard(&Event::ImageNamed(digest("tiny-config")), at(350));
    for now in [400, 650, 900] {
        runtime.look(&mut tracker, at(now));
    }
    let finished = tracker.take_finished();
    assert_eq!(finished.len(), 1);
    let pull = &finished[0];
    assert_eq!((pull.phase, pull.source), (Phase::Done, Source::ImageEvent));
    assert_eq!((pull.total_bytes, pull.downloaded_bytes), (50_000, 50_000));
    assert_eq!(
        (pull.started_at, pull.completed_at),
        (at(100), Some(at(350)))
    );
    assert_eq!(pull.image_ref, "quay.io/tiny:v1");
    assert!(!tracker.is_busy());
}

#[test]
fn a_name_for_old_content_is_no_pull() {
    let mut runtime = Runtime::default();
    let mut tracker = Tracker::new("k8s.io");
    runtime.has_manifest("old", &[("o0", 50_000)], at(-3_600_000));
    runtime.has_image("quay.io/old:again", "old", at(350));
    tracker.heard(&Event::ImageNamed("quay.io/old:again".to_owned()), at(350));
    for now in [400, 650, 900] {
        runtime.look(&mut tracker, at(now));
    }
    assert_eq!(tracker.take_finished(), []);
    assert!(!tracker.is_busy());
}

#[test]
fn a_pull_that_is_watched_is_not_recovered_a_second_time() {
    let mut runtime = Runtime::default();
    let mut tracker = Tracker::new("k8s.io");
    runtime.lease("1-a", at(0));
    runtime.has_manifest("alpha", &SIX[..1], at(100));
    runtime.holds_documents("1-a", "alpha");
    runtime.look(&mut tracker, at(200));
    runtime.has_layer("1-a", "l0", at(300));
    runtime.has_image("quay.io/alpha:v1", "alpha", at(400));
    tracker.heard(&Event::ImageNamed("quay.io/alpha:v1".to_owned()), at(400));
    runtime.view = View::default();
    for now in [450, 700, 950] {
        runtime.look(&mut tracker, at(now));
    }
    assert_eq!(tracker.take_finished().len(), 1);
    assert!(!tracker.is_busy());
}

#[test]
fn a_lease_that_was_seen_empty_is_told_from_its_name_or_has_failed() {
    let mut runtime = Runtime::default();
    let mut tracker = Tracker::new("k8s.io");
    runtime.lease("1-a", at(0));
    runtime.lease("2-b", at(1));
    runtime.look(&mut tracker, at(10));
    runtime.view = View::default();
    runtime.has_manifest("tiny", &[("t0", 50_000)], at(50));
    runtime.has_content(&digest("t0"), "tiny", at(60));
    runtime.has_image("quay.io/tiny:v1", "tiny", at(100));
    for now in [250, 500, 750] {
        runtime.look(&mut tracker, at(now));
    }
    let mut finished = tracker.take_finished();
    finished.sort_by_key(|pull| pull.phase);
    let phases: Vec<_> = finished.iter().map(|pull| pull.phase).collect();
    assert_eq!(phases, [Phase::Done, Phase::Failed]);
    assert_eq!(
        (finished[0].source, finished[0].total_bytes),
        (Source::Lease, 50_000)
    );
}
