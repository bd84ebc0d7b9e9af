use proptest::prelude::*;
use tracer_model::PodCorrelation;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn candidate(image: &str, pulling: Option<i64>) -> Candidate {
    Candidate {
        name: ImageName::parse(image).unwrap(),
        pulling: pulling.map(|second| (at(second), u64::try_from(second).unwrap())),
        wanted: at(0),
        pods: vec![PodCorrelation {
            namespace: "n".to_owned(),
            pod_name: format!("wants-{image}"),
            container: "c".to_owned(),
            image: image.to_owned(),
        }],
    }
}

fn session(started: i64, repository: &str) -> Session {
    let (registry, repository) = repository.split_once('/').unwrap_or_default();
    Session {
        started: at(started),
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        digest: String::new(),
        exact: None,
        before: Naming::default(),
    }
}

fn names(sessions: &[Session], candidates: &[Candidate]) -> Vec<(Option<String>, &'static str)> {
    assign(sessions, candidates)
        .into_iter()
        .map(|naming| (naming.image, naming.confidence.as_str()))
        .collect()
}

fn named(image: &str, confidence: &'static str) -> (Option<String>, &'static str) {
    (Some(image.to_owned()), confidence)
}

#[test]
fn a_repository_that_is_wanted_once_names_the_pull_whatever_else_is_wanted() {
    let candidates = [
        candidate("quay.io/b:2", Some(1)),
        candidate("quay.io/a:1", Some(2)),
    ];
    assert_eq!(
        names(&[session(3, "quay.io/a")], &candidates),
        [named("quay.io/a:1", "repo")]
    );
}

#[test]
fn content_tells_the_host_without_its_port() {
    let candidates = [candidate("localhost:5000/a:1", Some(1))];
    assert_eq!(
        names(&[session(3, "localhost/a")], &candidates),
        [named("localhost:5000/a:1", "repo")]
    );
}

#[test]
fn a_pinned_digest_is_exact() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let candidates = [
        candidate("quay.io/a:2", Some(1)),
        candidate(&format!("quay.io/a@{digest}"), Some(2)),
    ];
    let mut pinned = session(5, "quay.io/a");
    pinned.digest.clone_from(&digest);
    let other = session(4, "quay.io/a");
    assert_eq!(
        names(&[pinned, other], &candidates),
        [
            named(&format!("quay.io/a@{digest}"), "exact"),
            named("quay.io/a:2", "guessed")
        ]
    );
}

#[test]
fn two_tags_of_one_repository_are_told_apart_by_the_order_of_asking() {
    let candidates = [
        candidate("quay.io/a:1", Some(1)),
        candidate("quay.io/a:2", Some(4)),
    ];
    let sessions = [session(5, "quay.io/a"), session(2, "quay.io/a")];
    assert_eq!(
        names(&sessions, &candidates),
        [
            named("quay.io/a:2", "guessed"),
            named("quay.io/a:1", "guessed")
        ]
    );
    let mut known = sessions.clone();
    known[1].exact = Some(ImageName::parse("quay.io/a:2").unwrap());
    assert_eq!(
        names(&known, &candidates),
        [
            named("quay.io/a:1", "guessed"),
            named("quay.io/a:2", "exact")
        ],
        "the runtime's record corrects the guess"
    );
}

#[test]
fn of_a_serial_pullers_three_the_first_asked_for_moves() {
    let mut candidates = vec![
        candidate("quay.io/a:1", Some(1)),
        candidate("quay.io/b:1", Some(2)),
        candidate("quay.io/c:1", Some(3)),
    ];
    assert_eq!(
        names(&[session(4, "")], &candidates),
        [named("quay.io/a:1", "guessed")]
    );
    candidates.remove(0);
    assert_eq!(
        names(&[session(9, "")], &candidates),
        [named("quay.io/b:1", "guessed")]
    );
}

#[test]
fn nothing_is_guessed_from_what_was_asked_for_later_or_not_at_all() {
    let candidates = [
        candidate("quay.io/a:1", Some(100)),
        candidate("quay.io/b:1", None),
    ];
    assert_eq!(names(&[session(4, "")], &candidates), [(None, "unknown")]);
    assert_eq!(
        names(&[session(4, "quay.io/z")], &candidates),
        [(None, "unknown")]
    );
}

#[test]
fn a_name_stays_when_its_pod_is_gone_and_goes_when_it_cannot_be() {
    let mut kept = session(4, "quay.io/a");
    kept.before.image = Some("quay.io/a:1".to_owned());
    kept.before.confidence = NameConfidence::Repository;
    assert_eq!(
        names(std::slice::from_ref(&kept), &[]),
        [named("quay.io/a:1", "repo")]
    );
    kept.before.image = Some("quay.io/b:1".to_owned());
    assert_eq!(names(&[kept], &[]), [(None, "unknown")]);
}

proptest! {
    #[test]
    fn no_candidate_is_given_twice(
        started in proptest::collection::vec((0_i64..20, 0_usize..4), 0..6),
        wanted in proptest::collection::vec((0_usize..4, 0_usize..3, proptest::option::of(0_i64..20)), 0..6),
    ) {
        let repositories = ["", "quay.io/a", "quay.io/b", "ghcr.io/c/d"];
        let sessions: Vec<Session> = started.iter().map(|(second, index)| session(*second, repositories[*index])).collect();
        let mut candidates: Vec<Candidate> = wanted
            .iter()
            .filter(|(index, ..)| *index > 0)
            .map(|(index, tag, pulling)| candidate(&format!("{}:{tag}", repositories[*index]), *pulling))
            .collect();
        candidates.sort_by(|a, b| a.name.cmp(&b.name));
        candidates.dedup_by(|a, b| a.name == b.name);
        let found = assign(&sessions, &candidates);
        prop_assert_eq!(found.len(), sessions.len());
        let mut given: Vec<_> = found.iter().filter_map(|naming| naming.image.clone()).collect();
        let all = given.len();
        given.sort();
        given.dedup();
        prop_assert_eq!(given.len(), all);
        for (session, naming) in sessions.iter().zip(&found) {
            if let (Some(image), false) = (&naming.image, session.repository.is_empty()) {
                prop_assert!(image.contains(&session.repository));
            }
        }
    }
}
