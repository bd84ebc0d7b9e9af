use proptest::prelude::*;

use super::*;
use crate::fixtures::{failure, half, situation, state, time};

fn says(decision: &Decision, role: Role) -> &str {
    decision.templates[&role].label()
}

#[test]
fn a_daemon_set_starts_by_recording_unless_it_has_no_nodes() {
    let absent = |nodes| Half {
        nodes,
        ..Half::default()
    };
    let decision = decide(&situation(
        "r1",
        absent(vec![state("a", "none", None)]),
        absent(vec![]),
    ));
    assert_eq!(says(&decision, Role::Workers), "none");
    assert_eq!(says(&decision, Role::ControlPlane), "r1");
    assert_eq!(decision.outcome, Outcome::Rolling);
}

#[test]
fn the_first_revision_waits_until_every_ready_node_is_recorded() {
    let one_missing = half(
        "none",
        vec![state("a", "none", Some(1)), state("b", "none", None)],
    );
    let decision = decide(&situation("r1", one_missing, half("none", vec![])));
    assert_eq!(says(&decision, Role::Workers), "none");

    let mut away = state("b", "none", None);
    away.not_ready_since = Some(time(990));
    let recorded = half("none", vec![state("a", "none", Some(1)), away]);
    let decision = decide(&situation("r1", recorded, half("none", vec![])));
    assert_eq!(says(&decision, Role::Workers), "r1");
}

#[test]
fn control_plane_nodes_wait_until_every_ready_worker_kept_the_revision_for_min_ready_seconds() {
    for (ready, expected) in [(None, "r1"), (Some(995), "r1"), (Some(990), "r2")] {
        let workers = half(
            "r2",
            vec![state("a", "r2", Some(10)), state("b", "r2", ready)],
        );
        let control_plane = half("r1", vec![state("s", "r1", Some(1))]);
        let decision = decide(&situation("r2", workers, control_plane));
        assert_eq!(says(&decision, Role::ControlPlane), expected, "{ready:?}");
        assert_eq!(says(&decision, Role::Workers), "r2");
    }
}

#[test]
fn somebody_looks_again_when_min_ready_seconds_are_over() {
    let workers = half("r2", vec![state("a", "r2", Some(994))]);
    let decision = decide(&situation("r2", workers, half("r2", vec![])));
    assert_eq!(decision.wake, Some(Duration::from_secs(4)));
}

#[test]
fn a_node_that_is_not_ready_holds_nobody_up() {
    let mut away = state("b", "r1", None);
    away.not_ready_since = Some(time(0));
    let workers = half("r2", vec![state("a", "r2", Some(1)), away]);
    assert_eq!(absent(&workers, &Template::of_label("r2")), 0);
    let decision = decide(&situation("r2", workers, half("r2", vec![])));
    assert_eq!(decision.outcome, Outcome::Complete);
}

#[test]
fn nodes_that_are_away_are_added_to_the_limit_while_something_is_to_do() {
    let mut away = state("b", "r1", None);
    away.not_ready_since = Some(time(0));
    let workers = half("r2", vec![state("a", "r1", Some(1)), away]);
    assert_eq!(absent(&workers, &Template::of_label("r2")), 1);
}

fn stuck(last_good: Option<&str>) -> Situation {
    let mut failing = state("b", "r2", None);
    failing.pod.as_mut().unwrap().failure = Some(failure("DiskFull"));
    let workers = half("r2", vec![state("a", "r1", Some(1)), failing]);
    let control_plane = half("r1", vec![state("s", "r1", Some(1))]);
    Situation {
        last_good: last_good.map(str::to_owned),
        progressing_since: Some(time(300)),
        ..situation("r2", workers, control_plane)
    }
}

#[test]
fn a_rollout_that_stands_still_is_turned_back_once_to_the_last_good_revision() {
    let decision = decide(&stuck(Some("r1")));
    assert_eq!(decision.outcome, Outcome::RolledBack { complete: false });
    assert_eq!(says(&decision, Role::Workers), "r1");
    assert_eq!(says(&decision, Role::ControlPlane), "r1");

    let remembered = Situation {
        rolled_back: true,
        progressing_since: Some(time(999)),
        ..stuck(Some("r1"))
    };
    assert_eq!(says(&decide(&remembered), Role::Workers), "r1");
}

#[test]
fn without_a_last_good_revision_or_with_rollback_never_nodes_stay_as_they_are() {
    let never = Situation {
        may_roll_back: false,
        ..stuck(Some("r1"))
    };
    for situation in [stuck(None), never] {
        let decision = decide(&situation);
        assert_eq!(decision.outcome, Outcome::Overdue);
        assert_eq!(says(&decision, Role::Workers), "r2");
        assert_eq!(says(&decision, Role::ControlPlane), "r1");
    }
}

#[test]
fn progress_moves_the_deadline() {
    for (moved, outcome) in [(399, Outcome::Overdue), (401, Outcome::Rolling)] {
        let mut situation = stuck(None);
        situation.workers.nodes[0] = state("a", "r2", Some(moved));
        assert_eq!(decide(&situation).outcome, outcome, "{moved}");
    }
}

#[test]
fn a_revision_that_was_good_is_not_turned_back_when_a_node_fails_later() {
    let decision = decide(&stuck(Some("r2")));
    assert_eq!(decision.outcome, Outcome::Rolling);
}

