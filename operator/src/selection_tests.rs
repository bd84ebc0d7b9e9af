use super::*;
use crate::fixtures::{config_facts, node};

fn zone(name: &str, zone: &str) -> NodeFacts {
    let mut node = node(name, Role::Workers);
    node.labels.insert("zone".to_owned(), zone.to_owned());
    node
}

fn selecting(name: &str, created: i64, label: &str) -> ConfigFacts {
    let selector = serde_json::from_value(serde_json::json!({"matchLabels": {"zone": label}}));
    let selector: k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector = selector.unwrap();
    ConfigFacts {
        selector: selector.try_into().ok(),
        ..config_facts(name, created)
    }
}

#[test]
fn the_older_one_wins_a_node_and_the_first_by_name_among_equals() {
    let nodes = [zone("a", "x"), zone("b", "y")];
    let all = [
        config_facts("every", 5),
        selecting("x", 9, "x"),
        config_facts("twin", 5),
    ];
    let select = |own: &ConfigFacts| Selection::of(own, &nodes, &all.iter());
    assert_eq!(select(&all[0]).taken, 0);
    let younger = select(&all[1]);
    assert_eq!(
        (younger.taken, younger.taken_by.as_deref()),
        (1, Some("every"))
    );
    assert_eq!(select(&all[2]).taken, 2);
}

#[test]
fn disjoint_selectors_do_not_meet() {
    let nodes = [zone("a", "x"), zone("b", "y")];
    let all = [selecting("x", 1, "x"), selecting("y", 2, "y")];
    for own in &all {
        let selection = Selection::of(own, &nodes, &all.iter());
        assert_eq!((selection.taken, selection.nodes.len()), (0, 1));
    }
}

#[test]
fn a_node_that_reads_another_file_is_named_and_not_served() {
    let mut moved = node("moved", Role::Workers);
    moved.reads_elsewhere = true;
    let own = config_facts("one", 1);
    let selection = Selection::of(
        &own,
        &[moved, node("a", Role::ControlPlane)],
        &std::iter::once(&own),
    );
    assert_eq!(selection.elsewhere, ["moved"]);
    assert_eq!(selection.role(Role::ControlPlane).count(), 1);
}

#[test]
fn the_distribution_is_that_of_all_selected_nodes() {
    let of = |distributions: &[Option<Distribution>]| {
        let nodes: Vec<_> = distributions
            .iter()
            .enumerate()
            .map(|(index, distribution)| NodeFacts {
                distribution: *distribution,
                ..node(&format!("n{index}"), Role::Workers)
            })
            .collect();
        let own = config_facts("one", 1);
        Selection::of(&own, &nodes, &std::iter::once(&own))
    };
    let (k3s, rke2) = (Some(Distribution::K3s), Some(Distribution::Rke2));
    let auto = DistributionSetting::Auto;
    assert_eq!(of(&[k3s, k3s]).distribution(auto), Ok(Distribution::K3s));
    assert_eq!(of(&[rke2]).distribution(auto), Ok(Distribution::Rke2));
    assert_eq!(of(&[]).distribution(auto), Ok(Distribution::K3s));
    assert_eq!(
        of(&[k3s, rke2]).distribution(auto),
        Err(Unclear::Mixed {
            k3s: vec!["n0".to_owned()],
            rke2: vec!["n1".to_owned()],
        })
    );
    assert_eq!(
        of(&[k3s, None]).distribution(auto),
        Err(Unclear::Unknown(vec!["n1".to_owned()]))
    );
    assert_eq!(
        of(&[k3s, None]).distribution(DistributionSetting::Rke2),
        Ok(Distribution::Rke2)
    );
}
