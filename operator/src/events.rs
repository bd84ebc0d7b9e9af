//! Events: one for each transition, told where `kubectl describe` looks. Pure.

use api::{ConditionType, Reason, RegistryConfig, RegistryConfigStatus, names};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use kube::{Resource, ResourceExt};

/// `RegistryConfigs` have no namespace; `kubectl describe` then looks here.
const NAMESPACE: &str = "default";
/// Longest message that the server takes.
const MESSAGE_BYTES: usize = 1024;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) warning: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// What changed between two statuses.
pub(crate) fn transitions(
    old: Option<&RegistryConfigStatus>,
    new: &RegistryConfigStatus,
) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for type_ in [ConditionType::Ready, ConditionType::Degraded] {
        let Some(condition) = find(Some(new), type_) else {
            continue;
        };
        let before = find(old, type_);
        let moved = before.is_none_or(|before| {
            before.status != condition.status || before.reason != condition.reason
        });
        // A new revision starts a rollout of its own, even if the last one has not ended.
        let anew = condition.reason == Reason::RollingOut.as_str()
            && old.and_then(|old| old.revision.as_ref()) != new.revision.as_ref();
        let quiet = type_ == ConditionType::Degraded && condition.status != "True";
        let told = notes.iter().any(|note| note.reason == condition.reason);
        if (moved || anew) && !quiet && !told {
            notes.push(Note {
                warning: !is_good_news(&condition.reason),
                reason: condition.reason.clone(),
                message: condition.message.clone(),
            });
        }
    }
    notes
}

fn find(status: Option<&RegistryConfigStatus>, type_: ConditionType) -> Option<&Condition> {
    status?
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_.as_str())
}

fn is_good_news(reason: &str) -> bool {
    [
        Reason::RolledOut,
        Reason::NoMatchingNodes,
        Reason::RollingOut,
        Reason::RestoringNodes,
        Reason::Paused,
        Reason::AsExpected,
    ]
    .iter()
    .any(|good| good.as_str() == reason)
}

/// The Event for a note. Without `eventTime`: a cluster-scoped object could not have it in this namespace.
pub(crate) fn event(config: &RegistryConfig, note: &Note, identity: &str, now: Timestamp) -> Event {
    let mut end = note.message.len().min(MESSAGE_BYTES);
    while !note.message.is_char_boundary(end) {
        end -= 1;
    }
    Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}.", config.name_any())),
            namespace: Some(NAMESPACE.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(RegistryConfig::api_version(&()).into_owned()),
            kind: Some(RegistryConfig::kind(&()).into_owned()),
            name: config.metadata.name.clone(),
            uid: config.uid(),
            ..ObjectReference::default()
        },
        type_: Some(if note.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(note.reason.clone()),
        message: Some(note.message[..end].to_owned()),
        count: Some(1),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        source: Some(EventSource {
            component: Some(names::OPERATOR.to_owned()),
            host: Some(identity.to_owned()),
        }),
        ..Event::default()
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
