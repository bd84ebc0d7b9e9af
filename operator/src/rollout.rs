//! Which pods get which revision, when. Pure: what is there goes in, what the templates shall say comes out.
//!
//! ```text
//! workers          none ──recorded──► revision ──every Ready node has it for minReadySeconds──┐
//! control plane    none ──────────────────────────────────────────────────────────────────────► revision
//! ```
//!
//! The `DaemonSet` controller moves the nodes; here is only decided what it moves them to.

use std::collections::BTreeMap;
use std::time::Duration;

use api::names::{REVISION_NONE, REVISION_RESTORE, Role};
use jiff::Timestamp;

use crate::facts::Failure;

/// A node that stays `NotReady` for this long is not waited for when files are put back.
const PATIENCE: Duration = Duration::from_secs(600);

/// What pods of a `DaemonSet` do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Template {
    /// Record what the node has, and write nothing.
    Record,
    /// Write this revision.
    Revision(String),
    /// Put the original back.
    Restore,
}

impl Template {
    pub(crate) fn of_label(label: &str) -> Self {
        match label {
            REVISION_NONE => Self::Record,
            REVISION_RESTORE => Self::Restore,
            revision => Self::Revision(revision.to_owned()),
        }
    }

    pub(crate) fn label(&self) -> &str {
        match self {
            Self::Record => REVISION_NONE,
            Self::Restore => REVISION_RESTORE,
            Self::Revision(revision) => revision,
        }
    }
}

/// One selected node and its pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeState {
    pub(crate) name: String,
    /// Since when the node is not Ready; `None` while it is.
    pub(crate) not_ready_since: Option<Timestamp>,
    pub(crate) pod: Option<PodState>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PodState {
    pub(crate) runs: Template,
    pub(crate) ready_since: Option<Timestamp>,
    pub(crate) failure: Option<Failure>,
}

/// One half of the nodes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Half {
    /// What the `DaemonSet` says now; `None` when there is none.
    pub(crate) template: Option<Template>,
    /// When the template last changed.
    pub(crate) since: Option<Timestamp>,
    pub(crate) nodes: Vec<NodeState>,
}

/// Where things are to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Every node has this revision.
    Reach(String),
    /// Every node has its original back.
    Restore,
    /// Nothing is written: somebody else has the nodes.
    Yield,
    /// Everything stays as it is.
    Hold,
}

/// All that the decision rests on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Situation {
    pub(crate) goal: Goal,
    pub(crate) workers: Half,
    pub(crate) control_plane: Half,
    pub(crate) last_good: Option<String>,
    /// The last good revision was put back because this very attempt failed.
    pub(crate) rolled_back: bool,
    /// Since when the resource says that it is progressing.
    pub(crate) progressing_since: Option<Timestamp>,
    pub(crate) min_ready: Duration,
    pub(crate) deadline: Duration,
    pub(crate) may_roll_back: bool,
    pub(crate) now: Timestamp,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every selected, available node has what it should.
    Complete,
    /// Nodes are on their way.
    Rolling,
    /// Nothing moved for too long.
    Overdue,
    /// The last good revision is being put back, or is back.
    RolledBack { complete: bool },
    /// Nodes stay as they are.
    Held,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decision {
    /// What each `DaemonSet` shall say; one that is not named is left alone.
    pub(crate) templates: BTreeMap<Role, Template>,
    pub(crate) outcome: Outcome,
    /// When to look again, although nothing happened.
    pub(crate) wake: Option<Duration>,
}

