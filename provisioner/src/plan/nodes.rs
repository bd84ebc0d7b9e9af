//! The steps that add nodes to a cluster and take them away.

use std::collections::BTreeMap;

use registries::Secret;

use super::create::{limit_memory, meminfo, node_folder};
use super::kubernetes::{has_kubelet, kubernetes_name};
use super::lifecycle::has_folder;
use super::refusal::Refusal;
use super::{Surroundings, together};
use crate::balancer::config::Config;
use crate::cluster::{PortMap, Role, Ulimit, Wait};
use crate::container::{Address, Attachment, ContainerSpec, common_labels};
use crate::names;
use crate::observed::{Cluster, Container};
use crate::step::{Ready, Step};

/// Nodes that are added, alike but for their numbers.
#[derive(Clone, Debug)]
pub struct Addition {
    /// `k3d-<name>-<number>` are made.
    pub name: String,
    pub replicas: usize,
    pub role: Role,
    /// `None`: that of a node which is there.
    pub image: Option<String>,
    pub memory: Option<i64>,
    pub labels: BTreeMap<String, String>,
    pub ulimits: Vec<Ulimit>,
    pub node_labels: Vec<String>,
    /// Networks besides the cluster's.
    pub networks: Vec<String>,
    pub token: Option<Secret>,
    pub args: Vec<String>,
    pub wait: Wait,
}

impl Addition {
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        let name = names::prefixed(&self.name);
        (0..self.replicas).map(move |number| format!("{name}-{number}"))
    }
}

/// `forwarded` is what the load balancer has in its file now.
pub fn add_nodes(
    cluster: &Cluster,
    addition: &Addition,
    forwarded: Option<&Config>,
    around: &Surroundings,
) -> Result<Vec<Step>, Refusal> {
    check(cluster, addition)?;
    let source = source(cluster, addition.role).ok_or_else(|| Refusal::NoNodes {
        cluster: cluster.name.clone(),
    })?;
    let image = addition.image.clone().unwrap_or_else(|| source.image());
    let mut steps = vec![Step::EnsureImage { image }];
    let mut made = Vec::new();
    let mut written = Vec::new();
    let mut started = Vec::new();
    for name in addition.names() {
        let mut spec = container(cluster, source, addition, &name);
        steps.extend(node_folder(&name, spec.memory, around));
        limit_memory(&mut spec, around);
        if let (Some(bytes), None) = (spec.memory, &around.node_folder) {
            written.push(Step::WriteFiles {
                container: name.clone(),
                files: vec![meminfo(bytes)],
            });
        }
        written.push(Step::CopyFile {
            from: source.name.clone(),
            to: name.clone(),
            path: names::REGISTRIES_PATH.to_owned(),
        });
        if spec.entrypoint.is_some() {
            written.push(Step::WriteEntrypoint {
                container: name.clone(),
                aliases: cluster.host_aliases(),
            });
        }
        started.push(Step::Start {
            container: name,
            until: if addition.wait == Wait::No {
                Ready::Started
            } else {
                Ready::of_role(addition.role)
            },
        });
        made.push(spec);
    }
    let nodes: Vec<String> = made
        .iter()
        .filter(|spec| has_kubelet(spec.role, &spec.command))
        .map(|spec| kubernetes_name(&spec.name, &spec.command, &spec.env))
        .collect();
    together(
        &mut steps,
        made.into_iter()
            .map(|spec| Step::CreateContainer(Box::new(spec)))
            .collect(),
    );
    together(&mut steps, written);
    // Each new server changes the members of etcd, which takes one change at a time.
    if addition.role == Role::Server {
        steps.extend(started);
    } else {
        together(&mut steps, started);
    }
    if let (Wait::Nodes | Wait::Pods, Some(server)) = (addition.wait, cluster.api_server()) {
        steps.push(Step::WaitForNodes {
            server: server.name.clone(),
            nodes,
            wait: addition.wait,
        });
    }
    let names: Vec<String> = addition.names().collect();
    steps.extend(forward_to_new(cluster, addition.role, forwarded, &names));
    Ok(steps)
}

fn check(cluster: &Cluster, addition: &Addition) -> Result<(), Refusal> {
    if addition.replicas == 0 {
        return Err(Refusal::NothingAsked);
    }
    if let Some(name) = addition
        .names()
        .find(|name| cluster.nodes.iter().any(|node| node.name == *name))
    {
        return Err(Refusal::NameTaken { name });
    }
    let servers = cluster.servers().count();
    if addition.role == Role::Server && servers == 1 && cluster.initializing_server().is_none() {
        return Err(Refusal::SingleServer {
            cluster: cluster.name.clone(),
        });
    }
    Ok(())
}

/// The node that new ones are copied from: one of the same role, else any that runs k3s.
fn source(cluster: &Cluster, role: Role) -> Option<&Container> {
    let nodes = || cluster.nodes.iter().filter(|node| node.role.runs_k3s());
    nodes()
        .find(|node| node.role == role)
        .or_else(|| nodes().next())
}

