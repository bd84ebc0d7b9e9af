//! The steps that make a cluster.

use std::collections::BTreeSet;

use super::kubernetes::{has_kubelet, kubernetes_name};
use super::{ClusterRegistries, Surroundings, together};
use crate::balancer::config::Config;
use crate::cluster::{BalancerSpec, ClusterSpec, NodeFile, NodeSpec, RegistrySpec, Role, Wait};
use crate::container::{self, ContainerSpec};
use crate::step::{Ready, Step};
use crate::{entrypoint, names};

/// Everything from the network to the kubeconfig.
pub fn create(
    cluster: &ClusterSpec,
    registries: &ClusterRegistries,
    around: &Surroundings,
) -> Vec<Step> {
    let mut steps = Vec::new();
    together(&mut steps, images(cluster));
    steps.push(Step::EnsureNetwork {
        name: cluster.network.name.clone(),
        subnet: cluster.network.subnet.clone(),
    });
    steps.extend(volumes(cluster));
    let used = registries.used.iter();
    steps.extend(used.filter_map(|registry| connect_step(cluster, registry)));
    if let Some(registry) = &cluster.registries.create {
        steps.extend(registry_steps(cluster, registry, around));
    }
    let nodes: Vec<&NodeSpec> = cluster.nodes.iter().collect();
    steps.extend(folder_steps(&nodes, around));
    together(&mut steps, container_steps(cluster, &nodes, around));
    together(&mut steps, file_steps(cluster, &nodes, registries, around));
    steps.extend(start(cluster));
    if cluster.options.wait != Wait::No {
        steps.push(wait_for_nodes(cluster));
    }
    if registries.is_published {
        steps.push(Step::PublishRegistry {
            node: names::server(&cluster.name, 0),
        });
    }
    if cluster.options.update_kubeconfig {
        steps.push(Step::MergeKubeconfig {
            cluster: cluster.name.clone(),
            server: names::server(&cluster.name, 0),
            switch: cluster.options.switch_context,
        });
    }
    steps
}

fn images(cluster: &ClusterSpec) -> Vec<Step> {
    let mut images: BTreeSet<&str> = BTreeSet::new();
    images.extend(cluster.nodes.iter().map(|node| node.image.as_str()));
    images.extend(
        cluster
            .registries
            .create
            .as_ref()
            .map(|registry| registry.image.as_str()),
    );
    images.into_iter().map(image_step).collect()
}

fn image_step(image: &str) -> Step {
    let image = image.to_owned();
    if image.starts_with(&format!("{}:", crate::balancer::image::REPOSITORY)) {
        Step::EnsureBalancerImage { image }
    } else {
        Step::EnsureImage { image }
    }
}

fn volumes(cluster: &ClusterSpec) -> Vec<Step> {
    let mut wanted = BTreeSet::new();
    if cluster.image_volume {
        wanted.insert(names::image_volume(&cluster.name));
    }
    // A bind's first part that holds no slash names a volume; those with our prefix go with the cluster.
    let sources = cluster.nodes.iter().flat_map(|node| &node.volumes);
    wanted.extend(
        sources
            .filter_map(|bind| bind.split_once(':'))
            .map(|(source, _)| source)
            .filter(|source| source.starts_with("k3d-") && !source.contains(['/', '\\']))
            .map(str::to_owned),
    );
    wanted
        .into_iter()
        .map(|name| Step::EnsureVolume {
            name,
            cluster: cluster.name.clone(),
        })
        .collect()
}

/// Made, connected and started before the nodes, which may pull from it at once.
pub(super) fn registry_steps(
    cluster: &ClusterSpec,
    registry: &RegistrySpec,
    around: &Surroundings,
) -> Vec<Step> {
    let spec = container::of_registry(registry, Some(&cluster.name), around.habits);
    let mut steps = vec![Step::CreateContainer(Box::new(spec))];
    steps.extend(connect_step(cluster, &registry.name));
    steps.push(Step::Start {
        container: registry.name.clone(),
        until: Ready::Started,
    });
    steps
}

fn connect_step(cluster: &ClusterSpec, container: &str) -> Option<Step> {
    (!cluster.network.host).then(|| Step::Connect {
        container: container.to_owned(),
        network: cluster.network.name.clone(),
    })
}

pub(super) fn folder_steps(nodes: &[&NodeSpec], around: &Surroundings) -> Vec<Step> {
    let steps = nodes
        .iter()
        .map(|node| node_folder(&node.name, node.memory, around));
    steps.flatten().collect()
}

