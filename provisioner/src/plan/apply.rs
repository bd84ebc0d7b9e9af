//! The steps from a cluster that runs to the one that a file describes, and what would take more than steps.

use std::collections::{BTreeMap, BTreeSet};

use super::create::{container_steps, file_steps, folder_steps, registry_steps, start_step};
use super::kubernetes::{has_kubelet, kubernetes_name};
use super::{ClusterRegistries, PortChange, Refusal, Surroundings, change_ports, start, together};
use crate::balancer::config::Config;
use crate::cluster::{ClusterSpec, ContainerPort, NodeSpec, PortMap, Role, Wait};
use crate::container;
use crate::names;
use crate::observed::{Cluster, Container};
use crate::registry_config::{Change, NodeState, Way, change, node_options, rendered};
use crate::step::{Ready, Step};

/// What is there besides the containers themselves.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What the load balancer has in its file.
    pub forwarded: Option<Config>,
    /// Labels of Kubernetes nodes, by the node's name.
    pub labels: BTreeMap<String, BTreeMap<String, String>>,
    /// Files of each container, as far as they are compared: path and content.
    pub files: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
}

/// What an application comes to.
#[derive(Clone, Debug, Default)]
pub struct Application {
    pub steps: Vec<Step>,
    /// A line for each difference, `+` for what comes, `-` for what goes and `~` for what changes.
    pub differences: Vec<String>,
    /// Differences that a running cluster cannot follow.
    pub impossible: Vec<String>,
}

/// Nodes that the file does not name by its counts, such as those of `node create`, are left alone.
pub fn apply(
    spec: &ClusterSpec,
    cluster: &Cluster,
    found: &Found,
    registries: &ClusterRegistries,
    around: &Surroundings,
    suffix: &str,
) -> Result<Application, Refusal> {
    let mut result = Application::default();
    let server = cluster
        .api_server()
        .map(|server| server.name.clone())
        .unwrap_or_default();
    create_registry(spec, around, &mut result);
    connect(cluster, registries, &mut result);
    write_files(spec, cluster, found, registries, &mut result)?;
    start_stopped(spec, cluster, &mut result);
    add(spec, cluster, registries, around, &mut result)?;
    label(spec, cluster, found, &server, &mut result);
    publish(spec, cluster, found, suffix, &mut result)?;
    remove(spec, cluster, &server, &mut result);
    for node in &spec.nodes {
        if let Some(there) = find(cluster, &node.name) {
            compare(spec, node, there, around, &mut result);
        }
    }
    if !result.steps.is_empty() && !server.is_empty() && spec.options.wait != Wait::No {
        let nodes = spec
            .nodes
            .iter()
            .filter(|node| has_kubelet(node.role, &node.args));
        result.steps.push(Step::WaitForNodes {
            server,
            nodes: nodes
                .map(|node| kubernetes_name(&node.name, &node.args, &node.env))
                .collect(),
            wait: spec.options.wait,
        });
    }
    Ok(result)
}

fn find<'a>(cluster: &'a Cluster, name: &str) -> Option<&'a Container> {
    cluster.nodes.iter().find(|node| node.name == name)
}

fn start_stopped(spec: &ClusterSpec, cluster: &Cluster, result: &mut Application) {
    let stopped = cluster.nodes.iter().filter(|node| !node.is_running());
    let line = |node: &Container| format!("~ {} {} does not run", node.role, node.name);
    result.differences.extend(stopped.map(line));
    result.steps.extend(start(cluster, spec.options.wait));
}

/// A registry that the file wants and that is not there.
fn create_registry(spec: &ClusterSpec, around: &Surroundings, result: &mut Application) {
    let Some(registry) = &spec.registries.create else {
        return;
    };
    result
        .differences
        .push(format!("+ registry {}", registry.name));
    result.steps.push(Step::EnsureImage {
        image: registry.image.clone(),
    });
    result.steps.extend(registry_steps(spec, registry, around));
}

