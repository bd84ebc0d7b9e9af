//! From a configuration to a cluster.

use proptest::prelude::*;
use provisioner::cluster::{ClusterSpec, NodeSpec, Role, Subnet};
use provisioner::config::CreateFlags;

use crate::golden;
use crate::support::{from_file, from_flags, load, texts, transform};

fn cluster(flags: &CreateFlags) -> ClusterSpec {
    from_flags(flags)
        .unwrap_or_else(|problems| panic!("{problems}"))
        .cluster
}

fn node<'a>(cluster: &'a ClusterSpec, name: &str) -> &'a NodeSpec {
    cluster
        .nodes
        .iter()
        .find(|node| node.name.ends_with(name))
        .unwrap()
}

/// `container port -> ip:port` of everything that a node publishes.
fn published(node: &NodeSpec) -> Vec<String> {
    let ports = node.ports.iter();
    ports
        .flat_map(|(port, bindings)| {
            bindings
                .iter()
                .map(move |binding| format!("{port} {}:{}", binding.ip, binding.port))
        })
        .collect()
}

#[test]
fn a_file_that_says_everything_becomes_a_whole_cluster() {
    let loaded = load(&golden::read("appendix-b.yaml"), &[]).unwrap();
    let environment = provisioner::config::Environment::default();
    let merged = provisioner::config::merge(loaded, &CreateFlags::default(), &environment).unwrap();
    let transformed = transform(&merged).unwrap_or_else(|problems| panic!("{problems}"));
    golden::same("appendix-b.txt", &format!("{:#?}\n", transformed.cluster));
    assert_eq!(transformed.warnings, []);
}

#[test]
fn nothing_said_is_one_server_behind_a_load_balancer() {
    let cluster = cluster(&CreateFlags::default());
    assert_eq!(cluster.name, "k3s-default");
    let names: Vec<&str> = cluster
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["k3d-k3s-default-serverlb", "k3d-k3s-default-server-0"]
    );
    assert_eq!(cluster.nodes[0].image, "balancer:1");
    assert_eq!(cluster.token.expose(), "MadeUpTokenMadeUpTok");
    assert_eq!(cluster.network.name, "k3d-k3s-default");
    assert_eq!(cluster.network.subnet, Subnet::Engine);
    assert_eq!(
        (cluster.api.host.as_str(), cluster.api.port),
        ("0.0.0.0", 40_000)
    );
    assert_eq!(
        cluster.balancer.unwrap().ports["6443.tcp"],
        ["k3d-k3s-default-server-0"]
    );
    assert!(
        cluster.image_volume
            && cluster.options.rollback
            && cluster.options.update_kubeconfig
            && cluster.options.switch_context
    );
}

#[test]
fn ports_go_where_their_filters_say() {
    let flags = CreateFlags {
        name: Some("c".to_owned()),
        agents: Some(1),
        ports: texts(&[
            "2222:3333@server:0",
            "8080:80@server:0:proxy",
            "1234:4321/tcp@agent:0:direct",
            "4444:5555@loadbalancer:0:proxy",
            "6666:7777",
            "[::1]:9000-9001:9000-9001/udp@agents:*",
        ]),
        ..CreateFlags::default()
    };
    let cluster = cluster(&flags);
    assert_eq!(
        published(node(&cluster, "serverlb")),
        [
            "80/tcp :8080",
            "3333/tcp :2222",
            "5555/tcp :4444",
            "7777/tcp :6666",
            "9000/udp ::1:9000",
            "9001/udp ::1:9001"
        ]
    );
    assert_eq!(published(node(&cluster, "agent-0")), ["4321/tcp :1234"]);
    assert!(node(&cluster, "server-0").ports.is_empty());
    let forwarded = cluster.balancer.unwrap().ports;
    assert_eq!(forwarded["80.tcp"], ["k3d-c-server-0"]);
    assert_eq!(forwarded["5555.tcp"], ["k3d-c-server-0", "k3d-c-agent-0"]);
    assert_eq!(forwarded["7777.tcp"], ["k3d-c-server-0", "k3d-c-agent-0"]);
    assert_eq!(forwarded["9001.udp"], ["k3d-c-agent-0"]);
}

