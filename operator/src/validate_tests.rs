use super::*;
use crate::fixtures::{config, config_facts, key, node};
use crate::selection::Selection;
use crate::settings::DistributionSetting;
use api::names::Role;

fn check(config: &RegistryConfig) -> Result<Plan, Vec<Problem>> {
    let own = config_facts("default", 1);
    let selection = Selection::of(&own, &[node("a", Role::Workers)], &std::iter::once(&own));
    validate(
        config,
        &Inputs::default(),
        selection.distribution(DistributionSetting::Auto),
        &key(),
    )
}

#[test]
fn a_plan_names_folder_and_revision_and_hides_its_files() {
    let plan = check(&config("default")).unwrap();
    assert_eq!(plan.folder, "/etc/rancher/k3s");
    assert_eq!(plan.revision.len(), 10);
    assert!(!format!("{plan:?}").contains("mirrors"));
}

#[test]
fn every_problem_is_reported_at_once() {
    let mut config = config(&"n".repeat(46));
    config.spec.node_selector = serde_json::from_value(
        serde_json::json!({"matchExpressions": [{"key": "a", "operator": "In"}]}),
    )
    .unwrap();
    config.spec.registries_from = serde_json::from_value(
        serde_json::json!([{"secretRef": {"name": "missing", "key": "registries.yaml"}}]),
    )
    .unwrap();
    let problems = check(&config).unwrap_err();
    let paths: Vec<_> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    assert_eq!(
        paths[..2],
        ["metadata.name", "spec.nodeSelector.matchExpressions[0]"]
    );
    assert!(paths[2].starts_with("spec.registriesFrom[0]"), "{paths:?}");
}

#[test]
fn a_list_of_names_ends_after_five() {
    let names = |count: usize| {
        (0..count)
            .map(|index| format!("n{index}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(some(&names(2)), "n0, n1");
    assert_eq!(some(&names(5)), "n0, n1, n2, n3, n4");
    assert_eq!(some(&names(7)), "n0, n1, n2, n3, n4 and 2 more");
}

#[test]
fn nodes_of_both_distributions_are_named() {
    let mixed = Unclear::Mixed {
        k3s: vec!["a".to_owned(), "b".to_owned()],
        rke2: vec!["c".to_owned()],
    };
    let message = explain(&mixed).message;
    assert_eq!(message, "selects nodes of k3s (a, b) and of RKE2 (c)");
}
