//! The steps that publish further ports of a running cluster, or fewer.
//!
//! The Engine cannot change the ports of a container, so the load balancer is made anew beside the old one and takes
//! its place; whatever fails puts the old one back.

use super::refusal::Refusal;
use crate::balancer::config::{Config, Port};
use crate::cluster::{ContainerPort, HostBinding, PortMap, Role};
use crate::container::{Address, Attachment, ContainerSpec};
use crate::names;
use crate::observed::{Cluster, Container};
use crate::step::{Ready, Step};

/// One port that is added or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortChange {
    pub port: ContainerPort,
    pub binding: HostBinding,
    /// The nodes that it goes to; empty: what the load balancer forwards stays as it is.
    pub targets: Vec<String>,
    pub removes: bool,
}

/// `forwarded` is what the load balancer has in its file now; `suffix` names the old one for the time between.
pub fn change_ports(
    cluster: &Cluster,
    changes: &[PortChange],
    forwarded: &Config,
    suffix: &str,
) -> Result<Vec<Step>, Refusal> {
    let balancer = cluster.balancer().ok_or_else(|| Refusal::NoLoadBalancer {
        cluster: cluster.name.clone(),
    })?;
    let mut ports = balancer.ports();
    let mut config = forwarded.clone();
    for change in changes {
        if change.removes {
            remove(&mut ports, &mut config, change)?;
        } else {
            add(&mut ports, &mut config, change);
        }
    }
    let same_ports = ports == balancer.ports();
    if same_ports && config == *forwarded {
        return Ok(Vec::new());
    }
    let name = balancer.name.clone();
    if same_ports {
        return Ok(vec![Step::WriteBalancer {
            container: name,
            config,
            reload: balancer.is_running(),
        }]);
    }
    let old = format!("{name}-{suffix}");
    let mut steps = vec![Step::Rename {
        container: name.clone(),
        to: old.clone(),
    }];
    steps.push(Step::CreateContainer(Box::new(replacement(
        cluster, balancer, ports,
    ))));
    steps.push(Step::WriteBalancer {
        container: name.clone(),
        config,
        reload: false,
    });
    if balancer.is_running() {
        // Both want the port of the API.
        steps.push(Step::Stop {
            container: old.clone(),
        });
        steps.push(Step::Start {
            container: name,
            until: Ready::LoadBalancer,
        });
    }
    steps.push(Step::RemoveContainer { container: old });
    Ok(steps)
}

fn add(ports: &mut PortMap, config: &mut Config, change: &PortChange) {
    let bindings = ports.entry(change.port).or_default();
    if !bindings
        .iter()
        .any(|binding| is_same(binding, &change.binding))
    {
        bindings.push(change.binding.clone());
    }
    if let (false, Some(port)) = (change.targets.is_empty(), forwarded_port(change.port)) {
        config.add_port(port, change.targets.iter().cloned());
    }
}

fn remove(ports: &mut PortMap, config: &mut Config, change: &PortChange) -> Result<(), Refusal> {
    let unknown = || Refusal::NoSuchPort {
        port: format!("{}:{}", change.binding.port, change.port),
    };
    let bindings = ports.get_mut(&change.port).ok_or_else(unknown)?;
    let before = bindings.len();
    bindings.retain(|binding| !is_same(binding, &change.binding));
    if bindings.len() == before {
        return Err(unknown());
    }
    if bindings.is_empty() {
        ports.remove(&change.port);
        if let Some(port) = forwarded_port(change.port) {
            config.ports.remove(&port);
        }
    }
    Ok(())
}

/// `None` for what cannot be forwarded.
fn forwarded_port(port: ContainerPort) -> Option<Port> {
    port.balancer_key().parse().ok()
}

/// Addresses that mean every interface, or this machine, count as one: that is how users mix them.
pub(super) fn is_same(one: &HostBinding, other: &HostBinding) -> bool {
    let address = |ip: &str| match ip {
        "" | "127.0.0.1" | "0.0.0.0" | "localhost" | "::" => String::new(),
        ip => ip.to_owned(),
    };
    one.port == other.port && address(&one.ip) == address(&other.ip)
}

/// The same container with other ports.
fn replacement(cluster: &Cluster, balancer: &Container, ports: PortMap) -> ContainerSpec {
    let network = cluster.network();
    let further = balancer
        .networks()
        .into_keys()
        .filter(|name| *name != network);
    ContainerSpec {
        name: balancer.name.clone(),
        role: Role::LoadBalancer,
        image: balancer.image(),
        entrypoint: None,
        command: balancer.command(),
        env: balancer.env(),
        labels: all_labels(balancer),
        binds: balancer.binds(),
        ports,
        networks: std::iter::once(network.clone())
            .chain(further)
            .map(|network| Attachment {
                network,
                address: Address::Engine,
            })
            .collect(),
        network_mode: "bridge".to_owned(),
        is_member: false,
        restarts: true,
        init: balancer.habits().init,
        memory: None,
        gpus: None,
        ulimits: Vec::new(),
        host_pid: false,
    }
}

fn all_labels(container: &Container) -> std::collections::BTreeMap<String, String> {
    let config = container.inspected.0.config.as_ref();
    let labels = config
        .and_then(|config| config.labels.clone())
        .unwrap_or_default();
    let mut labels: std::collections::BTreeMap<_, _> = labels.into_iter().collect();
    labels.insert(
        names::LABEL_VERSION.to_owned(),
        names::K3D_VERSION.to_owned(),
    );
    labels
}