#[test]
fn without_a_load_balancer_ports_go_to_the_only_node_or_must_say_where() {
    let no_lb = CreateFlags {
        no_lb: Some(true),
        ports: texts(&["8080:80"]),
        ..CreateFlags::default()
    };
    let cluster = cluster(&no_lb);
    assert!(cluster.balancer.is_none());
    assert_eq!(published(&cluster.nodes[0]), ["80/tcp :8080"]);
    for (ports, expected) in [
        ("8080:80", "@server:0:direct"),
        ("8080:80@server:0", "add :direct"),
        ("8080:80@loadbalancer", "there is no load balancer"),
        ("8080:80@agents:*;server:0:direct", "add :direct"),
        (
            "8080:80@servers:*;agents:*:direct",
            "there is no load balancer",
        ),
    ] {
        let flags = CreateFlags {
            no_lb: Some(true),
            agents: Some(1),
            ports: texts(&[ports]),
            ..CreateFlags::default()
        };
        let problems = from_flags(&flags).unwrap_err().to_string();
        assert!(problems.contains(expected), "{ports}: {problems}");
    }
    let two = CreateFlags {
        agents: Some(2),
        ports: texts(&["8080:80@agents:*:direct"]),
        ..CreateFlags::default()
    };
    assert!(
        from_flags(&two)
            .unwrap_err()
            .to_string()
            .contains("2 nodes cannot share")
    );
    let all = CreateFlags {
        ports: texts(&["8080:80@all"]),
        ..CreateFlags::default()
    };
    assert!(
        from_flags(&all)
            .unwrap_err()
            .to_string()
            .contains("servers:*")
    );
}

#[test]
fn settings_go_to_the_nodes_that_filters_choose() {
    let flags = CreateFlags {
        servers: Some(3),
        agents: Some(1),
        env: texts(&[
            "A=1@all",
            r"TEST_VAR=user\@pass\\@server:0",
            "B=a,b@agents:*",
        ]),
        k3s_args: texts(&[
            "--x@all",
            "--disable=traefik@server:*",
            "--y@agent:0",
            "--foo@",
        ]),
        k3s_node_labels: texts(&["tier=edge@agent:0", "solo@agent:0", "tier=core@agent:0"]),
        runtime_labels: texts(&["team=a@all", "team=b@server:1"]),
        volumes: texts(&["/data:/x@loadbalancer", "/data:/y:ro@server:1-"]),
        runtime_ulimits: texts(&["nofile=1:2"]),
        servers_memory: Some("1g".to_owned()),
        agents_memory: Some("1.5g".to_owned()),
        gpus: Some("all".to_owned()),
        host_pid_mode: Some(true),
        ..CreateFlags::default()
    };
    let cluster = cluster(&flags);
    let (balancer, first, second, agent) = (
        node(&cluster, "serverlb"),
        node(&cluster, "server-0"),
        node(&cluster, "server-1"),
        node(&cluster, "agent-0"),
    );
    assert_eq!(balancer.env, ["A=1"]);
    assert_eq!(first.env, ["A=1", r"TEST_VAR=user@pass\"]);
    assert_eq!(agent.env, ["A=1", "B=a,b"]);
    assert!(balancer.args.is_empty());
    assert_eq!(first.args, ["--x", "--disable=traefik", "--foo"]);
    assert_eq!(agent.args, ["--x", "--y", "--foo"]);
    assert_eq!(agent.node_labels, ["solo=", "tier=core"]);
    assert!(balancer.node_labels.is_empty());
    assert_eq!(
        (
            balancer.labels["team"].as_str(),
            second.labels["team"].as_str()
        ),
        ("a", "b")
    );
    assert_eq!(balancer.volumes, ["/data:/x"]);
    assert_eq!(second.volumes, ["/data:/y:ro"]);
    assert!(first.volumes.is_empty());
    assert!(cluster.nodes.iter().all(|node| node.ulimits.len() == 1));
    assert_eq!(
        (balancer.memory, first.memory, agent.memory),
        (None, Some(1_073_741_824), Some(1_610_612_736))
    );
    assert!(balancer.gpus.is_none() && first.gpus.is_some() && agent.gpus.is_some());
    assert!(!balancer.host_pid && agent.host_pid);
}

#[test]
fn settings_without_a_filter_need_a_cluster_of_one_node() {
    for flags in [
        CreateFlags {
            env: texts(&["A=1"]),
            ..CreateFlags::default()
        },
        CreateFlags {
            k3s_args: texts(&["--x"]),
            ..CreateFlags::default()
        },
        CreateFlags {
            k3s_node_labels: texts(&["a=1"]),
            ..CreateFlags::default()
        },
        CreateFlags {
            runtime_labels: texts(&["a=1"]),
            ..CreateFlags::default()
        },
    ] {
        assert!(
            from_flags(&flags)
                .unwrap_err()
                .to_string()
                .contains("has no node filter")
        );
        let alone = CreateFlags {
            no_lb: Some(true),
            ..flags
        };
        assert!(from_flags(&alone).is_ok());
    }
}

#[test]
fn files_are_read_as_seen_from_the_config_file() {
    let cluster = from_file("files:\n- {source: ns.yaml, destination: k3s-manifests/ns.yaml, nodeFilters: ['server:*']}\n- {source: /abs/ns.yaml, destination: /a, nodeFilters: [loadbalancer]}\n- source: |\n    inline\n  destination: k3s-containerd-tmpl\n  nodeFilters: ['server:0']\n").unwrap().cluster;
    let server = node(&cluster, "server-0");
    let files: Vec<(&str, &[u8])> = server
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.content.as_slice()))
        .collect();
    assert_eq!(
        files,
        [
            (
                "/var/lib/rancher/k3s/server/manifests/ns.yaml",
                b"kind: Namespace\n".as_slice()
            ),
            (
                "/var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl",
                b"inline\n".as_slice()
            ),
        ]
    );
    assert_eq!(server.files[0].mode, 0o644);
    assert_eq!(node(&cluster, "serverlb").files.len(), 1);
    let missing = from_file("files: [{source: gone.yaml, destination: /a}]\n")
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("files[0].source: failed to read /project/conf/gone.yaml"),
        "{missing}"
    );
}

