//! Plans for what is there.

use std::collections::BTreeMap;

use provisioner::balancer::config::{API, Config};
use provisioner::cluster::*;
use provisioner::plan::{self, Addition, PortChange, Refusal};
use provisioner::step::{Effect, Step, listing, undo};

use super::golden::same;
use super::samples::{around, demo, made};

fn addition(role: Role) -> Addition {
    Addition {
        name: "extra".to_owned(),
        replicas: 2,
        role,
        image: None,
        memory: None,
        labels: BTreeMap::new(),
        ulimits: Vec::new(),
        node_labels: vec!["tier=edge".to_owned()],
        networks: vec!["other".to_owned()],
        token: None,
        args: vec!["--flag".to_owned()],
        wait: Wait::Nodes,
    }
}

fn forwarded(servers: usize) -> Config {
    let names = (0..servers).map(provisioner_server).collect();
    let agent = vec!["k3d-demo-agent-7".to_owned()];
    let mut config = Config::of([(API, names), ("80.tcp".parse().unwrap(), agent)]);
    config.settings.proxy_timeout_seconds = Some(900);
    config
}

fn provisioner_server(index: usize) -> String {
    provisioner::names::server("demo", index)
}

fn created(steps: &[Step]) -> Vec<&provisioner::container::ContainerSpec> {
    let mut found = Vec::new();
    for step in steps {
        match step {
            Step::Together(inner) => found.extend(created(inner)),
            Step::CreateContainer(spec) => found.push(&**spec),
            _ => {}
        }
    }
    found
}

#[test]
fn start_touches_only_what_does_not_run() {
    assert!(plan::start(&made(&demo(3, 2), true), Wait::Nodes).is_empty());
    same(
        "plans/start-3-2.txt",
        &listing(&plan::start(&made(&demo(3, 2), false), Wait::Nodes)),
    );
}

#[test]
fn stop_and_delete_name_everything() {
    let cluster = made(&demo(1, 2), true);
    same("plans/stop-1-2.txt", &listing(&plan::stop(&cluster)));
    same(
        "plans/delete-1-2.txt",
        &listing(&plan::delete(&cluster, &around(), true)),
    );
}

#[test]
fn new_agents_are_like_the_old_ones() {
    let mut spec = demo(1, 1);
    spec.nodes[2].memory = Some(1 << 30);
    let steps = plan::add_nodes(
        &made(&spec, true),
        &addition(Role::Agent),
        Some(&forwarded(1)),
        &around(),
    )
    .unwrap();
    same("plans/add-agents.txt", &listing(&steps));
    let made = created(&steps);
    assert_eq!(made[0].name, "k3d-extra-0");
    assert_eq!(made[0].memory, Some(1 << 30), "to the byte");
    assert_eq!(
        made[0].command,
        ["agent", "--node-label", "tier=edge", "--flag"]
    );
    assert!(
        made[0]
            .env
            .contains(&"K3S_URL=https://k3d-demo-server-0:6443".to_owned())
    );
    assert_eq!(made[0].networks.len(), 2);
}

#[test]
fn a_new_server_neither_initializes_nor_takes_an_address_and_is_forwarded_to() {
    let mut spec = demo(3, 0);
    spec.network.subnet = Subnet::Range("172.20.0.0/16".to_owned());
    let steps = plan::add_nodes(
        &made(&spec, true),
        &Addition {
            replicas: 1,
            ..addition(Role::Server)
        },
        Some(&forwarded(3)),
        &around(),
    )
    .unwrap();
    let server = created(&steps)[0];
    assert_eq!(server.labels["k3d.server.init"], "false");
    assert!(!server.labels.contains_key("k3d.node.staticIP"));
    assert!(!server.command.contains(&"--cluster-init".to_owned()));
    assert!(
        server
            .env
            .contains(&"K3S_URL=https://k3d-demo-serverlb:6443".to_owned())
    );
    let Some(Step::WriteBalancer { config, .. }) = steps.last() else {
        panic!("{steps:?}")
    };
    assert!(config.ports[&API].contains(&"k3d-extra-0".to_owned()));
    assert_eq!(
        config.ports[&"80.tcp".parse().unwrap()],
        ["k3d-demo-agent-7"],
        "as the user set it"
    );
    assert_eq!(config.settings.proxy_timeout_seconds, Some(900));
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_made() {
    let cluster = made(&demo(1, 0), true);
    let refused = plan::add_nodes(&cluster, &addition(Role::Server), None, &around());
    assert!(matches!(refused, Err(Refusal::SingleServer { .. })));
    let taken = Addition {
        name: "demo-server".to_owned(),
        ..addition(Role::Agent)
    };
    let refused = plan::add_nodes(&cluster, &taken, None, &around());
    assert!(matches!(refused, Err(Refusal::NameTaken { name }) if name == "k3d-demo-server-0"));
}

fn change(port: u16, host: &str, removes: bool) -> PortChange {
    PortChange {
        port: ContainerPort::tcp(port),
        binding: HostBinding {
            ip: String::new(),
            port: host.to_owned(),
        },
        targets: vec!["k3d-demo-server-0".to_owned()],
        removes,
    }
}

#[test]
fn ports_are_changed_by_a_load_balancer_that_takes_the_place_of_the_old_one() {
    let cluster = made(&demo(1, 0), true);
    let steps = plan::change_ports(
        &cluster,
        &[change(80, "8080", false)],
        &forwarded(1),
        "abcde",
    )
    .unwrap();
    same("plans/add-port.txt", &listing(&steps));
    assert!(
        created(&steps)[0]
            .ports
            .contains_key(&ContainerPort::tcp(80))
    );
}

#[test]
fn a_port_that_is_there_changes_nothing_and_one_that_is_not_cannot_be_removed() {
    let cluster = made(&demo(1, 0), true);
    let forwarded = Config::of([(API, vec![provisioner_server(0)])]);
    let same_port = [change(6443, "40123", false)];
    assert!(
        plan::change_ports(&cluster, &same_port, &forwarded, "x")
            .unwrap()
            .is_empty()
    );
    let refused = plan::change_ports(&cluster, &[change(99, "99", true)], &forwarded, "x");
    assert!(matches!(refused, Err(Refusal::NoSuchPort { .. })));
}

#[test]
fn everything_that_creation_makes_is_taken_back() {
    fn leaves(steps: &[Step]) -> Vec<&Step> {
        fn leaf(step: &Step) -> Vec<&Step> {
            match step {
                Step::Together(inner) => leaves(inner),
                step => vec![step],
            }
        }
        steps.iter().flat_map(leaf).collect()
    }
    let steps = plan::create(&demo(3, 2), &plan::ClusterRegistries::default(), &around());
    let undone: Vec<String> = leaves(&steps)
        .into_iter()
        .rev()
        .filter_map(|step| undo(step, Effect::Made))
        .map(|step| step.describe() + "\n")
        .collect();
    same("plans/undo-3-2.txt", &undone.concat());
}
