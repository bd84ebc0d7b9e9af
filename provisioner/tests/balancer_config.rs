//! The load balancer's file: its text, how it is read, and that an edit changes nothing but what it names.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use proptest::prelude::*;
use provisioner::balancer::config::{API, Config, Port, Protocol};

const DEMO: &str = "\
ports:
  6443.tcp:
  - k3d-demo-server-0
  80.tcp:
  - k3d-demo-server-0
  - k3d-demo-agent-0
settings:
  workerConnections: 1024
  defaultProxyTimeout: 900
";

fn tcp(number: u16) -> Port {
    Port {
        number,
        protocol: Protocol::Tcp,
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_new_file_has_the_text_that_other_tools_write() {
    let mut config = Config::of([
        (
            tcp(80),
            names(&["k3d-demo-server-0", "k3d-demo-agent-0", "k3d-demo-server-0"]),
        ),
        (API, names(&["k3d-demo-server-0"])),
    ]);
    assert_eq!(
        config.to_yaml(),
        DEMO.replace("  defaultProxyTimeout: 900\n", "")
    );
    config
        .apply_override("settings.defaultProxyTimeout=900")
        .unwrap();
    assert_eq!(config.to_yaml(), DEMO);
}

#[test]
fn what_people_and_other_tools_write_is_understood() {
    let config = Config::parse(
        "ports:\n  53.UDP: dns\n  80:\n    - web\n    - 1234\n    - web\n  443.tcp:\nsettings:\n  workerConnections: \"2048\"\n  \
         defaultProxyTimeout: null\n  colour: blue\nmore: [1]\n",
    )
    .unwrap();
    let udp: Port = "53.udp".parse().unwrap();
    assert_eq!(udp.protocol, Protocol::Udp);
    assert_eq!(config.ports[&udp], ["dns"]);
    assert_eq!(config.ports[&tcp(80)], ["web", "1234"]);
    assert!(config.ports[&tcp(443)].is_empty());
    assert_eq!(config.settings.worker_connections, 2048);
    assert_eq!(config.settings.proxy_timeout(), Duration::from_secs(600));
    let text = config.to_yaml();
    assert!(text.contains("colour: blue"), "{text}");
    assert!(text.contains("more:\n- 1"), "{text}");
    assert!(
        text.contains("'1234'"),
        "a name that looks like a number stays a name: {text}"
    );
}

#[test]
fn a_file_without_parts_has_their_defaults() {
    for text in ["", "ports:\n", "{}", "settings: {}\nports: {}\n"] {
        assert_eq!(Config::parse(text).unwrap(), Config::of([]), "{text:?}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    for (text, place) in [
        ("ports: [80]", "ports"),
        ("- 1", "the document"),
        ("ports: {80.tcp: {a: b}}", "ports.80.tcp"),
        ("ports: {80.tcp: [[a]]}", "ports.80.tcp"),
        ("ports: {80.sctp: [a]}", "80.sctp"),
        ("ports: {70000.tcp: [a]}", "70000.tcp"),
        ("ports: {0.tcp: [a]}", "0.tcp"),
        (
            "settings: {workerConnections: 0}",
            "settings.workerConnections",
        ),
        (
            "settings: {workerConnections: many}",
            "settings.workerConnections",
        ),
        (
            "settings: {defaultProxyTimeout: 10m}",
            "settings.defaultProxyTimeout",
        ),
        ("settings: 1", "settings"),
    ] {
        let error = Config::parse(text).unwrap_err().to_string();
        assert!(error.contains(place), "{text}: {error}");
    }
    assert!(Config::parse("ports: {").is_err());
}

#[test]
fn overrides_name_a_setting_and_a_number() {
    let mut config = Config::of([]);
    config
        .apply_override("settings.workerConnections = 7")
        .unwrap();
    assert_eq!(config.settings.worker_connections, 7);
    for wrong in [
        "settings.workerConnections",
        "workerConnections=7",
        "settings.other=7",
    ] {
        let error = config.apply_override(wrong).unwrap_err().to_string();
        assert!(error.contains(wrong), "{error}");
    }
    assert!(
        config
            .apply_override("settings.workerConnections=x")
            .is_err()
    );
}

#[test]
fn a_new_server_joins_the_ports_of_all_servers_and_no_others() {
    let servers = names(&["server-0", "server-1"]);
    let mut config = Config::of([
        (API, servers.clone()),
        (tcp(80), names(&["server-0", "server-1", "agent-0"])),
        (tcp(81), names(&["server-1"])),
        (tcp(82), names(&["agent-0"])),
    ]);
    config.add_server("server-2", &servers);
    assert_eq!(config.ports[&API], ["server-0", "server-1", "server-2"]);
    assert_eq!(
        config.ports[&tcp(80)],
        ["server-0", "server-1", "agent-0", "server-2"]
    );
    assert_eq!(config.ports[&tcp(81)], ["server-1"]);
    assert_eq!(config.ports[&tcp(82)], ["agent-0"]);
}

#[test]
fn a_new_agent_joins_the_ports_of_all_agents() {
    let mut config = Config::of([
        (API, names(&["server-0"])),
        (tcp(80), names(&["server-0", "agent-0"])),
    ]);
    config.add_agent("agent-1", &names(&["agent-0"]));
    assert_eq!(config.ports[&API], ["server-0"]);
    assert_eq!(config.ports[&tcp(80)], ["server-0", "agent-0", "agent-1"]);
    let before = config.clone();
    config.add_agent("agent-2", &[]);
    assert_eq!(config, before, "nothing goes to all of no agents");
}

#[test]
fn a_port_goes_with_its_last_node() {
    let mut config = Config::of([(tcp(80), names(&["server-0", "agent-0"]))]);
    config.remove_port(tcp(80), &names(&["server-0"]));
    assert_eq!(config.ports[&tcp(80)], ["agent-0"]);
    config.remove_port(tcp(80), &names(&["agent-0"]));
    config.remove_port(tcp(81), &names(&["agent-0"]));
    assert!(config.ports.is_empty());
}

prop_compose! {
    fn config()(
        ports in prop::collection::btree_map(
            (1..=u16::MAX, any::<bool>()),
            prop::collection::vec("[a-z0-9][a-zA-Z0-9_.-]{0,12}", 1..5),
            0..6,
        ),
        connections in 1..u32::MAX,
        timeout in prop::option::of(1..u32::MAX),
        extra in prop::option::of("[a-z]{3,9}"),
    ) -> Config {
        let ports = ports.into_iter().map(|((number, udp), nodes)| {
            let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
            (Port { number, protocol }, nodes)
        });
        let mut config = Config::of(ports);
        config.settings.worker_connections = connections;
        config.settings.proxy_timeout_seconds = timeout.map(u64::from);
        if let Some(extra) = extra {
            let text = format!("{}extra-key: {extra}\n", config.to_yaml());
            config = Config::parse(&text).unwrap();
        }
        config
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(config in config()) {
        let text = config.to_yaml();
        let read = Config::parse(&text).unwrap();
        prop_assert_eq!(&read, &config);
        prop_assert_eq!(read.to_yaml(), text);
    }

    #[test]
    fn no_text_makes_it_fall_over(text in "\\PC*|[a-z0-9.:{}\\[\\]\\-\n ]{0,80}") {
        if let Ok(config) = Config::parse(&text) {
            prop_assert_eq!(Config::parse(&config.to_yaml()).unwrap(), config);
        }
    }

    #[test]
    fn a_node_that_came_and_went_leaves_no_trace(config in config(), agent: bool, pick in any::<prop::sample::Index>()) {
        let mut nodes: Vec<String> = config.ports.values().flatten().cloned().collect();
        nodes.push("nobody".to_owned());
        let peers = [nodes[pick.index(nodes.len())].clone()];
        let mut changed = config.clone();
        if agent {
            changed.add_agent("THE-NEW-ONE", &peers);
        } else {
            changed.add_server("THE-NEW-ONE", &peers);
            prop_assert!(changed.ports[&API].contains(&"THE-NEW-ONE".to_owned()));
        }
        prop_assert_eq!(&changed.settings, &config.settings);
        changed.remove_node("THE-NEW-ONE");
        prop_assert_eq!(changed, config);
    }

    #[test]
    fn a_mapping_that_came_and_went_leaves_the_others_alone(config in config(), number in 1..=u16::MAX) {
        let port = tcp(number);
        let mut changed = config.clone();
        let new = names(&["THE-NEW-ONE"]);
        changed.add_port(port, new.clone());
        changed.add_port(port, new.clone());
        for (other, nodes) in &config.ports {
            prop_assert!(changed.ports[other].starts_with(nodes));
        }
        changed.remove_port(port, &new);
        prop_assert_eq!(changed, config);
    }
}