#[test]
fn the_network_of_the_host_has_one_node_and_nothing_before_it() {
    let host = CreateFlags {
        network: Some("host".to_owned()),
        ..CreateFlags::default()
    };
    let cluster = cluster(&host);
    assert!(cluster.network.host && cluster.balancer.is_none());
    assert_eq!(cluster.nodes.len(), 1);
    assert_eq!(cluster.nodes[0].role, Role::Server);
    assert_eq!(cluster.api.port, 6443);
    for flags in [
        CreateFlags {
            agents: Some(1),
            ..host.clone()
        },
        CreateFlags {
            host_aliases: texts(&["10.0.0.1:a"]),
            ..host.clone()
        },
        CreateFlags {
            subnet: Some("172.28.0.0/16".to_owned()),
            ..host.clone()
        },
        CreateFlags {
            env: texts(&["A=1@loadbalancer"]),
            ..host.clone()
        },
    ] {
        assert!(from_flags(&flags).is_err());
    }
}

#[test]
fn the_api_is_shown_where_the_flag_says() {
    for (text, host, ip, port) in [
        ("6550", "0.0.0.0", "0.0.0.0", 6550),
        ("127.0.0.1:6550", "127.0.0.1", "127.0.0.1", 6550),
        (
            "api.example.localhost:6550",
            "api.example.localhost",
            "127.0.0.1",
            6550,
        ),
        ("[::1]:6550", "::1", "::1", 6550),
        ("127.0.0.1:random", "127.0.0.1", "127.0.0.1", 40_000),
    ] {
        let api = cluster(&CreateFlags {
            api_port: Some(text.to_owned()),
            ..CreateFlags::default()
        })
        .api;
        assert_eq!(
            (
                api.host.as_str(),
                api.host_ip.to_string().as_str(),
                api.port
            ),
            (host, ip, port),
            "{text}"
        );
    }
    let unknown = CreateFlags {
        api_port: Some("nowhere.invalid:1".to_owned()),
        ..CreateFlags::default()
    };
    assert!(
        from_flags(&unknown)
            .unwrap_err()
            .to_string()
            .contains("has no address")
    );
}