#[test]
fn who_lost_the_nodes_or_is_paused_writes_nothing() {
    let held = Situation {
        goal: Goal::Hold,
        ..stuck(None)
    };
    assert!(decide(&held).templates.is_empty());
    let lost = Situation {
        goal: Goal::Yield,
        ..stuck(None)
    };
    assert_eq!(says(&decide(&lost), Role::Workers), "none");
}

#[test]
fn a_restore_goes_the_same_way_and_gives_up_on_nodes_that_are_away_for_ten_minutes() {
    let restoring = |since: i64| {
        let mut away = state("b", "r1", None);
        away.not_ready_since = Some(time(since));
        Situation {
            goal: Goal::Restore,
            ..situation(
                "r1",
                half("restore", vec![state("a", "restore", Some(1)), away]),
                Half::default(),
            )
        }
    };
    let waiting = decide(&restoring(401));
    assert_eq!(waiting.outcome, Outcome::Rolling);
    assert_eq!(waiting.wake, Some(Duration::from_secs(1)));
    assert_eq!(decide(&restoring(400)).outcome, Outcome::Complete);
    assert_eq!(left_behind(&restoring(400)), ["b"]);
    assert!(
        !waiting.templates.contains_key(&Role::ControlPlane),
        "there is no such DaemonSet"
    );
}

/// One node of the simulation.
#[derive(Clone, Debug)]
struct Machine {
    control_plane: bool,
    away: bool,
    fails: bool,
}

/// What the `DaemonSet` controller and the kubelets do in five seconds.
fn step(half: &mut Half, machines: &[&Machine], limit: usize, min_ready: Duration, now: Timestamp) {
    let Some(template) = half.template.clone() else {
        return;
    };
    let limit = limit + absent(half, &template);
    let settled = |node: &NodeState| {
        node.not_ready_since.is_none()
            && node
                .pod
                .as_ref()
                .and_then(|pod| pod.ready_since)
                .is_some_and(|since| remaining(since, min_ready, now).is_none())
    };
    let mut unavailable = half.nodes.iter().filter(|node| !settled(node)).count();
    for (node, machine) in half.nodes.iter_mut().zip(machines) {
        match &mut node.pod {
            Some(pod) if pod.runs == template => {
                let writes = matches!(template, Template::Revision(_));
                if pod.ready_since.is_none() && !machine.away && !(machine.fails && writes) {
                    pod.ready_since = Some(now);
                }
            }
            old => {
                let available = old.is_some() && node.not_ready_since.is_none();
                if old.is_none() || !available || unavailable < limit {
                    unavailable += usize::from(available);
                    *old = Some(PodState {
                        runs: template.clone(),
                        ready_since: None,
                        failure: None,
                    });
                }
            }
        }
    }
}

fn machines() -> impl Strategy<Value = Vec<Machine>> {
    let machine = (
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
    );
    let machine = machine.prop_map(|(control_plane, away, fails)| Machine {
        control_plane,
        away,
        fails,
    });
    prop::collection::vec(machine, 1..12)
}

proptest! {
    #[test]
    fn no_rollout_takes_more_nodes_than_allowed_and_every_one_ends(machines in machines(), limit in 1_usize..4) {
        let of = |control_plane| machines.iter().filter(move |machine| machine.control_plane == control_plane).collect::<Vec<_>>();
        let new_half = |machines: &[&Machine]| Half {
            nodes: machines.iter().enumerate().map(|(index, machine)| NodeState {
                name: format!("n{index}"),
                not_ready_since: machine.away.then(|| time(0)),
                pod: None,
            }).collect(),
            ..Half::default()
        };
        let (worker_machines, server_machines) = (of(false), of(true));
        let mut world = situation("r1", new_half(&worker_machines), new_half(&server_machines));
        let mut outcome = Outcome::Rolling;
        for tick in 0..200 {
            world.now = time(1000 + tick * 5);
            world.progressing_since = Some(world.now);
            let decision = decide(&world);
            outcome = decision.outcome;
            world.workers.template = Some(decision.templates[&Role::Workers].clone());
            world.control_plane.template = Some(decision.templates[&Role::ControlPlane].clone());
            let (min_ready, now) = (world.min_ready, world.now);
            step(&mut world.workers, &worker_machines, limit, min_ready, now);
            step(&mut world.control_plane, &server_machines, 1, min_ready, now);
            for (half, limit) in [(&world.workers, limit), (&world.control_plane, 1)] {
                let touched = half.nodes.iter().filter(|node| {
                    node.not_ready_since.is_none()
                        && node.pod.as_ref().is_some_and(|pod| matches!(pod.runs, Template::Revision(_)) && pod.ready_since.is_none())
                });
                prop_assert!(touched.count() <= limit);
            }
            let worker_fails = worker_machines.iter().any(|machine| machine.fails && !machine.away);
            if worker_fails && !server_machines.is_empty() {
                prop_assert_ne!(world.control_plane.template.as_ref().map(Template::label), Some("r1"));
            }
        }
        let healthy = machines.iter().all(|machine| machine.away || !machine.fails);
        let somebody = machines.iter().any(|machine| !machine.away);
        prop_assert_eq!(outcome == Outcome::Complete, healthy && somebody);
    }
}
