use super::*;
use crate::fixtures::{active, finished};

fn hub() -> Hub {
    Hub::new("e".to_owned(), 10)
}

fn tell(hub: &Hub, event_type: EventType, id: &str) {
    hub.tell(event_type, "a", Some(Arc::new(active("a", id, "x:1"))));
}

fn types(next: Next) -> Vec<&'static str> {
    let events = match next {
        Next::Batch(batch) => batch.events.clone(),
        Next::Coalesced(events) => events,
        other => panic!("{other:?}"),
    };
    events
        .iter()
        .map(|event| event.event_type.as_str())
        .collect()
}

#[test]
fn of_a_pull_that_moves_often_a_tick_tells_the_latest_and_every_beginning_and_end() {
    let hub = hub();
    tell(&hub, EventType::PullStarted, "1");
    tell(&hub, EventType::PullProgress, "1");
    tell(&hub, EventType::PullProgress, "2");
    tell(&hub, EventType::PullProgress, "2");
    hub.tell(
        EventType::PullCompleted,
        "a",
        Some(Arc::new(finished("a", "1", "x:1", 3))),
    );
    hub.tell(
        EventType::PullFailed,
        "a",
        Some(Arc::new(finished("a", "2", "x:1", 3))),
    );
    assert!(
        matches!(hub.after(0), Next::Nothing),
        "nothing before the tick"
    );
    hub.tick(Timestamp::UNIX_EPOCH);
    assert_eq!(
        types(hub.after(0)),
        ["pull.started", "pull.failed", "pull.completed"]
    );
    assert!(matches!(hub.after(3), Next::Nothing));
}

#[test]
fn a_slow_reader_gets_the_latest_of_each_pull_and_no_end_is_left_out() {
    let hub = hub();
    for _ in 0..3 {
        tell(&hub, EventType::PullProgress, "1");
        hub.tick(Timestamp::UNIX_EPOCH);
    }
    hub.tell(
        EventType::PullCompleted,
        "a",
        Some(Arc::new(finished("a", "1", "x:1", 3))),
    );
    hub.tick(Timestamp::UNIX_EPOCH);
    tell(&hub, EventType::PullProgress, "2");
    hub.tick(Timestamp::UNIX_EPOCH);
    assert_eq!(types(hub.after(1)), ["pull.completed", "pull.progress"]);
}

#[test]
fn who_fell_out_of_the_ring_is_told() {
    let hub = hub();
    for _ in 0..20 {
        tell(&hub, EventType::PullProgress, "1");
        hub.tick(Timestamp::UNIX_EPOCH);
    }
    assert!(matches!(hub.after(5), Next::Lost));
    assert!(!hub.reaches(5) && hub.reaches(10) && hub.reaches(20) && !hub.reaches(21));
    assert_eq!(types(hub.after(10)), ["pull.progress"]);
}

#[test]
fn a_message_has_the_form_of_the_earlier_program() {
    let hub = hub();
    tell(&hub, EventType::PullProgress, "1");
    hub.tick(Timestamp::UNIX_EPOCH);
    let Next::Batch(batch) = hub.after(0) else {
        panic!()
    };
    let event: serde_json::Value = serde_json::from_slice(&batch.events[0].json(false)).unwrap();
    assert_eq!(event["schemaVersion"], "v1");
    assert_eq!(event["type"], "pull.progress");
    assert_eq!(event["nodeName"], "a");
    assert_eq!(event["pull"]["imageRef"], "x:1");
    assert!(event["pull"].get("layers").is_none());
}

#[test]
fn however_much_happens_between_two_ticks_only_so_much_is_kept() {
    let hub = hub();
    for id in 0..1000 {
        tell(&hub, EventType::PullStarted, &id.to_string());
    }
    hub.tick(Timestamp::UNIX_EPOCH);
    assert!(matches!(hub.after(0), Next::Lost));
    let kept = hub
        .lock()
        .ring
        .iter()
        .map(|batch| batch.events.len())
        .sum::<usize>();
    assert!((1..=20).contains(&kept), "{kept}");
    assert_eq!(hub.last(), 1000);
    assert!(hub.reaches(999));
}