#[test]
fn registries_are_made_used_or_both() {
    let flags = |create: Option<&str>, using: &[&str]| CreateFlags {
        name: Some("c".to_owned()),
        registry_create: create.map(str::to_owned),
        registry_use: texts(using),
        ..CreateFlags::default()
    };
    let made = cluster(&flags(Some("reg:0.0.0.0:5111"), &[])).registries;
    let create = made.create.unwrap();
    assert_eq!(
        (create.name.as_str(), create.port, create.image.as_str()),
        ("reg", Some(5111), "docker.io/library/registry:2")
    );
    assert_eq!(
        (create.host.as_str(), create.network.as_str()),
        ("0.0.0.0", "bridge")
    );

    let used = cluster(&flags(None, &["http://k3d-a:5000", "b", "k3d-a"])).registries;
    assert_eq!(used.using, ["k3d-a", "b"]);
    assert!(used.create.is_none());

    let both = cluster(&flags(Some("reg"), &["reg:5000"])).registries;
    assert!(both.create.is_none());

    let named = from_file(
        "metadata: {name: c}\nregistries: {create: {hostPort: random}, config: registries.yaml}\n",
    )
    .unwrap()
    .cluster
    .registries;
    assert_eq!(
        named.create.as_ref().map(|create| create.name.as_str()),
        Some("k3d-c-registry")
    );
    assert!(named.create.unwrap().port.is_some());
    assert_eq!(named.config.unwrap().0, "mirrors: {}\n");
}

#[test]
fn options_of_the_creation_follow_the_flags() {
    let flags = CreateFlags {
        timeout: Some("1m30s".to_owned()),
        no_rollback: Some(true),
        no_image_volume: Some(true),
        kubeconfig_update_default: Some(false),
        subnet: Some("auto".to_owned()),
        servers: Some(2),
        lb_config_override: texts(&[
            "settings.workerConnections=2048,settings.defaultProxyTimeout=900",
        ]),
        ..CreateFlags::default()
    };
    let transformed = from_flags(&flags).unwrap();
    assert!(transformed.warnings[0].to_string().contains("majority"));
    let cluster = transformed.cluster;
    assert_eq!(
        cluster.options.timeout,
        Some(std::time::Duration::from_secs(90))
    );
    assert!(!cluster.options.rollback && !cluster.image_volume);
    assert!(!cluster.options.update_kubeconfig && !cluster.options.switch_context);
    assert_eq!(cluster.network.subnet, Subnet::Auto);
    let balancer = cluster.balancer.unwrap();
    assert_eq!(
        (balancer.worker_connections, balancer.proxy_timeout),
        (Some(2048), Some(900))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_command_line_makes_the_transformation_panic(
        lists in prop::collection::vec(prop::collection::vec("([a-z]{1,4}|[0-9]{1,5}|[:@;=,/.*\\\\-]|server|agent|all|direct){0,8}", 0..3), 10),
        scalars in prop::collection::vec(prop::option::of("([a-z]{1,4}|[0-9]{1,5}|[:=,/.-]|random){0,5}"), 10),
        counts in (-2_i64..4, -2_i64..4),
        no_lb in any::<bool>(),
    ) {
        let mut lists = lists.into_iter();
        let mut list = || lists.next().unwrap_or_default();
        let mut scalars = scalars.into_iter();
        let mut scalar = || scalars.next().flatten();
        let flags = CreateFlags {
            env: list(), volumes: list(), ports: list(), k3s_node_labels: list(), runtime_labels: list(),
            runtime_ulimits: list(), host_aliases: list(), k3s_args: list(), registry_use: list(), lb_config_override: list(),
            name: scalar(), api_port: scalar(), registry_create: scalar(), image: scalar(), subnet: scalar(),
            timeout: scalar(), gpus: scalar(), servers_memory: scalar(), registry_config: scalar(), wait: scalar(),
            servers: Some(counts.0), agents: Some(counts.1), no_lb: Some(no_lb),
            ..CreateFlags::default()
        };
        if let Err(problems) = from_flags(&flags) {
            prop_assert!(!problems.0.is_empty());
        }
    }
}
