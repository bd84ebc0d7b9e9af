//! What it takes to bring a cluster that runs to what a file says.

use std::collections::BTreeMap;

use provisioner::balancer::config::{API, Config};
use provisioner::cluster::*;
use provisioner::plan::{self, Application, ClusterRegistries, Found, Refusal};
use provisioner::step::listing;

use super::golden::same;
use super::samples::{around, demo, made};

fn found(spec: &ClusterSpec) -> Found {
    let servers = spec.nodes.iter().filter(|node| node.role == Role::Server);
    let mut ports = vec![(
        API,
        servers.map(|node| node.name.clone()).collect::<Vec<_>>(),
    )];
    let balancer = spec.balancer.as_ref().unwrap();
    for (key, nodes) in &balancer.ports {
        ports.push((key.parse().unwrap(), nodes.clone()));
    }
    Found {
        forwarded: Some(Config::of(ports)),
        labels: spec
            .nodes
            .iter()
            .map(|node| (node.name.clone(), BTreeMap::new()))
            .collect(),
        files: BTreeMap::new(),
    }
}

fn apply(wanted: &ClusterSpec, there: &ClusterSpec) -> Result<Application, Refusal> {
    plan::apply(
        wanted,
        &made(there, true),
        &found(there),
        &ClusterRegistries::default(),
        &around(),
        "abcde",
    )
}

fn with_port(mut spec: ClusterSpec, port: u16, host: &str, targets: &[&str]) -> ClusterSpec {
    let key = ContainerPort::tcp(port);
    let binding = HostBinding {
        ip: String::new(),
        port: host.to_owned(),
    };
    spec.nodes[0].ports.insert(key, vec![binding]);
    let targets = targets.iter().map(|&name| name.to_owned()).collect();
    spec.balancer
        .as_mut()
        .unwrap()
        .ports
        .insert(key.balancer_key(), targets);
    spec
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    let spec = with_port(demo(3, 2), 80, "8080", &["k3d-demo-agent-0"]);
    let result = apply(&spec, &spec).unwrap();
    assert!(result.steps.is_empty(), "{}", listing(&result.steps));
    assert!(
        result.differences.is_empty() && result.impossible.is_empty(),
        "{result:?}"
    );
}

#[test]
fn agents_come_and_go_and_ports_follow() {
    let wanted = with_port(
        demo(1, 3),
        80,
        "8080",
        &["k3d-demo-agent-0", "k3d-demo-agent-2"],
    );
    let result = apply(&wanted, &demo(1, 1)).unwrap();
    assert_eq!(
        result.differences,
        [
            "+ agent k3d-demo-agent-1",
            "+ agent k3d-demo-agent-2",
            "+ port 8080:80/tcp to k3d-demo-agent-0, k3d-demo-agent-2"
        ]
    );
    same("plans/apply-more.txt", &listing(&result.steps));
    let result = apply(&demo(1, 1), &wanted).unwrap();
    assert_eq!(
        result.differences,
        [
            "- port 8080:80/tcp",
            "- agent k3d-demo-agent-1",
            "- agent k3d-demo-agent-2"
        ]
    );
    same("plans/apply-less.txt", &listing(&result.steps));
}

#[test]
fn labels_of_nodes_are_set_and_other_nodes_are_left_alone() {
    let mut wanted = demo(1, 1);
    wanted.nodes[2].node_labels = vec!["tier=edge".to_owned()];
    let mut there = demo(1, 1);
    there
        .nodes
        .push(NodeSpec::new("k3d-extra-0", Role::Agent, "image"));
    let result = apply(&wanted, &there).unwrap();
    assert_eq!(
        result.differences,
        ["~ labels of node k3d-demo-agent-0: tier=edge"]
    );
    assert_eq!(result.steps.len(), 2, "{}", listing(&result.steps));
}

#[test]
fn what_a_container_cannot_change_is_named() {
    let mut wanted = demo(1, 1);
    wanted.nodes[1].image = "other".to_owned();
    wanted.nodes[1].env = vec!["A=b".to_owned()];
    wanted.nodes[2].memory = Some(1 << 30);
    let result = apply(&wanted, &demo(1, 1)).unwrap();
    assert!(result.steps.is_empty());
    let what: Vec<_> = result
        .impossible
        .iter()
        .map(|text| text.split(" differs").next().unwrap())
        .collect();
    assert_eq!(
        what,
        [
            "image of k3d-demo-server-0",
            "environment of k3d-demo-server-0",
            "memory limit of k3d-demo-agent-0"
        ]
    );
}

#[test]
fn a_single_server_cannot_become_several() {
    let refused = apply(&demo(3, 0), &demo(1, 0));
    assert!(matches!(refused, Err(Refusal::SingleServer { .. })));
}

#[test]
fn nodes_that_do_not_run_are_started() {
    let spec = demo(1, 1);
    let registries = ClusterRegistries::default();
    let there = made(&spec, false);
    let result = plan::apply(
        &spec,
        &there,
        &found(&spec),
        &registries,
        &around(),
        "abcde",
    )
    .unwrap();
    assert_eq!(result.differences.len(), 3, "{:?}", result.differences);
    same("plans/apply-stopped.txt", &listing(&result.steps));
}

#[test]
fn registries_change_without_a_restart_unless_credentials_do() {
    let spec = demo(1, 1);
    let file = |text: &str| NodeFile {
        path: provisioner::names::REGISTRIES_PATH.to_owned(),
        mode: 0o644,
        content: text.as_bytes().to_vec(),
    };
    let mirror = "mirrors:\n  docker.io:\n    endpoint:\n    - http://reg:5000\n";
    let login = "configs:\n  reg:5000:\n    auth:\n      username: u\n      password: hunter2\n";
    let there = BTreeMap::from([(file("").path, mirror.as_bytes().to_vec())]);
    let nodes = ["k3d-demo-server-0", "k3d-demo-agent-0"];
    let found = Found {
        files: nodes.map(|name| (name.to_owned(), there.clone())).into(),
        ..found(&spec)
    };
    let apply = |text: &str| {
        let registries = ClusterRegistries {
            files: vec![file(text)],
            ..Default::default()
        };
        let cluster = made(&spec, true);
        plan::apply(&spec, &cluster, &found, &registries, &around(), "abcde").unwrap()
    };
    assert!(apply(mirror).steps.is_empty());

    let hot = apply(&mirror.replace("reg:5000", "other:5000"));
    assert!(
        hot.differences[0].contains("without a restart"),
        "{:?}",
        hot.differences
    );
    same("plans/apply-mirror.txt", &listing(&hot.steps));

    let restarts = apply(&format!("{mirror}{login}"));
    assert!(
        restarts.differences[0].contains("restarts: "),
        "{:?}",
        restarts.differences
    );
    assert!(!format!("{restarts:?}").contains("hunter2"), "{restarts:?}");
    same("plans/apply-login.txt", &listing(&restarts.steps));
}