impl Situation {
    pub(crate) fn half(&self, role: Role) -> &Half {
        match role {
            Role::Workers => &self.workers,
            Role::ControlPlane => &self.control_plane,
        }
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &NodeState> {
        self.workers.nodes.iter().chain(&self.control_plane.nodes)
    }
}

/// Decides what the templates shall say.
pub(crate) fn decide(situation: &Situation) -> Decision {
    match &situation.goal {
        Goal::Hold => Decision {
            templates: BTreeMap::new(),
            outcome: Outcome::Held,
            wake: None,
        },
        Goal::Yield => Decision {
            templates: Role::ALL.map(|role| (role, Template::Record)).into(),
            outcome: Outcome::Held,
            wake: None,
        },
        Goal::Restore => restore(situation),
        Goal::Reach(revision) => reach(situation, revision),
    }
}

fn reach(situation: &Situation, revision: &str) -> Decision {
    let wanted = Template::Revision(revision.to_owned());
    let complete = is_complete(situation, &wanted);
    let last_good = situation
        .last_good
        .as_deref()
        .filter(|good| *good != revision);
    let overdue = !complete && is_overdue(situation, revision);
    let back = situation.rolled_back || (overdue && situation.may_roll_back);
    if let Some(good) = last_good.filter(|_| back) {
        let good = Template::Revision(good.to_owned());
        let complete = is_complete(situation, &good);
        return Decision {
            templates: templates(situation, &good),
            outcome: Outcome::RolledBack { complete },
            wake: if complete {
                None
            } else {
                wake(situation, &good)
            },
        };
    }
    let outcome = if complete {
        Outcome::Complete
    } else if overdue {
        Outcome::Overdue
    } else {
        Outcome::Rolling
    };
    Decision {
        templates: templates(situation, &wanted),
        outcome,
        wake: if complete {
            None
        } else {
            wake(situation, &wanted)
        },
    }
}

fn restore(situation: &Situation) -> Decision {
    let mut templates = templates(situation, &Template::Restore);
    // Where there is no DaemonSet nothing was written.
    templates.retain(|role, _| situation.half(*role).template.is_some());
    let complete = Role::ALL.iter().all(|role| {
        let half = situation.half(*role);
        half.template.is_none()
            || (half.template == Some(Template::Restore)
                && half
                    .nodes
                    .iter()
                    .all(|node| has(node, &Template::Restore) || given_up(node, situation.now)))
    });
    Decision {
        templates,
        outcome: if complete {
            Outcome::Complete
        } else {
            Outcome::Rolling
        },
        wake: situation
            .nodes()
            .filter_map(|node| node.not_ready_since)
            .filter_map(|since| remaining(since, PATIENCE, situation.now))
            .chain(wake(situation, &Template::Restore))
            .min(),
    }
}

/// Nodes that kept our file because they were away for too long.
pub(crate) fn left_behind(situation: &Situation) -> Vec<String> {
    let nodes = situation.nodes();
    let left = nodes.filter(|node| !has(node, &Template::Restore) && given_up(node, situation.now));
    left.map(|node| node.name.clone()).collect()
}

fn given_up(node: &NodeState, now: Timestamp) -> bool {
    node.not_ready_since
        .is_some_and(|since| remaining(since, PATIENCE, now).is_none())
}

fn templates(situation: &Situation, wanted: &Template) -> BTreeMap<Role, Template> {
    let workers = first(&situation.workers, wanted, true);
    let moved = situation.workers.template.as_ref() == Some(wanted);
    let workers_done = situation.workers.nodes.is_empty()
        || (moved && proven(situation, &situation.workers, wanted))
        || (*wanted == Template::Restore && situation.workers.template.is_none());
    let control_plane = first(&situation.control_plane, wanted, workers_done);
    [
        (Role::Workers, workers),
        (Role::ControlPlane, control_plane),
    ]
    .into()
}

/// The next template of one half, `may_move` telling whether it is its turn.
fn first(half: &Half, wanted: &Template, may_move: bool) -> Template {
    match &half.template {
        // `maxUnavailable` does not hold when a DaemonSet is created, so it starts with a revision that writes nothing.
        None if half.nodes.is_empty() => wanted.clone(),
        None => Template::Record,
        Some(Template::Record) if *wanted != Template::Restore && !recorded(half) => {
            Template::Record
        }
        Some(_) if may_move => wanted.clone(),
        Some(current) => current.clone(),
    }
}

fn recorded(half: &Half) -> bool {
    let ready = half
        .nodes
        .iter()
        .filter(|node| node.not_ready_since.is_none());
    ready.into_iter().all(|node| has(node, &Template::Record))
}

fn has(node: &NodeState, wanted: &Template) -> bool {
    node.pod
        .as_ref()
        .is_some_and(|pod| pod.runs == *wanted && pod.ready_since.is_some())
}

/// Whether every Ready node of the half has it, and kept it for `minReadySeconds`.
fn proven(situation: &Situation, half: &Half, wanted: &Template) -> bool {
    half.nodes
        .iter()
        .filter(|node| node.not_ready_since.is_none())
        .all(|node| has(node, wanted) && proof_due(situation, node).is_none())
}

/// How long a Ready pod still has to stay so.
fn proof_due(situation: &Situation, node: &NodeState) -> Option<Duration> {
    let since = node.pod.as_ref()?.ready_since?;
    remaining(since, situation.min_ready, situation.now)
}

fn is_complete(situation: &Situation, wanted: &Template) -> bool {
    let available = situation
        .nodes()
        .filter(|node| node.not_ready_since.is_none())
        .count();
    let settled = Role::ALL.iter().all(|role| {
        let half = situation.half(*role);
        half.template.as_ref() == Some(wanted) && proven(situation, half, wanted)
    });
    settled && (available > 0 || situation.nodes().next().is_none())
}

fn is_overdue(situation: &Situation, revision: &str) -> bool {
    // A revision that was good once is not turned back because a node fails later: that node is degraded.
    situation.last_good.as_deref() != Some(revision)
        && situation.nodes().any(|node| node.not_ready_since.is_none())
        && remaining(progress(situation), situation.deadline, situation.now).is_none()
}

/// When something last moved.
fn progress(situation: &Situation) -> Timestamp {
    let Some(started) = situation.progressing_since else {
        return situation.now;
    };
    let templates = [situation.workers.since, situation.control_plane.since];
    let pods = situation
        .nodes()
        .filter_map(|node| node.pod.as_ref()?.ready_since);
    templates
        .into_iter()
        .flatten()
        .chain(pods)
        .fold(started, Timestamp::max)
}

fn wake(situation: &Situation, wanted: &Template) -> Option<Duration> {
    let proofs = situation
        .nodes()
        .filter(|node| has(node, wanted))
        .filter_map(|node| proof_due(situation, node))
        .max();
    let deadline = remaining(progress(situation), situation.deadline, situation.now);
    proofs.into_iter().chain(deadline).min()
}

/// What is left of `span` since `start`; `None` when it is over.
fn remaining(start: Timestamp, span: Duration, now: Timestamp) -> Option<Duration> {
    let end = start
        .saturating_add(jiff::SignedDuration::try_from(span).unwrap_or(jiff::SignedDuration::MAX));
    let end = end.unwrap_or(Timestamp::MAX);
    let left = end.duration_since(now);
    if left.is_positive() {
        Some(left.unsigned_abs())
    } else {
        None
    }
}

/// How many nodes of a half are away for reasons of their own while something still has to reach the others.
///
/// The `DaemonSet` controller counts them against `maxUnavailable`; without this one dead node would stop a rollout.
pub(crate) fn absent(half: &Half, wanted: &Template) -> usize {
    let ready = || {
        half.nodes
            .iter()
            .filter(|node| node.not_ready_since.is_none())
    };
    if ready().all(|node| has(node, wanted)) {
        return 0;
    }
    half.nodes.len() - ready().count()
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
