use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{AVOIDED, Upstreams};

fn upstreams(names: &[&str]) -> Upstreams {
    Upstreams::new(&owned(names))
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn nodes_take_turns() {
    let mut upstreams = upstreams(&["a", "b", "c"]);
    let now = Instant::now();
    assert_eq!(upstreams.turn(now), ["a", "b", "c"]);
    assert_eq!(upstreams.turn(now), ["b", "c", "a"]);
    assert_eq!(upstreams.turn(now), ["c", "a", "b"]);
    assert_eq!(upstreams.turn(now), ["a", "b", "c"]);
}

#[test]
fn a_failed_node_comes_last_for_ten_seconds() {
    let mut upstreams = upstreams(&["a", "b", "c"]);
    let now = Instant::now();
    assert!(upstreams.failed("a", now));
    assert!(!upstreams.failed("a", now), "what is known is no news");
    for _ in 0..4 {
        assert_eq!(upstreams.turn(now).last().unwrap(), "a");
    }
    let later = now + AVOIDED;
    let first: Vec<_> = (0..3).map(|_| upstreams.turn(later)[0].clone()).collect();
    assert!(first.contains(&"a".to_owned()));
}

#[test]
fn the_share_of_a_failed_node_is_spread() {
    let mut upstreams = upstreams(&["a", "b", "c"]);
    let now = Instant::now();
    upstreams.failed("a", now);
    let first: Vec<_> = (0..4).map(|_| upstreams.turn(now)[0].clone()).collect();
    assert_eq!(first, ["b", "c", "b", "c"]);
}

#[test]
fn an_answer_ends_the_avoiding() {
    let mut upstreams = upstreams(&["a", "b"]);
    let now = Instant::now();
    upstreams.failed("a", now);
    upstreams.answered("a");
    assert_eq!(upstreams.turn(now), ["a", "b"]);
}

#[test]
fn a_node_that_stays_keeps_its_record() {
    let mut upstreams = upstreams(&["a", "b"]);
    let now = Instant::now();
    upstreams.failed("a", now);
    upstreams.replace(&owned(&["a", "c"]));
    assert_eq!(upstreams.turn(now), ["c", "a"]);
}

#[test]
fn a_record_of_a_node_that_left_is_not_kept() {
    let mut upstreams = upstreams(&["a"]);
    assert!(upstreams.failed("a", Instant::now()));
    upstreams.replace(&[]);
    assert!(upstreams.turn(Instant::now()).is_empty());
    assert!(!upstreams.failed("a", Instant::now()));
}

proptest! {
    #[test]
    fn every_connection_may_try_every_node_once(
        count in 0usize..6,
        events in prop::collection::vec((0usize..6, any::<bool>(), 0u64..15), 0..40),
    ) {
        let names: Vec<String> = (0..count).map(|index| index.to_string()).collect();
        let mut upstreams = Upstreams::new(&names);
        let mut now = Instant::now();
        for (node, fails, seconds) in events {
            now += Duration::from_secs(seconds);
            if fails {
                upstreams.failed(&node.to_string(), now);
            } else {
                upstreams.answered(&node.to_string());
            }
            let mut order = upstreams.turn(now);
            order.sort();
            prop_assert_eq!(&order, &names);
        }
    }
}
