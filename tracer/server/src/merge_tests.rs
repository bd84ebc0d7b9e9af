use tracer_model::{LayerState, PROTOCOL, Phase, ReportedLayer};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn pull(id: &str, bytes: u64) -> ReportedPull {
    ReportedPull {
        id: id.to_owned(),
        image_ref: "quay.io/a:1".to_owned(),
        total_bytes: 100,
        downloaded_bytes: bytes,
        total_known: true,
        layers: vec![ReportedLayer {
            total_bytes: 100,
            downloaded_bytes: bytes,
            state: LayerState::Downloading,
            ..ReportedLayer::default()
        }],
        ..ReportedPull::default()
    }
}

fn ours(boot: &str, sequence: u64, kind: ReportKind, pulls: Vec<ReportedPull>) -> Report {
    let mut report = legacy(pulls);
    report.protocol = Some(PROTOCOL);
    report.boot_id = boot.to_owned();
    report.sequence = sequence;
    report.kind = kind;
    report
}

fn legacy(pulls: Vec<ReportedPull>) -> Report {
    Report {
        node_name: "worker-1".to_owned(),
        timestamp: at(0),
        pulls,
        protocol: None,
        boot_id: String::new(),
        sequence: 0,
        kind: ReportKind::Full,
        finished: Vec::new(),
        runtime: None,
        agent_version: String::new(),
    }
}

