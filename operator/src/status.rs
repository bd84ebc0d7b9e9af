//! What a `RegistryConfig` says about itself. Pure: old status and what is there in, new status out.

use std::fmt::Write as _;

use api::{
    ConditionStatus, ConditionType, NodeCounts, Reason, RegistryConfig, RegistryConfigStatus,
};
use compose::Problem;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::facts::Failure;
use crate::rollout::{Goal, NodeState, Outcome, Situation, Template};
use crate::selection::Selection;
use crate::validate::{NAMED_NODES, Plan, some};

/// Longest message of a condition; the schema of `metav1.Condition` takes 32,768.
const MESSAGE_CHARS: usize = 4096;
const NAMED_PROBLEMS: usize = 5;

/// One condition, before it is merged with the old ones.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Verdict {
    type_: ConditionType,
    status: ConditionStatus,
    reason: Reason,
    message: String,
}

/// What the status is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) config: &'a RegistryConfig,
    pub(crate) selection: &'a Selection,
    pub(crate) plan: &'a Result<Plan, Vec<Problem>>,
    pub(crate) situation: &'a Situation,
    pub(crate) outcome: Outcome,
}

impl View<'_> {
    /// The new status; equal to the old one when nothing changed.
    pub(crate) fn status(&self) -> RegistryConfigStatus {
        let old = self.config.status.clone().unwrap_or_default();
        let revision = match self.plan {
            Ok(plan) => Some(plan.revision.clone()),
            Err(_) => old.revision.clone(),
        };
        let counts = self.counts(revision.as_deref());
        let mut verdicts = self.verdicts(counts);
        verdicts.push(self.degraded());
        let reached = self.outcome == Outcome::Complete && counts.ready > 0;
        let last_good = match &self.situation.goal {
            Goal::Reach(revision) if reached => Some(revision.clone()),
            _ => old.last_good_revision.clone(),
        };
        RegistryConfigStatus {
            observed_generation: self.config.metadata.generation,
            revision,
            last_good_revision: last_good,
            nodes: Some(counts),
            conditions: merge(
                &old.conditions,
                &verdicts,
                self.config.metadata.generation,
                self.situation.now,
            ),
        }
    }

    fn counts(&self, revision: Option<&str>) -> NodeCounts {
        let wanted = match self.situation.goal {
            Goal::Restore => Some(Template::Restore),
            _ => revision.map(|revision| Template::Revision(revision.to_owned())),
        };
        let runs = |node: &&NodeState| {
            node.pod.as_ref().map(|pod| &pod.runs) == wanted.as_ref() && wanted.is_some()
        };
        let updated: Vec<_> = self.situation.nodes().filter(runs).collect();
        let ready = updated.iter().filter(|node| {
            node.pod
                .as_ref()
                .is_some_and(|pod| pod.ready_since.is_some())
        });
        NodeCounts {
            desired: count(self.situation.nodes().count() + self.selection.elsewhere.len()),
            updated: count(updated.len()),
            ready: count(ready.count()),
            restart_pending: 0,
            failed: count(self.failures().count() + self.selection.elsewhere.len()),
        }
    }

    fn failures(&self) -> impl Iterator<Item = (&str, &Failure)> {
        let nodes = self.situation.nodes();
        nodes.filter_map(|node| Some((node.name.as_str(), node.pod.as_ref()?.failure.as_ref()?)))
    }

    fn degraded(&self) -> Verdict {
        let elsewhere = self.selection.elsewhere.iter().map(|name| {
            format!("{name}: --private-registry names another file, so the node is left alone")
        });
        let failures = self
            .failures()
            .map(|(name, failure)| format!("{name}: {}: {}", failure.reason, failure.message));
        let all: Vec<String> = failures.chain(elsewhere).collect();
        if all.is_empty() {
            return verdict(
                ConditionType::Degraded,
                ConditionStatus::False,
                Reason::AsExpected,
                "no node reported a failure",
            );
        }
        let mut message = all
            .iter()
            .take(NAMED_NODES)
            .cloned()
            .collect::<Vec<_>>()
            .join("; ");
        if let Some(more @ 1..) = all.len().checked_sub(NAMED_NODES) {
            let _ = write!(message, "; and {more} more nodes");
        }
        verdict(
            ConditionType::Degraded,
            ConditionStatus::True,
            Reason::NodesDegraded,
            &message,
        )
    }

    /// Ready, Progressing and Stalled.
    fn verdicts(&self, counts: NodeCounts) -> Vec<Verdict> {
        use ConditionStatus::{False, True};
        if self.config.metadata.deletion_timestamp.is_some() {
            let text = format!(
                "{} of {} nodes have their original file back",
                counts.ready, counts.desired
            );
            return trio((False, True, False), Reason::RestoringNodes, &text);
        }
        if let Some(other) = &self.selection.taken_by {
            let text = format!(
                "{} of {} selected nodes belong to an older RegistryConfig, among them to {other}; change a nodeSelector",
                self.selection.taken, counts.desired
            );
            return trio((False, False, True), Reason::SelectorConflict, &text);
        }
        let plan = match self.plan {
            Ok(plan) => plan,
            Err(problems) => {
                let reason = problems
                    .first()
                    .map_or(Reason::InvalidSpec, |problem| problem.reason);
                return trio((False, False, True), reason, &list(problems));
            }
        };
        if self.config.spec.paused {
            let text = progress("paused", &plan.revision, counts);
            let ready = if counts.ready == counts.desired {
                True
            } else {
                False
            };
            return trio((ready, False, False), Reason::Paused, &text);
        }
        let reach = |text: &str| progress(text, &plan.revision, counts) + &warnings(plan);
        match self.outcome {
            Outcome::Complete if counts.desired == 0 => trio(
                (True, False, False),
                Reason::NoMatchingNodes,
                &("no node matches the nodeSelector".to_owned() + &warnings(plan)),
            ),
            Outcome::Complete if !self.selection.elsewhere.is_empty() => {
                let text = format!(
                    "nodes read another file: {}{}",
                    some(&self.selection.elsewhere),
                    warnings(plan)
                );
                trio((False, False, False), Reason::NodesDegraded, &text)
            }
            Outcome::Complete => trio(
                (True, False, False),
                Reason::RolledOut,
                &reach("rolled out"),
            ),
            Outcome::Rolling | Outcome::Held
                if self.was_good(plan) && self.failures().next().is_some() =>
            {
                trio(
                    (False, False, False),
                    Reason::NodesDegraded,
                    &reach("degraded"),
                )
            }
            Outcome::Rolling | Outcome::Held => trio(
                (False, True, False),
                Reason::RollingOut,
                &reach("rolling out"),
            ),
            Outcome::Overdue => {
                let reason = Reason::ProgressDeadlineExceeded;
                trio(
                    (False, False, True),
                    reason,
                    &reach("nothing moved for progressDeadlineSeconds"),
                )
            }
            Outcome::RolledBack { complete } => {
                let good = self.situation.last_good.as_deref().unwrap_or_default();
                let text = format!(
                    "revision {} did not reach every node before progressDeadlineSeconds passed; the last good revision \
                     {good} is put back; mend the configuration, or change the spec to try again",
                    plan.revision
                );
                let progressing = if complete { False } else { True };
                trio((False, progressing, True), Reason::RolledBack, &text)
            }
        }
    }

    fn was_good(&self, plan: &Plan) -> bool {
        self.situation.last_good.as_ref() == Some(&plan.revision)
    }
}