fn connect(cluster: &Cluster, registries: &ClusterRegistries, result: &mut Application) {
    for container in &registries.missing {
        result.differences.push(format!("+ registry {container}"));
        result.steps.push(Step::Connect {
            container: container.clone(),
            network: cluster.network(),
        });
    }
}

/// Files of nodes that are there and have others. What k3s reads at its start only is read by starting it again, one
/// node after the other.
fn write_files(
    spec: &ClusterSpec,
    cluster: &Cluster,
    found: &Found,
    registries: &ClusterRegistries,
    result: &mut Application,
) -> Result<(), Refusal> {
    let server = cluster
        .api_server()
        .map(Container::command)
        .unwrap_or_default();
    let mut shown = false;
    for node in spec.nodes.iter().filter(|node| node.role.runs_k3s()) {
        let (Some(there), Some(files)) = (find(cluster, &node.name), found.files.get(&node.name))
        else {
            continue;
        };
        let change = registries_change(there, &server, files, registries)?;
        let mut write = change.write;
        let hosting = registries
            .files
            .iter()
            .filter(|file| file.path != names::REGISTRIES_PATH);
        write.extend(
            hosting
                .filter(|file| files.get(&file.path) != Some(&file.content))
                .cloned(),
        );
        if write.is_empty() && change.remove.is_empty() {
            continue;
        }
        let how = match &change.way {
            Way::Restart(reasons) => format!("restarts: {}", reasons.join("; ")),
            Way::Nothing | Way::Hot => "without a restart".to_owned(),
        };
        result
            .differences
            .push(format!("~ registries of {} ({how})", node.name));
        if let (false, Some(diff)) = (shown, &change.diff) {
            shown = true;
            result
                .differences
                .extend(diff.lines().map(|line| format!("    {line}")));
        }
        let container = node.name.clone();
        if there.is_running() {
            result.steps.push(Step::ReplaceFiles {
                container: container.clone(),
                files: write,
            });
        } else {
            result.steps.push(Step::WriteFiles {
                container: container.clone(),
                files: write,
            });
        }
        if there.is_running() && !change.remove.is_empty() {
            result.steps.push(Step::RemoveFiles {
                container: container.clone(),
                paths: change.remove,
            });
        }
        if let (Way::Restart(_), true) = (change.way, there.is_running()) {
            result.steps.push(Step::Stop {
                container: container.clone(),
            });
            result.steps.push(Step::Start {
                container,
                until: Ready::of_role(node.role),
            });
        }
    }
    Ok(())
}

fn registries_change(
    node: &Container,
    server: &[String],
    files: &BTreeMap<String, Vec<u8>>,
    registries: &ClusterRegistries,
) -> Result<Change, Refusal> {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let old = files.get(names::REGISTRIES_PATH).map(text);
    let wanted = registries
        .files
        .iter()
        .find(|file| file.path == names::REGISTRIES_PATH);
    // Nodes without a document stay without one; where there was one, nothing is left of it.
    let wanted = match (&old, wanted) {
        (_, Some(file)) => text(&file.content),
        (Some(_), None) => "mirrors: {}\n".to_owned(),
        (None, None) => String::new(),
    };
    let options = node_options(&node.command(), server);
    let certs_d = rendered(old.as_deref().unwrap_or_default(), &options);
    let state = NodeState {
        registries_yaml: old.as_deref().or(Some("").filter(|_| wanted.is_empty())),
        certs_d: &certs_d,
        containerd_config: None,
    };
    change(state, &wanted, &options).map_err(|error| Refusal::Registries {
        node: node.name.clone(),
        why: error.to_string(),
    })
}

