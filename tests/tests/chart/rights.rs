//! The operator's rights: this list and nothing else.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::helm::template;

/// Group, resource and verbs, each as one text.
fn rules(role: &Value) -> BTreeSet<String> {
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.map(|text| text.as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let mut found = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let verbs = texts(&rule["verbs"]).join(" ");
                found.insert(format!("{group}/{resource}: {verbs}"));
            }
        }
    }
    found
}

#[test]
fn the_operator_may_do_this_and_nothing_else() -> Result<()> {
    let rendered = template(&[])?;
    let expected: [(&str, &str, Option<&str>, &[&str]); 3] = [
        (
            "Role",
            "berth",
            Some("berth-system"),
            &[
                "/secrets: get list watch create patch delete",
                "/configmaps: get list watch",
                "/pods: get list watch",
                "apps/daemonsets: get list watch create patch delete",
                "coordination.k8s.io/leases: get create update",
                "/events: create patch",
            ],
        ),
        (
            "Role",
            "berth-berth-system-events",
            Some("default"),
            &["/events: create patch"],
        ),
        (
            "ClusterRole",
            "berth-berth-system",
            None,
            &[
                "berth.dev/registryconfigs: get list watch create update patch delete",
                "berth.dev/registryconfigs/status: get update patch",
                "berth.dev/registryconfigs/finalizers: update",
                "/nodes: get list watch",
            ],
        ),
    ];
    for (kind, name, namespace, list) in expected {
        let role = rendered.named(kind, name)?;
        ensure!(
            role["metadata"]["namespace"].as_str() == namespace,
            "{name}: {namespace:?}"
        );
        let list: BTreeSet<String> = list.iter().map(|rule| (*rule).to_owned()).collect();
        ensure!(rules(role) == list, "{kind} {name}: {:#?}", rules(role));
        let bindings = rendered.all(&format!("{kind}Binding"));
        let of_role = |binding: &&&Value| binding["roleRef"]["name"] == name;
        let found: Vec<_> = bindings.iter().filter(of_role).collect();
        ensure!(found.len() == 1, "{} bindings of {name}", found.len());
        let subjects = &found[0]["subjects"];
        let only = serde_json::json!([{"kind": "ServiceAccount", "name": "berth", "namespace": "berth-system"}]);
        ensure!(*subjects == only, "{subjects}");
    }
    ensure!(rendered.all("Role").len() == 2 && rendered.all("ClusterRole").len() == 1);
    Ok(())
}

#[test]
fn nobody_becomes_able_to_write_registry_configs_by_the_chart() -> Result<()> {
    for role in template(&[])?.all("ClusterRole") {
        let text = role.to_string();
        ensure!(!text.contains("aggregate-to"), "{text}");
    }
    Ok(())
}
