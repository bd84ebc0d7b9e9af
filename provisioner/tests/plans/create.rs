//! What a cluster's creation sends to the Engine, and in which order.

use std::net::{IpAddr, Ipv4Addr};

use provisioner::cluster::*;
use provisioner::container::{self, Habits};
use provisioner::plan::{self, ClusterRegistries};
use provisioner::{payload, step};
use registries::Secret;
use serde_json::{Value, json};

use super::golden::same;
use super::samples::{around, demo, network};

fn body(cluster: &ClusterSpec, index: usize) -> Value {
    let spec = container::of_node(cluster, &cluster.nodes[index], Habits::default());
    sorted(serde_json::to_value(payload::container(&spec, Some(&network()))).unwrap())
}

fn sorted(mut value: Value) -> Value {
    value.sort_all_objects();
    value
}

fn text(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

#[test]
fn a_single_server_is_made_with_every_field_that_k3d_sets() {
    let server = body(&demo(1, 0), 1);
    let expected = json!({
        "Hostname": "k3d-demo-server-0",
        "Image": "docker.io/rancher/k3s:v1.35.5-k3s1",
        "Entrypoint": ["/bin/k3d-entrypoint.sh"],
        "Cmd": ["server", "--tls-san", "0.0.0.0", "--tls-san", "k3d-demo-serverlb"],
        "Env": ["K3S_TOKEN=AbCdEfGhIjKlMnOpQrSt", "K3S_KUBECONFIG_OUTPUT=/output/kubeconfig.yaml"],
        "Labels": {
            "app": "k3d", "k3d.version": "v5.9.0", "k3d.role": "server", "k3d.cluster": "demo",
            "k3d.cluster.imageVolume": "k3d-demo-images", "k3d.cluster.network": "k3d-demo",
            "k3d.cluster.network.id": "<id>", "k3d.cluster.network.external": "false",
            "k3d.cluster.network.iprange": "172.20.0.0/16",
            "k3d.cluster.token": "AbCdEfGhIjKlMnOpQrSt",
            "k3d.cluster.url": "https://k3d-demo-server-0:6443",
            "k3d.server.loadbalancer": "k3d-demo-serverlb",
            "k3d.server.api.host": "0.0.0.0", "k3d.server.api.hostIP": "0.0.0.0",
            "k3d.server.api.port": "40123"
        },
        "ExposedPorts": [],
        "HostConfig": {
            "Init": true, "Privileged": true, "UsernsMode": "host", "NetworkMode": "bridge",
            "Binds": ["k3d-demo-images:/k3d/images"], "Tmpfs": {"/run": "", "/var/run": ""},
            "PortBindings": {},
            "RestartPolicy": {"Name": "unless-stopped"}
        },
        "NetworkingConfig": {"EndpointsConfig": {"k3d-demo": {}}}
    });
    let mut server = server;
    // An empty set is written as the library writes sets.
    server["ExposedPorts"] = json!([]);
    assert_eq!(server, sorted(expected));
}

#[test]
fn the_load_balancer_publishes_the_api_and_has_neither_command_nor_api_labels() {
    same("payload/load-balancer.json", &text(&body(&demo(1, 0), 0)));
}

#[test]
fn several_servers_share_an_etcd_that_the_first_one_begins() {
    let mut cluster = demo(3, 1);
    for node in &mut cluster.nodes {
        if node.role == Role::Server {
            node.args = vec!["--disable=traefik".to_owned()];
        }
    }
    let first = body(&cluster, 1);
    assert_eq!(
        first["Cmd"],
        json!([
            "server",
            "--disable=traefik",
            "--cluster-init",
            "--tls-san",
            "0.0.0.0",
            "--tls-san",
            "k3d-demo-serverlb"
        ])
    );
    assert_eq!(first["Labels"]["k3d.server.init"], "true");
    let second = body(&cluster, 2);
    assert_eq!(
        second["Env"],
        json!([
            "K3S_TOKEN=AbCdEfGhIjKlMnOpQrSt",
            "K3S_URL=https://k3d-demo-server-0:6443",
            "K3S_KUBECONFIG_OUTPUT=/output/kubeconfig.yaml"
        ])
    );
    assert_eq!(second["Labels"]["k3d.server.init"], "false");
    let agent = body(&cluster, 4);
    assert_eq!(agent["Cmd"], json!(["agent"]));
    assert_eq!(agent["Labels"]["k3d.server.api.port"], Value::Null);
}

#[test]
fn everything_that_a_node_can_have_reaches_its_payload() {
    let mut cluster = demo(1, 0);
    cluster.network.subnet = Subnet::Range("172.20.0.0/16".to_owned());
    cluster.host_aliases = vec![HostAlias {
        ip: "10.0.0.5".to_owned(),
        hostnames: vec!["db.local".to_owned(), "cache.local".to_owned()],
    }];
    let node = &mut cluster.nodes[1];
    node.env = vec!["HTTP_PROXY=http://proxy:3128".to_owned()];
    node.volumes = vec!["/data:/var/lib/rancher/k3s/storage".to_owned()];
    node.labels = [("team".to_owned(), "a".to_owned())].into();
    node.node_labels = vec!["tier=edge".to_owned()];
    node.memory = Some(1_610_612_736);
    node.host_pid = true;
    node.ports = PortMap::from([(
        ContainerPort {
            port: 53,
            protocol: Protocol::Udp,
        },
        vec![HostBinding {
            ip: "::1".to_owned(),
            port: "5353".to_owned(),
        }],
    )]);
    node.gpus = Some(GpuRequest {
        count: -1,
        capabilities: vec![vec!["gpu".to_owned()]],
        ..Default::default()
    });
    node.ulimits = vec![Ulimit {
        name: "nofile".to_owned(),
        soft: 26677,
        hard: 26677,
    }];
    same(
        "payload/server-with-everything.json",
        &text(&body(&cluster, 1)),
    );
}

#[test]
fn without_a_load_balancer_the_first_server_publishes_the_api() {
    let mut cluster = demo(1, 0);
    cluster.nodes.remove(0);
    cluster.balancer = None;
    let server = body(&cluster, 0);
    assert_eq!(
        server["HostConfig"]["PortBindings"],
        json!({"6443/tcp": [{"HostIp": "0.0.0.0", "HostPort": "40123"}]})
    );
    assert_eq!(server["Cmd"], json!(["server", "--tls-san", "0.0.0.0"]));
    assert_eq!(server["Labels"]["k3d.server.loadbalancer"], "");
}

#[test]
fn a_registry_is_made_as_k3d_makes_it_and_hides_its_password() {
    let registry = RegistrySpec {
        proxy: Some(RegistryProxy {
            remote_url: "https://registry-1.docker.io".to_owned(),
            username: "me".to_owned(),
            password: Secret::from("hunter2"),
        }),
        ..registry()
    };
    let spec = container::of_registry(&registry, Some("demo"), Habits::default());
    same(
        "payload/registry.json",
        &text(&sorted(
            serde_json::to_value(payload::container(&spec, None)).unwrap(),
        )),
    );
    let mut cluster = demo(1, 0);
    cluster.registries.create = Some(registry);
    let steps = plan::create(&cluster, &ClusterRegistries::default(), &around());
    let shown = format!("{cluster:?} {spec:?} {steps:?} {}", step::listing(&steps));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains("AbCdEfGhIjKlMnOpQrSt"), "{shown}");
}

