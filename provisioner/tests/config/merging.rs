//! Flags over files.

use provisioner::cluster::Wait;
use provisioner::config::{self, CreateFlags};

use crate::support::{HEADER, environment, load, merged, texts};

#[test]
fn lists_of_flags_go_behind_those_of_the_file_in_the_order_of_the_command_line() {
    let file = "env: [{envVar: F=0, nodeFilters: [all]}]\n";
    let flags = CreateFlags {
        env: texts(&["Z=1@server:0", "A=2@agent:*", "M=3", "Z=1@agent:0;server:0"]),
        ..CreateFlags::default()
    };
    let simple = merged(file, &flags).unwrap().simple;
    let entries: Vec<(&str, Vec<&str>)> = simple
        .env
        .iter()
        .map(|entry| {
            (
                entry.env_var.as_str(),
                entry.node_filters.iter().map(String::as_str).collect(),
            )
        })
        .collect();
    assert_eq!(
        entries,
        [
            ("F=0", vec!["all"]),
            ("Z=1", vec!["server:0", "agent:0"]),
            ("A=2", vec!["agent:*"]),
            ("M=3", vec![]),
        ]
    );
}

#[test]
fn every_list_is_appended_and_the_replacing_ones_replace() {
    let file = "\
volumes: [{volume: /a:/a}]
ports: [{port: '1:1'}]
hostAliases: [{ip: 10.0.0.1, hostnames: [a]}]
registries: {use: [a], config: a.yaml, create: {name: a, host: 127.0.0.1, image: own, hostPort: '1'}}
options:
  k3d: {loadbalancer: {configOverrides: [settings.workerConnections=1]}}
  k3s: {extraArgs: [{arg: --a}], nodeLabels: [{label: a=1}]}
  runtime: {labels: [{label: a=1}], ulimits: [{name: core, soft: 1, hard: 1}]}
";
    let flags = CreateFlags {
        volumes: texts(&["/b:/b"]),
        ports: texts(&["2:2"]),
        host_aliases: texts(&["10.0.0.2:b,c", "fd00::2:d", "[fd00::3]:e"]),
        k3s_args: texts(&["--b@server:0"]),
        k3s_node_labels: texts(&["b=2"]),
        runtime_labels: texts(&["b=2"]),
        runtime_ulimits: texts(&["nofile=1:2"]),
        registry_use: texts(&["b"]),
        registry_config: Some("b.yaml".to_owned()),
        lb_config_override: texts(&["settings.workerConnections=2,settings.defaultProxyTimeout=3"]),
        registry_create: Some("b".to_owned()),
        ..CreateFlags::default()
    };
    let simple = merged(file, &flags).unwrap().simple;
    assert_eq!(simple.volumes.len(), 2);
    assert_eq!(simple.ports.len(), 2);
    let aliases: Vec<(&str, usize)> = simple
        .host_aliases
        .iter()
        .map(|alias| (alias.ip.as_str(), alias.hostnames.len()))
        .collect();
    assert_eq!(
        aliases,
        [
            ("10.0.0.1", 1),
            ("10.0.0.2", 2),
            ("fd00::2", 1),
            ("fd00::3", 1)
        ]
    );
    assert_eq!(simple.options.k3s.extra_args[1].node_filters, ["server:0"]);
    assert_eq!(simple.options.k3s.node_labels.len(), 2);
    assert_eq!(simple.options.runtime.labels.len(), 2);
    assert_eq!(simple.options.runtime.ulimits[1].hard, 2);
    assert_eq!(simple.registries.using, ["b"]);
    assert_eq!(simple.registries.config.expose(), "b.yaml");
    assert_eq!(
        simple.options.k3d.loadbalancer.config_overrides,
        [
            "settings.workerConnections=2",
            "settings.defaultProxyTimeout=3"
        ]
    );
    let create = simple.registries.create;
    assert_eq!(
        (create.name.as_str(), create.host.as_str()),
        ("b", "127.0.0.1")
    );
    assert_eq!(
        (create.image.as_str(), create.host_port.as_str()),
        ("own", "1")
    );
}