/// Nodes that are missing, made as at the creation of the cluster.
fn add(
    spec: &ClusterSpec,
    cluster: &Cluster,
    registries: &ClusterRegistries,
    around: &Surroundings,
    result: &mut Application,
) -> Result<(), Refusal> {
    let missing: Vec<&NodeSpec> = spec
        .nodes
        .iter()
        .filter(|node| find(cluster, &node.name).is_none())
        .collect();
    let adds_servers = missing.iter().any(|node| node.role == Role::Server);
    if adds_servers && cluster.servers().count() == 1 && cluster.initializing_server().is_none() {
        return Err(Refusal::SingleServer {
            cluster: cluster.name.clone(),
        });
    }
    for node in &missing {
        result
            .differences
            .push(format!("+ {} {}", node.role, node.name));
    }
    result.steps.extend(folder_steps(&missing, around));
    together(&mut result.steps, container_steps(spec, &missing, around));
    together(
        &mut result.steps,
        file_steps(spec, &missing, registries, around),
    );
    let of = |role| missing.iter().filter(move |node| node.role == role);
    let step = |node: &&NodeSpec| start_step(spec, node);
    result.steps.extend(of(Role::Server).map(step));
    let rest = of(Role::Agent).chain(of(Role::LoadBalancer)).map(step);
    together(&mut result.steps, rest.collect());
    Ok(())
}

/// Labels of Kubernetes nodes that are missing or have another value. Others are not ours to remove.
fn label(
    spec: &ClusterSpec,
    cluster: &Cluster,
    found: &Found,
    server: &str,
    result: &mut Application,
) {
    for node in &spec.nodes {
        let name = kubernetes_name(&node.name, &node.args, &node.env);
        let (Some(there), Some(_)) = (found.labels.get(&name), find(cluster, &node.name)) else {
            continue;
        };
        let other: Vec<String> = node
            .node_labels
            .iter()
            .filter(|label| {
                let (key, value) = label.split_once('=').unwrap_or((label, ""));
                there.get(key).map(String::as_str) != Some(value)
            })
            .cloned()
            .collect();
        if other.is_empty() {
            continue;
        }
        result
            .differences
            .push(format!("~ labels of node {name}: {}", other.join(", ")));
        result.steps.push(Step::LabelNode {
            server: server.to_owned(),
            node: name,
            labels: other,
        });
    }
}

/// The load balancer's ports. That of the API stays: whoever uses the cluster knows it.
fn publish(
    spec: &ClusterSpec,
    cluster: &Cluster,
    found: &Found,
    suffix: &str,
    result: &mut Application,
) -> Result<(), Refusal> {
    let balancer = spec
        .nodes
        .iter()
        .find(|node| node.role == Role::LoadBalancer);
    let (Some(wanted), Some(there)) = (balancer, cluster.balancer()) else {
        return Ok(());
    };
    let targets = |port: ContainerPort| {
        let ports = spec.balancer.as_ref().map(|balancer| &balancer.ports);
        ports
            .and_then(|ports| ports.get(&port.balancer_key()))
            .cloned()
            .unwrap_or_default()
    };
    let mut changes = port_changes(&wanted.ports, &there.ports(), targets);
    let forwarded = found.forwarded.clone().unwrap_or_else(|| Config::of([]));
    // Where a port goes may change although it stays published.
    for port in wanted.ports.keys() {
        let key = port.balancer_key().parse().ok();
        let now = key.and_then(|key| forwarded.ports.get(&key));
        let goes: BTreeSet<_> = now.into_iter().flatten().collect();
        let should = targets(*port);
        if !should.iter().all(|node| goes.contains(node))
            && !changes.iter().any(|change| change.port == *port)
            && let Some(binding) = wanted.ports.get(port).and_then(|bindings| bindings.first())
        {
            changes.push(PortChange {
                port: *port,
                binding: binding.clone(),
                targets: should,
                removes: false,
            });
        }
    }
    let published = there.ports();
    for change in &changes {
        let is_there = published.contains_key(&change.port);
        let sign = match (change.removes, is_there) {
            (true, _) => '-',
            (false, true) => '~',
            (false, false) => '+',
        };
        let goes = match change.targets.as_slice() {
            [] => String::new(),
            targets => format!(" to {}", targets.join(", ")),
        };
        let (host, port) = (&change.binding.port, change.port);
        result
            .differences
            .push(format!("{sign} port {host}:{port}{goes}"));
    }
    // New nodes are forwarded to before the file is compared, so both come from one list of changes.
    result
        .steps
        .extend(change_ports(cluster, &changes, &forwarded, suffix)?);
    Ok(())
}

