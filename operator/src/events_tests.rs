use serde_json::json;

use super::*;
use crate::fixtures::{config, time};

fn status(revision: &str, ready: (&str, &str), degraded: &str) -> RegistryConfigStatus {
    let condition = |type_: &str, status: &str, reason: &str| {
        json!({
            "type": type_, "status": status, "reason": reason, "message": format!("{reason} it is"),
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    serde_json::from_value(json!({"revision": revision, "conditions": [
        condition("Ready", ready.0, ready.1),
        condition("Degraded", degraded, "NodesDegraded"),
    ]}))
    .unwrap()
}

fn reasons(old: Option<&RegistryConfigStatus>, new: &RegistryConfigStatus) -> Vec<String> {
    transitions(old, new)
        .into_iter()
        .map(|note| note.reason)
        .collect()
}

#[test]
fn a_transition_is_told_once() {
    let rolling = status("r1", ("False", "RollingOut"), "False");
    let degraded = status("r1", ("False", "RollingOut"), "True");
    let done = status("r1", ("True", "RolledOut"), "False");
    assert_eq!(reasons(None, &rolling), ["RollingOut"]);
    assert!(reasons(Some(&rolling), &rolling).is_empty());
    assert_eq!(reasons(Some(&rolling), &degraded), ["NodesDegraded"]);
    assert!(reasons(Some(&degraded), &rolling).is_empty());
    assert_eq!(reasons(Some(&rolling), &done), ["RolledOut"]);
    let both = status("r1", ("False", "NodesDegraded"), "True");
    assert_eq!(reasons(Some(&done), &both), ["NodesDegraded"]);
}

#[test]
fn a_new_revision_during_a_rollout_is_told_as_well() {
    let first = status("r1", ("False", "RollingOut"), "False");
    let second = status("r2", ("False", "RollingOut"), "False");
    assert_eq!(reasons(Some(&first), &second), ["RollingOut"]);
}

#[test]
fn an_event_stands_where_describe_looks_and_fits() {
    let note = Note {
        warning: true,
        reason: "InvalidSpec".to_owned(),
        message: "ü".repeat(2000),
    };
    let event = event(&config("default"), &note, "pod-1", time(0));
    assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
    assert_eq!(event.event_time, None);
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    assert_eq!(event.involved_object.uid.as_deref(), Some("5f0c"));
    assert_eq!(event.involved_object.namespace, None);
    assert!(event.message.unwrap().len() <= MESSAGE_BYTES);
}