fn container(
    cluster: &Cluster,
    source: &Container,
    addition: &Addition,
    name: &str,
) -> ContainerSpec {
    let alike = source.role == addition.role;
    let host = source.inspected.0.host_config.clone().unwrap_or_default();
    let memory = addition
        .memory
        .or(host.memory.filter(|&bytes| alike && bytes > 0));
    let networks = std::iter::once(cluster.network()).chain(addition.networks.iter().cloned());
    ContainerSpec {
        name: name.to_owned(),
        role: addition.role,
        image: addition.image.clone().unwrap_or_else(|| source.image()),
        entrypoint: source
            .starts_by_entrypoint()
            .then(|| vec![names::ENTRYPOINT.to_owned()]),
        command: command(cluster, source, addition),
        env: environment(cluster, source, addition),
        labels: labels(source, addition),
        binds: source
            .binds()
            .into_iter()
            .filter(|bind| !is_own_file(bind))
            .collect(),
        ports: PortMap::new(),
        networks: networks
            .map(|network| Attachment {
                network,
                address: Address::Engine,
            })
            .collect(),
        network_mode: "bridge".to_owned(),
        is_member: false,
        restarts: true,
        init: source.habits().init,
        memory,
        gpus: None,
        ulimits: addition.ulimits.clone(),
        host_pid: alike && host.pid_mode.as_deref() == Some("host"),
    }
}

/// Files that were made for one node alone.
fn is_own_file(bind: &str) -> bool {
    bind.ends_with(":/proc/meminfo:ro") || bind.ends_with(":/sys/devices/system/edac:ro")
}

fn command(cluster: &Cluster, source: &Container, addition: &Addition) -> Vec<String> {
    let mut command = if source.role == addition.role {
        source.command()
    } else {
        vec![addition.role.as_str().to_owned()]
    };
    command.retain(|word| word != "--cluster-init");
    for label in &addition.node_labels {
        command.extend(["--node-label".to_owned(), label.clone()]);
    }
    if addition.role == Role::Server {
        let balancer = cluster.balancer().map(|balancer| balancer.name.clone());
        let host = cluster.label(names::LABEL_API_HOST).map(str::to_owned);
        for name in host.into_iter().chain(balancer) {
            if !command.contains(&name) {
                command.extend(["--tls-san".to_owned(), name]);
            }
        }
    }
    command.extend(addition.args.iter().cloned());
    command
}

fn environment(cluster: &Cluster, source: &Container, addition: &Addition) -> Vec<String> {
    let mut env = source.env();
    let url = env
        .iter()
        .find_map(|variable| variable.strip_prefix("K3S_URL="))
        .and_then(host_of)
        .filter(|host| cluster.nodes.iter().any(|node| node.name == *host))
        .map(str::to_owned)
        .or_else(|| cluster.balancer().map(|balancer| balancer.name.clone()))
        .or_else(|| cluster.servers().next().map(|server| server.name.clone()));
    env.retain(|variable| !variable.starts_with("K3S_URL="));
    env.extend(url.map(|host| format!("K3S_URL={}", names::join_url(&host))));
    if let Some(token) = &addition.token {
        env.retain(|variable| !variable.starts_with("K3S_TOKEN="));
        env.push(format!("K3S_TOKEN={}", token.expose()));
    }
    env
}

fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    rest.split([':', '/']).next()
}

fn labels(source: &Container, addition: &Addition) -> BTreeMap<String, String> {
    let mut labels = source.labels();
    // Addresses belong to one container, and only one server of a cluster initializes it.
    labels.remove(names::LABEL_STATIC_IP);
    if addition.role == Role::Server {
        labels.insert(names::LABEL_SERVER_INIT.to_owned(), "false".to_owned());
    } else {
        for key in [
            names::LABEL_SERVER_INIT,
            names::LABEL_API_HOST,
            names::LABEL_API_HOST_IP,
            names::LABEL_API_PORT,
        ] {
            labels.remove(key);
        }
    }
    labels.extend(common_labels(addition.role, &source.cluster));
    if let Some(token) = &addition.token {
        labels.insert(
            names::LABEL_CLUSTER_TOKEN.to_owned(),
            token.expose().to_owned(),
        );
    }
    let mut all = addition.labels.clone();
    all.extend(labels);
    all
}

/// Ports that went to every node of the role go to the new ones as well; everything else stays as it was set.
fn forward_to_new(
    cluster: &Cluster,
    role: Role,
    forwarded: Option<&Config>,
    new: &[String],
) -> Option<Step> {
    let balancer = cluster.balancer()?;
    let forwarded = forwarded?;
    let mut peers: Vec<String> = cluster
        .with_role(role)
        .map(|node| node.name.clone())
        .collect();
    let mut config = forwarded.clone();
    for name in new {
        if role == Role::Server {
            config.add_server(name, &peers);
        } else {
            config.add_agent(name, &peers);
        }
        peers.push(name.clone());
    }
    (config != *forwarded).then(|| Step::WriteBalancer {
        container: balancer.name.clone(),
        config,
        reload: balancer.is_running(),
    })
}

/// The containers, and what pointed at them. All are of this cluster, or of none that is known.
pub fn remove_nodes(
    cluster: Option<&Cluster>,
    nodes: &[&Container],
    forwarded: Option<&Config>,
    around: &Surroundings,
) -> Vec<Step> {
    let goes = |name: &str| nodes.iter().any(|node| node.name == name);
    let removals = nodes.iter().map(|node| Step::RemoveContainer {
        container: node.name.clone(),
    });
    let mut steps = Vec::new();
    together(&mut steps, removals.collect());
    if around.node_folder.is_some() {
        let limited = nodes.iter().filter(|node| has_folder(node));
        steps.extend(limited.map(|node| Step::RemoveNodeFolder {
            node: node.name.clone(),
        }));
    }
    let balancer = cluster
        .and_then(Cluster::balancer)
        .filter(|balancer| !goes(&balancer.name));
    if let (Some(balancer), Some(forwarded)) = (balancer, forwarded) {
        let mut config = forwarded.clone();
        for node in nodes {
            config.remove_node(&node.name);
        }
        if config != *forwarded {
            steps.push(Step::WriteBalancer {
                container: balancer.name.clone(),
                config,
                reload: balancer.is_running(),
            });
        }
    }
    steps
}
