use api::RegistryConfigStatus;
use proptest::prelude::*;

use super::*;
use crate::fixtures::{config, failure, half, situation, state, time};
use crate::rollout::{Half, decide};

fn plan(revision: &str) -> Plan {
    Plan {
        revision: revision.to_owned(),
        folder: node_files::layout::FOLDER_K3S,
        files: std::collections::BTreeMap::new(),
        warnings: Vec::new(),
    }
}

struct Scene {
    config: RegistryConfig,
    selection: Selection,
    plan: Result<Plan, Vec<Problem>>,
    situation: Situation,
}

impl Scene {
    fn new(situation: Situation) -> Self {
        Self {
            config: config("default"),
            selection: Selection::default(),
            plan: Ok(plan("r1")),
            situation,
        }
    }

    fn status(&self) -> RegistryConfigStatus {
        View {
            config: &self.config,
            selection: &self.selection,
            plan: &self.plan,
            situation: &self.situation,
            outcome: decide(&self.situation).outcome,
        }
        .status()
    }

    /// `Ready=True/RolledOut` and so on.
    fn told(&self) -> Vec<String> {
        let conditions = self.status().conditions;
        conditions
            .iter()
            .map(|condition| {
                format!(
                    "{}={}/{}",
                    condition.type_, condition.status, condition.reason
                )
            })
            .collect()
    }
}

fn rolled_out() -> Scene {
    Scene::new(situation(
        "r1",
        half("r1", vec![state("a", "r1", Some(1))]),
        half("r1", vec![]),
    ))
}

fn rolling() -> Scene {
    Scene::new(situation(
        "r1",
        half(
            "r1",
            vec![state("a", "r1", Some(1)), state("b", "r0", Some(1))],
        ),
        half("r0", vec![]),
    ))
}

#[test]
fn a_revision_on_every_node_is_ready_and_good() {
    let scene = rolled_out();
    assert_eq!(
        scene.told(),
        [
            "Ready=True/RolledOut",
            "Progressing=False/RolledOut",
            "Degraded=False/AsExpected",
            "Stalled=False/AsExpected"
        ]
    );
    let status = scene.status();
    assert_eq!(status.last_good_revision.as_deref(), Some("r1"));
    assert_eq!(status.observed_generation, Some(1));
}

#[test]
fn a_rollout_under_way_counts_its_nodes() {
    let scene = rolling();
    assert_eq!(scene.told()[0], "Ready=False/RollingOut");
    let counts = scene.status().nodes.unwrap();
    assert_eq!((counts.desired, counts.updated, counts.ready), (2, 1, 1));
    assert_eq!(scene.status().last_good_revision, None);
}

#[test]
fn no_node_at_all_is_ready_but_proves_nothing() {
    let scene = Scene::new(situation("r1", half("r1", vec![]), half("r1", vec![])));
    assert_eq!(scene.told()[0], "Ready=True/NoMatchingNodes");
    assert_eq!(scene.status().last_good_revision, None);
}

#[test]
fn at_most_five_failed_nodes_are_named() {
    let nodes = (0..7).map(|index| {
        let mut node = state(&format!("n{index}"), "r1", None);
        node.pod.as_mut().unwrap().failure = Some(failure("DiskFull"));
        node
    });
    let scene = Scene::new(situation(
        "r1",
        half("r1", nodes.collect()),
        half("r0", vec![]),
    ));
    assert_eq!(scene.told()[2], "Degraded=True/NodesDegraded");
    let status = scene.status();
    assert!(
        status.conditions[2]
            .message
            .starts_with("n0: DiskFull: no space left; n1:")
    );
    assert!(status.conditions[2].message.ends_with("and 2 more nodes"));
    assert_eq!(status.nodes.unwrap().failed, 7);
}

