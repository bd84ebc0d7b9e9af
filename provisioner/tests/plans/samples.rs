//! Clusters to plan with, and clusters that are there.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use docker::models::{
    ContainerConfig, ContainerInspectResponse, ContainerState, ContainerStateStatusEnum,
    EndpointSettings, NetworkSettings,
};
use provisioner::cluster::*;
use provisioner::container::{self, ContainerSpec, Habits};
use provisioner::names;
use provisioner::observed::{Cluster, Container, cluster};
use provisioner::payload::{self, NetworkFacts};
use provisioner::plan::Surroundings;
use registries::Secret;

pub(crate) const IMAGE: &str = "docker.io/rancher/k3s:v1.35.5-k3s1";
pub(crate) const BALANCER: &str = "ghcr.io/k3d-io/k3d-proxy:5.9.0";

/// `servers` and `agents` as the command line would give them, with the load balancer first.
pub(crate) fn demo(servers: usize, agents: usize) -> ClusterSpec {
    let name = "demo";
    let mut nodes = vec![NodeSpec::new(
        names::load_balancer(name),
        Role::LoadBalancer,
        BALANCER,
    )];
    nodes.extend((0..servers).map(|i| NodeSpec::new(names::server(name, i), Role::Server, IMAGE)));
    nodes.extend((0..agents).map(|i| NodeSpec::new(names::agent(name, i), Role::Agent, IMAGE)));
    let targets = (0..servers).map(|i| names::server(name, i)).collect();
    ClusterSpec {
        name: name.to_owned(),
        token: Secret::from("AbCdEfGhIjKlMnOpQrSt"),
        network: NetworkSpec {
            name: names::network(name),
            host: false,
            subnet: Subnet::Engine,
        },
        api: ApiExposure {
            host: "0.0.0.0".to_owned(),
            host_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 40123,
        },
        nodes,
        balancer: Some(BalancerSpec {
            ports: BTreeMap::from([("6443.tcp".to_owned(), targets)]),
            ..Default::default()
        }),
        image_volume: true,
        host_aliases: Vec::new(),
        registries: RegistriesSpec::default(),
        options: CreateOptions {
            wait: Wait::Nodes,
            timeout: None,
            rollback: true,
            update_kubeconfig: true,
            switch_context: true,
        },
    }
}

pub(crate) fn network() -> NetworkFacts {
    NetworkFacts {
        name: "k3d-demo".to_owned(),
        id: "<id>".to_owned(),
        external: false,
        range: Some("172.20.0.0/16".to_owned()),
        gateway: Some("172.20.0.1".to_owned()),
        host: false,
    }
}

pub(crate) fn around() -> Surroundings {
    Surroundings {
        node_folder: Some("/home/user/.config/k3d".into()),
        has_edac: true,
        ..Default::default()
    }
}

/// The cluster as the Engine would tell of it after its creation.
pub(crate) fn made(spec: &ClusterSpec, running: bool) -> Cluster {
    let containers = spec
        .nodes
        .iter()
        .map(|node| observed(&container::of_node(spec, node, Habits::default()), running));
    cluster(spec.name.clone(), containers.collect())
}

pub(crate) fn observed(spec: &ContainerSpec, running: bool) -> Container {
    let body = payload::container(spec, Some(&network()));
    let endpoints = body
        .networking_config
        .and_then(|config| config.endpoints_config);
    let networks = endpoints.unwrap_or_default().into_keys();
    let networks: HashMap<_, _> = networks
        .map(|name| (name, EndpointSettings::default()))
        .collect();
    Container::of(ContainerInspectResponse {
        name: Some(format!("/{}", spec.name)),
        state: Some(ContainerState {
            running: Some(running),
            status: Some(if running {
                ContainerStateStatusEnum::RUNNING
            } else {
                ContainerStateStatusEnum::EXITED
            }),
            ..Default::default()
        }),
        config: Some(ContainerConfig {
            image: body.image,
            labels: body.labels,
            env: body.env,
            cmd: body.cmd,
            entrypoint: body.entrypoint,
            ..Default::default()
        }),
        host_config: body.host_config,
        network_settings: Some(NetworkSettings {
            networks: Some(networks),
            ..Default::default()
        }),
        ..Default::default()
    })
    .unwrap()
}