pub(super) fn container_steps(
    cluster: &ClusterSpec,
    nodes: &[&NodeSpec],
    around: &Surroundings,
) -> Vec<Step> {
    let steps = nodes.iter().map(|node| {
        let mut spec = container::of_node(cluster, node, around.habits);
        limit_memory(&mut spec, around);
        Step::CreateContainer(Box::new(spec))
    });
    steps.collect()
}

/// The kubelet reads the machine's memory from a file, which is covered by one with the limit in it.
pub(super) fn limit_memory(spec: &mut ContainerSpec, around: &Surroundings) {
    let (Some(_), Some(folder)) = (spec.memory, &around.node_folder) else {
        return;
    };
    let folder = folder.join(format!(".{}", spec.name));
    let folder = folder.display();
    spec.binds
        .push(format!("{folder}/meminfo:/proc/meminfo:ro"));
    if around.has_edac {
        spec.binds
            .push(format!("{folder}/edac:/sys/devices/system/edac:ro"));
    }
}

pub(super) fn node_folder(node: &str, memory: Option<i64>, around: &Surroundings) -> Option<Step> {
    around.node_folder.as_ref()?;
    Some(Step::WriteNodeFolder {
        node: node.to_owned(),
        memory: memory?,
    })
}

/// What goes into the nodes before they start.
pub(super) fn file_steps(
    cluster: &ClusterSpec,
    nodes: &[&NodeSpec],
    registries: &ClusterRegistries,
    around: &Surroundings,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for node in nodes {
        let files = node_files(node, registries, around);
        if !files.is_empty() {
            steps.push(Step::WriteFiles {
                container: node.name.clone(),
                files,
            });
        }
        if node.role.runs_k3s() && around.habits.entrypoint {
            steps.push(Step::WriteEntrypoint {
                container: node.name.clone(),
                aliases: cluster.host_aliases.clone(),
            });
        }
        if let (Role::LoadBalancer, Some(config)) = (node.role, &cluster.balancer) {
            steps.push(Step::WriteBalancer {
                container: node.name.clone(),
                config: forwarding(config),
                reload: false,
            });
        }
    }
    steps
}

/// The load balancer's file for what was asked; ports that it cannot forward were refused before.
fn forwarding(spec: &BalancerSpec) -> Config {
    let ports = spec.ports.iter();
    let ports = ports.filter_map(|(key, nodes)| Some((key.parse().ok()?, nodes.clone())));
    let mut config = Config::of(ports);
    if let Some(connections) = spec.worker_connections {
        config.settings.worker_connections = connections;
    }
    config.settings.proxy_timeout_seconds = spec.proxy_timeout.map(u64::from);
    config
}

fn node_files(
    node: &NodeSpec,
    registries: &ClusterRegistries,
    around: &Surroundings,
) -> Vec<NodeFile> {
    let mut files = node.files.clone();
    if !node.role.runs_k3s() {
        return files;
    }
    files.extend(registries.files.iter().cloned());
    if let (Some(bytes), None) = (node.memory, &around.node_folder) {
        files.push(meminfo(bytes));
    }
    files
}

/// What the entrypoint lays over `/proc/meminfo` when the Engine does not see files of this machine.
pub(crate) fn meminfo(bytes: i64) -> NodeFile {
    NodeFile {
        path: entrypoint::MEMINFO_PATH.to_owned(),
        mode: 0o644,
        content: entrypoint::meminfo(bytes),
    }
}

fn start(cluster: &ClusterSpec) -> Vec<Step> {
    let of_role = |role| cluster.nodes.iter().filter(move |node| node.role == role);
    let mut steps: Vec<Step> = of_role(Role::Server)
        .map(|node| start_step(cluster, node))
        .collect();
    // The first of several waits for the others before it is all up.
    if let (true, Some(Step::Start { until, .. })) = (steps.len() > 1, steps.first_mut())
        && *until == Ready::Server
    {
        *until = Ready::Initializing;
    }
    let rest = of_role(Role::Agent).chain(of_role(Role::LoadBalancer));
    together(
        &mut steps,
        rest.map(|node| start_step(cluster, node)).collect(),
    );
    steps
}

pub(super) fn start_step(cluster: &ClusterSpec, node: &NodeSpec) -> Step {
    Step::Start {
        container: node.name.clone(),
        until: if cluster.options.wait == Wait::No {
            Ready::Started
        } else {
            Ready::of_role(node.role)
        },
    }
}

fn wait_for_nodes(cluster: &ClusterSpec) -> Step {
    let nodes = cluster
        .nodes
        .iter()
        .filter(|node| has_kubelet(node.role, &node.args));
    Step::WaitForNodes {
        server: names::server(&cluster.name, 0),
        nodes: nodes
            .map(|node| kubernetes_name(&node.name, &node.args, &node.env))
            .collect(),
        wait: cluster.options.wait,
    }
}