#[test]
fn the_registry_flag_may_name_host_and_port() {
    for (text, name, host, port) in [
        ("r", "r", "", ""),
        ("r:5111", "r", "", "5111"),
        ("r:0.0.0.0:5111", "r", "0.0.0.0", "5111"),
        ("r:localhost", "r", "localhost", ""),
        ("r:random", "r", "", "random"),
    ] {
        let flags = CreateFlags {
            registry_create: Some(text.to_owned()),
            enforce_registry_port_match: true,
            ..CreateFlags::default()
        };
        let create = merged("", &flags).unwrap().simple.registries.create;
        let found = (
            create.name.as_str(),
            create.host.as_str(),
            create.host_port.as_str(),
        );
        assert_eq!(found, (name, host, port), "{text}");
        assert!(create.enforce_port_match);
    }
    for text in ["r:", "r:a:b", "r:99999"] {
        let flags = CreateFlags {
            registry_create: Some(text.to_owned()),
            ..CreateFlags::default()
        };
        assert!(merged("", &flags).is_err(), "{text}");
    }
    let alone = CreateFlags {
        enforce_registry_port_match: true,
        ..CreateFlags::default()
    };
    let merged = merged("registries: {create: {name: a}}\n", &alone).unwrap();
    assert!(!merged.simple.registries.create.enforce_port_match);
    assert!(merged.warnings[0].to_string().contains("--registry-create"));
}

#[test]
fn the_api_port_replaces_the_whole_exposure() {
    let flags = CreateFlags {
        api_port: Some("random".to_owned()),
        ..CreateFlags::default()
    };
    let api = merged(
        "kubeAPI: {host: a, hostIP: 127.0.0.1, hostPort: '1'}\n",
        &flags,
    )
    .unwrap()
    .simple
    .kube_api;
    assert_eq!(
        (
            api.host.as_str(),
            api.host_ip.as_str(),
            api.host_port.as_str()
        ),
        ("", "", "random")
    );
}

#[test]
fn a_port_given_twice_is_refused_and_all_problems_of_flags_come_together() {
    let flags = CreateFlags {
        ports: texts(&["80:80@server:0", "80:80@agent:0"]),
        api_port: Some("x".to_owned()),
        runtime_ulimits: texts(&["files=1:1"]),
        host_aliases: texts(&["nothing"]),
        wait: Some("maybe".to_owned()),
        ..CreateFlags::default()
    };
    let problems = merged("", &flags).unwrap_err();
    assert_eq!(problems.0.len(), 5, "{problems}");
    for flag in [
        "--port",
        "--api-port",
        "--runtime-ulimit",
        "--host-alias",
        "--wait",
    ] {
        assert!(problems.to_string().contains(flag), "{problems}");
    }
}

#[test]
fn waiting_has_three_values() {
    for (file, flag, expected) in [
        ("", None, Wait::Nodes),
        ("options: {k3d: {wait: false}}\n", None, Wait::No),
        ("options: {k3d: {wait: false}}\n", Some("true"), Wait::Nodes),
        ("", Some("false"), Wait::No),
        ("", Some("pods"), Wait::Pods),
    ] {
        let flags = CreateFlags {
            wait: flag.map(str::to_owned),
            ..CreateFlags::default()
        };
        assert_eq!(
            merged(file, &flags).unwrap().wait,
            expected,
            "{file}{flag:?}"
        );
    }
}

#[test]
fn variables_stand_in_for_flags_that_are_not_given() {
    let variables = [
        ("K3D_CLI_ENV", "A=1@all B=2@server:0"),
        ("K3D_CLI_VOLUMES", "/a:/a"),
        ("K3D_CLI_PORTS", "1:1 2:2"),
        ("K3D_CLI_K3SARGS", "--a@server:0"),
        ("K3D_HOSTALIASES", "10.0.0.1:a"),
        ("K3D_CLI_REGISTRIES_CREATE", "reg:5000"),
    ];
    let flags = CreateFlags {
        ports: texts(&["3:3"]),
        ..CreateFlags::default()
    };
    let loaded = load(HEADER, &variables).unwrap();
    let simple = config::merge(loaded, &flags, &environment(&variables))
        .unwrap()
        .simple;
    assert_eq!(simple.env[1].env_var, "B=2");
    assert_eq!(simple.volumes.len(), 1);
    assert_eq!(simple.ports.len(), 1);
    assert_eq!(simple.ports[0].port, "3:3");
    assert_eq!(simple.options.k3s.extra_args[0].arg, "--a");
    assert_eq!(simple.host_aliases[0].hostnames, ["a"]);
    assert_eq!(simple.registries.create.host_port, "5000");
}