fn registry() -> RegistrySpec {
    RegistrySpec {
        name: "reg".to_owned(),
        image: "docker.io/library/registry:2".to_owned(),
        host: "0.0.0.0".to_owned(),
        host_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        port: Some(5111),
        same_port: false,
        volumes: Vec::new(),
        proxy: None,
        delete_enabled: false,
        network: "bridge".to_owned(),
    }
}

fn listing(cluster: &ClusterSpec) -> String {
    let registries = ClusterRegistries {
        is_published: cluster.registries.create.is_some(),
        ..Default::default()
    };
    step::listing(&plan::create(cluster, &registries, &around()))
}

#[test]
fn the_plan_of_a_single_server() {
    same("plans/create-1-0.txt", &listing(&demo(1, 0)));
}

#[test]
fn the_plan_of_three_servers_and_two_agents_with_a_registry_and_limits() {
    let mut cluster = demo(3, 2);
    cluster.registries.create = Some(registry());
    for node in cluster
        .nodes
        .iter_mut()
        .filter(|node| node.role == Role::Agent)
    {
        node.memory = Some(1 << 30);
        node.volumes = vec!["k3d-shared:/shared".to_owned()];
    }
    same("plans/create-3-2.txt", &listing(&cluster));
}

#[test]
fn the_plan_on_the_host_network_without_waiting() {
    let mut cluster = demo(1, 0);
    cluster.nodes.remove(0);
    cluster.balancer = None;
    cluster.network.host = true;
    cluster.network.name = "host".to_owned();
    cluster.options.wait = Wait::No;
    cluster.options.update_kubeconfig = false;
    same("plans/create-host.txt", &listing(&cluster));
}