fn taken(outcome: Outcome) -> Changes {
    match outcome {
        Outcome::Taken(changes) => changes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn deltas_follow_each_other_and_a_gap_asks_for_everything() {
    use ReportKind::{Delta, Full, Heartbeat};
    let mut nodes = Nodes::default();
    assert_eq!(
        nodes.take(ours("a", 1, Delta, vec![]), at(0)),
        Outcome::Resync,
        "nothing before it"
    );
    let changes = taken(nodes.take(ours("a", 2, Full, vec![pull("1", 10)]), at(1)));
    assert!(changes.connected);
    assert_eq!(changes.started, ["1"]);
    let changes = taken(nodes.take(ours("a", 3, Delta, vec![pull("2", 5)]), at(2)));
    assert_eq!(changes.started, ["2"]);
    assert_eq!(nodes.active().count(), 2, "a delta forgets nothing");
    taken(nodes.take(ours("a", 4, Heartbeat, vec![]), at(3)));
    let changes = taken(nodes.take(ours("a", 3, Delta, vec![pull("2", 1)]), at(4)));
    assert!(changes.moved.is_empty(), "taken already");
    assert_eq!(
        nodes.take(ours("a", 6, Delta, vec![]), at(5)),
        Outcome::Resync,
        "5 is missing"
    );
    assert_eq!(
        nodes.take(ours("b", 5, Delta, vec![]), at(5)),
        Outcome::Resync,
        "another run"
    );
    let changes = taken(nodes.take(ours("b", 1, Full, vec![pull("2", 6)]), at(6)));
    assert_eq!(
        changes.forgotten.len(),
        1,
        "whatever a full report does not name is forgotten"
    );
    assert_eq!(changes.moved, ["2"]);
}

#[test]
fn finished_pulls_of_a_repeated_report_are_not_lost() {
    let mut nodes = Nodes::default();
    taken(nodes.take(ours("a", 1, ReportKind::Full, vec![pull("1", 10)]), at(1)));
    let mut report = ours("a", 1, ReportKind::Delta, vec![]);
    report.finished = vec![ReportedPull {
        phase: Phase::Failed,
        ..pull("1", 20)
    }];
    let changes = taken(nodes.take(report, at(2)));
    assert_eq!(changes.finished.len(), 1);
    assert_eq!(nodes.active().count(), 0);
}

#[test]
fn a_silent_agent_is_lost_and_what_it_left_is_given_up_later() {
    let mut nodes = Nodes::default();
    taken(nodes.take(ours("a", 1, ReportKind::Full, vec![pull("1", 10)]), at(0)));
    assert!(nodes.lose(at(45), SignedDuration::from_secs(45)).is_empty());
    assert_eq!(
        nodes.lose(at(46), SignedDuration::from_secs(45)),
        ["worker-1"]
    );
    assert!(
        nodes.lose(at(47), SignedDuration::from_secs(45)).is_empty(),
        "told once"
    );
    assert_eq!(nodes.active().count(), 1);
    assert_eq!(
        nodes.abandon(at(601), SignedDuration::from_mins(10)).len(),
        1
    );
    assert_eq!(nodes.active().count(), 0);
    nodes.abandon(at(100_000), SignedDuration::from_mins(10));
    assert_eq!(nodes.iter().count(), 0, "nodes that are gone are forgotten");
}

#[test]
fn percents_never_fall_and_are_whole_only_when_every_byte_is_there() {
    let mut nodes = Nodes::default();
    taken(nodes.take(ours("a", 1, ReportKind::Full, vec![pull("1", 60)]), at(0)));
    let grown = ReportedPull {
        total_bytes: 1000,
        ..pull("1", 70)
    };
    taken(nodes.take(ours("a", 2, ReportKind::Delta, vec![grown]), at(1)));
    let percent = nodes.active().next().unwrap().percent;
    assert!((percent - 60.0).abs() < 0.01, "{percent}");
    let failed = ReportedPull {
        phase: Phase::Failed,
        ..pull("1", 99)
    };
    let ended = Ended {
        reported: failed,
        naming: Naming::default(),
        before: None,
        legacy: false,
    };
    assert!(
        status::ended("worker-1", &ended, at(2)).percent < 100.0,
        "a failure is no success"
    );
}

#[test]
fn the_earlier_programs_reports_are_tracked_completed_and_have_speeds() {
    let mut nodes = Nodes::default();
    let blob = |bytes| ReportedPull {
        id: String::new(),
        image_ref: "layer-sha256:1".to_owned(),
        ..pull("", bytes)
    };
    let changes = taken(nodes.take(legacy(vec![blob(10), blob(20)]), at(0)));
    assert_eq!(changes.started, [crate::legacy::MERGED]);
    taken(nodes.take(legacy(vec![blob(20), blob(30)]), at(1)));
    let status = nodes.active().next().unwrap().clone();
    assert_eq!(status.layer_count, 2);
    assert_eq!((status.total_bytes, status.downloaded_bytes), (200, 50));
    assert!(
        (status.bytes_per_sec - 20.0).abs() < 0.01,
        "{}",
        status.bytes_per_sec
    );
    assert!(status.eta_seconds > 0.0);
    let changes = taken(nodes.take(legacy(vec![]), at(2)));
    assert_eq!(changes.finished.len(), 1);
    // The next pull of the node begins without the bytes of the one before.
    taken(nodes.take(legacy(vec![blob(1)]), at(3)));
    taken(nodes.take(legacy(vec![blob(6)]), at(4)));
    assert!((nodes.active().next().unwrap().bytes_per_sec - 5.0).abs() < 0.01);
}

#[test]
fn what_a_node_takes_of_memory_is_bounded() {
    let mut nodes = Nodes::new(Caps {
        nodes: 1,
        pulls: 2,
        layers: 1,
    });
    let pulls: Vec<_> = (0..5)
        .map(|number| {
            let mut pull = pull(&number.to_string(), 1);
            pull.layers = vec![ReportedLayer::default(); 9];
            pull
        })
        .collect();
    taken(nodes.take(ours("a", 1, ReportKind::Full, pulls), at(0)));
    assert_eq!(nodes.active().count(), 2);
    assert!(nodes.active().all(|pull| pull.layers.len() == 1));
    let mut other = legacy(vec![]);
    other.node_name = "worker-2".to_owned();
    assert_eq!(nodes.take(other, at(1)), Outcome::Full);
}

#[test]
fn texts_without_end_take_no_memory() {
    let long = "\u{e9}".repeat(1 << 20);
    let mut absurd = pull(&long, 1);
    absurd.image_ref.clone_from(&long);
    absurd.names = vec![long.clone(); 100];
    absurd.layers[0].digest.clone_from(&long);
    absurd.failure = Some(tracer_model::Failure {
        class: tracer_model::FailureClass::Unknown,
        message: long,
    });
    let mut nodes = Nodes::default();
    let report = ours("a", 1, ReportKind::Full, vec![absurd]);
    let changes = taken(nodes.take(report, at(0)));
    assert_eq!(changes.started.len(), 1);
    let active = &nodes.get("worker-1").unwrap().pulls[&changes.started[0]];
    let kept = serde_json::to_vec(&active.reported).unwrap().len();
    assert!(kept < 80 * 1024, "{kept}");
    assert!(active.status.image_ref.starts_with('\u{e9}'));
}
