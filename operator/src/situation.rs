//! Puts what was read into the words of the rollout.

use std::collections::BTreeMap;
use std::time::Duration;

use api::names::{LABEL_REVISION, Role};
use api::{ConditionType, DeletionPolicy, RegistryConfig, Rollback};
use compose::Problem;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::ResourceExt;

use crate::build::ANNOTATION_SINCE;
use crate::facts::PodFacts;
use crate::resolve::Current;
use crate::rollout::{Goal, Half, NodeState, PodState, Situation, Template};
use crate::selection::Selection;
use crate::validate::Plan;

/// Where a `RegistryConfig` is to go.
pub(crate) fn goal(
    config: &RegistryConfig,
    selection: &Selection,
    plan: &Result<Plan, Vec<Problem>>,
) -> Goal {
    if config.metadata.deletion_timestamp.is_some() {
        return match config.spec.deletion_policy {
            DeletionPolicy::Restore => Goal::Restore,
            DeletionPolicy::Retain => Goal::Hold,
        };
    }
    match plan {
        _ if selection.taken > 0 => Goal::Yield,
        _ if config.spec.paused => Goal::Hold,
        Ok(plan) => Goal::Reach(plan.revision.clone()),
        Err(_) => Goal::Hold,
    }
}

/// All that the rollout decides by.
pub(crate) fn situation(
    current: &Current,
    goal: Goal,
    selection: &Selection,
    pods: &[PodFacts],
    now: Timestamp,
) -> Situation {
    let config = &current.config;
    let status = config.status.as_ref();
    let rolling = &config.spec.update_strategy.rolling_update;
    let half = |role| half(current.daemon_sets.get(&role), role, selection, pods);
    Situation {
        workers: half(Role::Workers),
        control_plane: half(Role::ControlPlane),
        last_good: status.and_then(|status| status.last_good_revision.clone()),
        rolled_back: was_rolled_back(config, &goal),
        progressing_since: status
            .into_iter()
            .flat_map(|status| &status.conditions)
            .find(|condition| {
                condition.type_ == ConditionType::Progressing.as_str() && condition.status == "True"
            })
            .map(|condition| condition.last_transition_time.0),
        min_ready: seconds(rolling.min_ready_seconds),
        deadline: seconds(rolling.progress_deadline_seconds),
        may_roll_back: config.spec.update_strategy.rollback == Rollback::OnFailure,
        goal,
        now,
    }
}

fn seconds(seconds: i32) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Whether this very revision of this very generation was turned back: a change of either is a new attempt.
fn was_rolled_back(config: &RegistryConfig, goal: &Goal) -> bool {
    let (Some(status), Goal::Reach(revision)) = (&config.status, goal) else {
        return false;
    };
    status.revision.as_ref() == Some(revision)
        && status.conditions.iter().any(|condition| {
            condition.type_ == ConditionType::Stalled.as_str()
                && condition.reason == api::Reason::RolledBack.as_str()
                && condition.observed_generation == config.metadata.generation
        })
}

fn half(
    daemon_set: Option<&DaemonSet>,
    role: Role,
    selection: &Selection,
    pods: &[PodFacts],
) -> Half {
    let mut by_node: BTreeMap<&str, &PodFacts> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod.role == role.as_str()) {
        let known = by_node.entry(&pod.node).or_insert(pod);
        // While one pod goes the next one may be there already: that one counts.
        if known.going {
            *known = pod;
        }
    }
    let nodes = selection.role(role).map(|node| NodeState {
        name: node.name.clone(),
        not_ready_since: node.not_ready_since,
        pod: by_node.get(node.name.as_str()).map(|pod| PodState {
            runs: Template::of_label(&pod.revision),
            ready_since: pod.ready_since,
            failure: pod.failure.clone(),
        }),
    });
    Half {
        template: daemon_set.and_then(template),
        since: daemon_set.and_then(since),
        nodes: nodes.collect(),
    }
}

fn template(daemon_set: &DaemonSet) -> Option<Template> {
    let metadata = daemon_set.spec.as_ref()?.template.metadata.as_ref()?;
    let label = metadata.labels.as_ref()?.get(LABEL_REVISION)?;
    Some(Template::of_label(label))
}

fn since(daemon_set: &DaemonSet) -> Option<Timestamp> {
    daemon_set.annotations().get(ANNOTATION_SINCE)?.parse().ok()
}