#[test]
fn problems_stall_and_name_field_and_mend() {
    let mut scene = rolled_out();
    scene.situation.goal = Goal::Hold;
    scene.config.status = Some(rolled_out().status());
    scene.plan = Err(vec![Problem {
        reason: Reason::ReferenceNotFound,
        code: "reference-not-found",
        path: "spec.registriesFrom[0].secretRef".to_owned(),
        message: "Secret x does not exist".to_owned(),
        help: "create it".to_owned(),
    }]);
    assert_eq!(scene.told()[0], "Ready=False/ReferenceNotFound");
    assert_eq!(scene.told()[3], "Stalled=True/ReferenceNotFound");
    let status = scene.status();
    assert_eq!(
        status.conditions[0].message,
        "spec.registriesFrom[0].secretRef: Secret x does not exist; create it"
    );
    assert_eq!(
        status.last_good_revision.as_deref(),
        Some("r1"),
        "nothing is lost"
    );
}

#[test]
fn a_rollout_that_was_turned_back_says_what_is_on_the_nodes() {
    let mut scene = rolling();
    scene.situation.last_good = Some("r0".to_owned());
    scene.situation.progressing_since = Some(time(0));
    assert_eq!(scene.told()[0], "Ready=False/RolledBack");
    assert_eq!(scene.told()[3], "Stalled=True/RolledBack");
    scene.situation.may_roll_back = false;
    assert_eq!(scene.told()[0], "Ready=False/ProgressDeadlineExceeded");
}

#[test]
fn who_loses_nodes_is_told_how_many_and_to_whom() {
    let mut scene = rolled_out();
    scene.selection.taken = 1;
    scene.selection.taken_by = Some("older".to_owned());
    scene.situation.goal = Goal::Yield;
    assert_eq!(scene.told()[0], "Ready=False/SelectorConflict");
    assert!(
        scene.status().conditions[0]
            .message
            .starts_with("1 of 1 selected nodes")
    );
}

#[test]
fn a_pause_is_no_fault_of_what_is_rolled_out() {
    let mut scene = rolled_out();
    scene.config.spec.paused = true;
    scene.situation.goal = Goal::Hold;
    assert_eq!(scene.told()[0], "Ready=True/Paused");
    let mut scene = rolling();
    scene.config.spec.paused = true;
    scene.situation.goal = Goal::Hold;
    assert_eq!(scene.told()[0], "Ready=False/Paused");
}

#[test]
fn a_node_that_reads_another_file_is_degraded() {
    let mut scene = rolled_out();
    scene.selection.elsewhere = vec!["moved".to_owned()];
    assert_eq!(scene.told()[0], "Ready=False/NodesDegraded");
    assert_eq!(scene.told()[2], "Degraded=True/NodesDegraded");
    assert_eq!(scene.status().nodes.unwrap().desired, 2);
}

fn halves() -> impl Strategy<Value = Half> {
    let revision = prop::sample::select(vec!["none", "r0", "r1"]);
    let node = (
        revision.clone(),
        prop::option::of(0_i64..1000),
        prop::bool::ANY,
    )
        .prop_map(|(runs, ready, fails)| {
            let mut node = state("n", runs, ready);
            if fails && ready.is_none() {
                node.pod.as_mut().unwrap().failure = Some(failure("DiskFull"));
            }
            node
        });
    (revision, prop::collection::vec(node, 0..4))
        .prop_map(|(template, nodes)| half(template, nodes))
}

proptest! {
    #[test]
    fn a_second_look_changes_nothing_and_times_move_only_with_status(
        first in (halves(), halves()), second in (halves(), halves()), later in 1_i64..100_000,
    ) {
        let mut scene = Scene::new(situation("r1", first.0, first.1));
        let old = scene.status();
        scene.config.status = Some(old.clone());
        prop_assert_eq!(&scene.status(), &old);

        scene.situation.now = time(1000 + later);
        scene.situation.workers = second.0;
        scene.situation.control_plane = second.1;
        for (before, after) in old.conditions.iter().zip(scene.status().conditions) {
            prop_assert_eq!(&before.type_, &after.type_);
            let moved = before.last_transition_time != after.last_transition_time;
            prop_assert_eq!(moved, before.status != after.status);
        }
    }
}