fn port_changes(
    wanted: &PortMap,
    there: &PortMap,
    targets: impl Fn(ContainerPort) -> Vec<String>,
) -> Vec<PortChange> {
    let api = ContainerPort::tcp(names::API_PORT);
    let difference = |from: &PortMap, to: &PortMap, removes: bool| {
        let mut changes = Vec::new();
        for (port, bindings) in from.iter().filter(|(port, _)| **port != api) {
            let others = to.get(port).map(Vec::as_slice).unwrap_or_default();
            for binding in bindings {
                if !others
                    .iter()
                    .any(|other| super::ports::is_same(binding, other))
                {
                    changes.push(PortChange {
                        port: *port,
                        binding: binding.clone(),
                        targets: if removes { Vec::new() } else { targets(*port) },
                        removes,
                    });
                }
            }
        }
        changes
    };
    let mut changes = difference(there, wanted, true);
    changes.extend(difference(wanted, there, false));
    changes
}

/// Nodes beyond the file's counts: those whose names only a count can have given.
fn remove(spec: &ClusterSpec, cluster: &Cluster, server: &str, result: &mut Application) {
    for node in cluster.nodes.iter().filter(|node| node.role.runs_k3s()) {
        let counted = format!("k3d-{}-{}-", cluster.name, node.role);
        let number = node.name.strip_prefix(&counted);
        let is_counted = number.is_some_and(|number| number.parse::<u32>().is_ok());
        if !is_counted || spec.nodes.iter().any(|wanted| wanted.name == node.name) {
            continue;
        }
        result
            .differences
            .push(format!("- {} {}", node.role, node.name));
        result.steps.push(Step::ForgetNode {
            server: server.to_owned(),
            node: kubernetes_name(&node.name, &node.command(), &node.env()),
        });
        result.steps.push(Step::RemoveContainer {
            container: node.name.clone(),
        });
    }
}

/// What the Engine cannot change in a container that is there.
fn compare(
    spec: &ClusterSpec,
    node: &NodeSpec,
    there: &Container,
    around: &Surroundings,
    result: &mut Application,
) {
    let wanted = container::of_node(spec, node, around.habits);
    let mut differs = |what: &str| {
        result.impossible.push(format!(
            "{what} of {} differs; delete the node and apply again, or create the cluster anew",
            node.name
        ));
    };
    if node.image != there.image() && node.role.runs_k3s() {
        differs("image");
    }
    let has = there.env();
    if !node
        .env
        .iter()
        .all(|variable| !variable.contains('=') || has.contains(variable))
    {
        differs("environment");
    }
    let command = there.command();
    if !node.args.iter().all(|arg| command.contains(arg)) {
        differs("arguments");
    }
    let binds = there.binds();
    if !node.volumes.iter().all(|bind| binds.contains(bind)) {
        differs("volumes");
    }
    if node
        .labels
        .iter()
        .any(|(key, value)| there.label(key) != Some(value))
    {
        differs("container labels");
    }
    if node.role.runs_k3s()
        && wanted
            .ports
            .keys()
            .any(|port| !there.ports().contains_key(port))
    {
        differs("ports published directly");
    }
    let memory = there
        .inspected
        .0
        .host_config
        .as_ref()
        .and_then(|host| host.memory);
    if wanted.memory.unwrap_or_default() != memory.unwrap_or_default() {
        differs("memory limit");
    }
}