/// Ready, Progressing and Stalled with one reason; one that is False for the usual reason says nothing.
fn trio(
    (ready, progressing, stalled): (ConditionStatus, ConditionStatus, ConditionStatus),
    reason: Reason,
    message: &str,
) -> Vec<Verdict> {
    let stalled = match stalled {
        ConditionStatus::False => verdict(
            ConditionType::Stalled,
            stalled,
            Reason::AsExpected,
            "nothing stands in the way",
        ),
        _ => verdict(ConditionType::Stalled, stalled, reason, message),
    };
    vec![
        verdict(ConditionType::Ready, ready, reason, message),
        verdict(ConditionType::Progressing, progressing, reason, message),
        stalled,
    ]
}

fn verdict(
    type_: ConditionType,
    status: ConditionStatus,
    reason: Reason,
    message: &str,
) -> Verdict {
    Verdict {
        type_,
        status,
        reason,
        message: message.chars().take(MESSAGE_CHARS).collect(),
    }
}

fn progress(what: &str, revision: &str, counts: NodeCounts) -> String {
    format!(
        "{what}: {} of {} nodes have revision {revision}",
        counts.ready, counts.desired
    )
}

fn list(problems: &[Problem]) -> String {
    let named = problems
        .iter()
        .take(NAMED_PROBLEMS)
        .map(ToString::to_string);
    let mut text = named.collect::<Vec<_>>().join("\n");
    if let Some(more @ 1..) = problems.len().checked_sub(NAMED_PROBLEMS) {
        let _ = write!(text, "\nand {more} more problems");
    }
    text
}

fn warnings(plan: &Plan) -> String {
    let all = &plan.warnings;
    let mut text = String::new();
    for warning in all.iter().take(NAMED_PROBLEMS) {
        let _ = write!(text, "\nwarning: {warning}");
    }
    if let Some(more @ 1..) = all.len().checked_sub(NAMED_PROBLEMS) {
        let _ = write!(text, "\nand {more} more warnings");
    }
    text
}

/// New conditions in the order of the types; `lastTransitionTime` moves only with `status`.
fn merge(
    old: &[Condition],
    new: &[Verdict],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut verdicts: Vec<&Verdict> = new.iter().collect();
    verdicts.sort_by_key(|verdict| verdict.type_);
    verdicts
        .into_iter()
        .map(|verdict| {
            let same = old.iter().find(|condition| {
                condition.type_ == verdict.type_.as_str()
                    && condition.status == verdict.status.as_str()
            });
            Condition {
                type_: verdict.type_.to_string(),
                status: verdict.status.to_string(),
                reason: verdict.reason.to_string(),
                message: verdict.message.clone(),
                observed_generation: generation,
                last_transition_time: same.map_or(Time(now), |condition| {
                    condition.last_transition_time.clone()
                }),
            }
        })
        .collect()
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
