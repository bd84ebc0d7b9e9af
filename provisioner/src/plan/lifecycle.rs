//! The steps that start, stop and delete what is there.

use super::kubernetes::{has_kubelet, kubernetes_name};
use super::{Surroundings, together};
use crate::cluster::{Role, Wait};
use crate::names;
use crate::observed::{Cluster, Container};
use crate::step::{Ready, Step};

/// Only what does not run is touched. Without anything to start the plan is empty.
pub fn start(cluster: &Cluster, wait: Wait) -> Vec<Step> {
    let stopped: Vec<&Container> = cluster
        .nodes
        .iter()
        .filter(|node| !node.is_running())
        .collect();
    let mut steps: Vec<Step> = Vec::new();
    let aliases = cluster.host_aliases();
    let prepared = stopped
        .iter()
        .filter(|node| node.role.runs_k3s() && node.starts_by_entrypoint())
        .map(|node| Step::WriteEntrypoint {
            container: node.name.clone(),
            aliases: aliases.clone(),
        });
    together(&mut steps, prepared.collect());
    let start = |node: &Container, until| Step::Start {
        container: node.name.clone(),
        until: if wait == Wait::No {
            Ready::Started
        } else {
            until
        },
    };
    let of_role = |role| stopped.iter().filter(move |node| node.role == role);
    // Registries first: nodes may pull from them at once.
    together(
        &mut steps,
        of_role(Role::Registry)
            .map(|node| start(node, Ready::Started))
            .collect(),
    );
    let (first, others): (Vec<_>, Vec<_>) =
        of_role(Role::Server).partition(|node| node.is_initializing_server());
    steps.extend(first.into_iter().map(|node| start(node, Ready::Restarting)));
    // Members of one etcd wait for each other: one after the other they would never be ready.
    together(
        &mut steps,
        others
            .into_iter()
            .map(|node| start(node, Ready::Server))
            .collect(),
    );
    let rest = of_role(Role::Agent)
        .chain(of_role(Role::LoadBalancer))
        .map(|node| start(node, Ready::of_role(node.role)));
    together(&mut steps, rest.collect());
    if wait != Wait::No && stopped.iter().any(|node| node.role.runs_k3s()) {
        steps.extend(wait_for_nodes(cluster, wait));
    }
    steps
}

fn wait_for_nodes(cluster: &Cluster, wait: Wait) -> Option<Step> {
    let nodes = cluster
        .nodes
        .iter()
        .filter(|node| has_kubelet(node.role, &node.command()));
    Some(Step::WaitForNodes {
        server: cluster.api_server()?.name.clone(),
        nodes: nodes
            .map(|node| kubernetes_name(&node.name, &node.command(), &node.env()))
            .collect(),
        wait,
    })
}

/// Agents before servers, so that servers end last; the load balancer goes with the agents.
pub fn stop(cluster: &Cluster) -> Vec<Step> {
    let running = |role: fn(Role) -> bool| {
        cluster
            .nodes
            .iter()
            .filter(move |node| node.is_running() && role(node.role))
            .map(|node| Step::Stop {
                container: node.name.clone(),
            })
            .collect::<Vec<_>>()
    };
    let mut steps = Vec::new();
    together(
        &mut steps,
        running(|role| matches!(role, Role::Agent | Role::LoadBalancer)),
    );
    together(&mut steps, running(|role| role == Role::Server));
    together(
        &mut steps,
        running(|role| matches!(role, Role::Registry | Role::None)),
    );
    steps
}

/// Everything of the cluster; a registry that something else uses as well is only disconnected.
pub fn delete(cluster: &Cluster, around: &Surroundings, keep_shared_registries: bool) -> Vec<Step> {
    let network = cluster.network();
    let mut removals = Vec::new();
    let mut folders = Vec::new();
    for node in &cluster.nodes {
        if keep_shared_registries && node.role == Role::Registry && is_shared(node, &network) {
            removals.push(Step::Disconnect {
                container: node.name.clone(),
                network: network.clone(),
            });
            continue;
        }
        removals.push(Step::RemoveContainer {
            container: node.name.clone(),
        });
        if around.node_folder.is_some() && has_folder(node) {
            folders.push(Step::RemoveNodeFolder {
                node: node.name.clone(),
            });
        }
    }
    let mut steps = Vec::new();
    together(&mut steps, removals);
    steps.extend(folders);
    if !cluster.network_is_external() {
        steps.push(Step::RemoveNetwork { name: network });
    }
    steps.push(Step::RemoveVolumes {
        cluster: cluster.name.clone(),
    });
    steps.push(Step::RemoveKubeconfig {
        cluster: cluster.name.clone(),
    });
    steps.push(Step::RemoveOldBalancerImages);
    steps
}

/// Whether another cluster's network holds this registry.
fn is_shared(registry: &Container, network: &str) -> bool {
    registry
        .networks()
        .keys()
        .any(|name| name != network && name != names::DEFAULT_REGISTRY_NETWORK && name != "host")
}

pub(super) fn has_folder(node: &Container) -> bool {
    node.binds()
        .iter()
        .any(|bind| bind.ends_with(":/proc/meminfo:ro"))
}
