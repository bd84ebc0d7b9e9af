//! One container exactly as the Engine is asked for it: what follows from a cluster's specification for each node.

use std::collections::BTreeMap;
use std::fmt;

use crate::cluster::{
    ClusterSpec, ContainerPort, GpuRequest, HostBinding, NodeSpec, PortMap, RegistrySpec, Role,
    Subnet, Ulimit,
};
use crate::names;

#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the Engine's own switches"
)]
/// A container to be made. Labels that tell about the network are added when the network is there.
#[derive(Clone, PartialEq)]
pub struct ContainerSpec {
    pub name: String,
    pub role: Role,
    pub image: String,
    pub entrypoint: Option<Vec<String>>,
    pub command: Vec<String>,
    pub env: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub binds: Vec<String>,
    pub ports: PortMap,
    /// The cluster's network first.
    pub networks: Vec<Attachment>,
    /// `bridge`, or `host` on the host's own network.
    pub network_mode: String,
    /// Whether the labels say which network the cluster is in.
    pub is_member: bool,
    pub restarts: bool,
    pub init: bool,
    pub memory: Option<i64>,
    pub gpus: Option<GpuRequest>,
    pub ulimits: Vec<Ulimit>,
    pub host_pid: bool,
}

impl fmt::Debug for ContainerSpec {
    /// Environment and labels hold the cluster's token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.role, self.image)
    }
}

/// A network that the container is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub network: String,
    pub address: Address,
}

/// Who chooses the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Engine,
    /// The n-th free address of a range that we manage; servers count from 0.
    Server(u32),
    /// This one.
    Fixed(String),
}

/// What the command line of the process adds to every container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// `K3D_DEBUG_DISABLE_DOCKER_INIT` is not set.
    pub init: bool,
    /// Some fix is on, so nodes start by our entrypoint.
    pub entrypoint: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            init: true,
            entrypoint: true,
        }
    }
}

/// The container of the load balancer, of a server or of an agent.
pub fn of_node(cluster: &ClusterSpec, node: &NodeSpec, habits: Habits) -> ContainerSpec {
    let position = position(cluster, node);
    ContainerSpec {
        name: node.name.clone(),
        role: node.role,
        image: node.image.clone(),
        entrypoint: (node.role.runs_k3s() && habits.entrypoint)
            .then(|| vec![names::ENTRYPOINT.to_owned()]),
        command: command(cluster, node, &position),
        env: environment(cluster, node, &position),
        labels: labels(cluster, node, &position),
        binds: binds(cluster, node),
        ports: ports(cluster, node, &position),
        networks: vec![Attachment {
            network: cluster.network.name.clone(),
            address: if node.role == Role::Server && is_managed(&cluster.network.subnet) {
                Address::Server(u32::try_from(position.index).unwrap_or(u32::MAX))
            } else {
                Address::Engine
            },
        }],
        network_mode: if cluster.network.host {
            "host"
        } else {
            "bridge"
        }
        .to_owned(),
        is_member: true,
        restarts: true,
        init: habits.init,
        memory: node.memory,
        gpus: node.gpus.clone().filter(|_| node.role.runs_k3s()),
        ulimits: node.ulimits.clone(),
        host_pid: node.host_pid && node.role.runs_k3s(),
    }
}

/// The container of a registry, for a cluster or for none.
pub fn of_registry(
    registry: &RegistrySpec,
    cluster: Option<&str>,
    habits: Habits,
) -> ContainerSpec {
    let outside = registry
        .port
        .map_or_else(String::new, |port| port.to_string());
    let inside = match registry.port {
        Some(port) if registry.same_port => port,
        _ => names::DEFAULT_REGISTRY_PORT,
    };
    let mut labels = common_labels(Role::Registry, cluster.unwrap_or_default());
    labels.extend([
        (names::LABEL_REGISTRY_HOST.to_owned(), registry.host.clone()),
        (
            names::LABEL_REGISTRY_HOST_IP.to_owned(),
            registry.host_ip.to_string(),
        ),
        (
            names::LABEL_REGISTRY_PORT_EXTERNAL.to_owned(),
            outside.clone(),
        ),
        (
            names::LABEL_REGISTRY_PORT_INTERNAL.to_owned(),
            inside.to_string(),
        ),
    ]);
    ContainerSpec {
        name: registry.name.clone(),
        role: Role::Registry,
        image: registry.image.clone(),
        entrypoint: None,
        command: Vec::new(),
        env: registry_environment(registry, inside),
        labels,
        binds: registry.volumes.clone(),
        ports: PortMap::from([(
            ContainerPort::tcp(inside),
            vec![HostBinding {
                ip: registry.host_ip.to_string(),
                port: outside,
            }],
        )]),
        networks: vec![Attachment {
            network: registry.network.clone(),
            address: Address::Engine,
        }],
        network_mode: "bridge".to_owned(),
        is_member: false,
        restarts: true,
        init: habits.init,
        memory: None,
        gpus: None,
        ulimits: Vec::new(),
        host_pid: false,
    }
}

/// Where a node stands among those of its role.
struct Position {
    index: usize,
    /// How many servers there are.
    servers: usize,
}

impl Position {
    fn initializes(&self, role: Role) -> bool {
        role == Role::Server && self.index == 0 && self.servers > 1
    }
}

fn position(cluster: &ClusterSpec, node: &NodeSpec) -> Position {
    let of_role = |role| cluster.nodes.iter().filter(move |other| other.role == role);
    Position {
        index: of_role(node.role)
            .position(|other| other.name == node.name)
            .unwrap_or(0),
        servers: of_role(Role::Server).count(),
    }
}

fn is_managed(subnet: &Subnet) -> bool {
    !matches!(subnet, Subnet::Engine)
}

fn command(cluster: &ClusterSpec, node: &NodeSpec, position: &Position) -> Vec<String> {
    let word = match node.role {
        Role::Server => "server",
        Role::Agent => "agent",
        _ => return Vec::new(),
    };
    let mut command = vec![word.to_owned()];
    command.extend(node.args.iter().cloned());
    if position.initializes(node.role) {
        command.push("--cluster-init".to_owned());
    }
    for label in &node.node_labels {
        command.extend(["--node-label".to_owned(), label.clone()]);
    }
    if node.role == Role::Server {
        command.extend(["--tls-san".to_owned(), cluster.api.host.clone()]);
        if cluster.balancer.is_some() {
            command.extend(["--tls-san".to_owned(), names::load_balancer(&cluster.name)]);
        }
    }
    command
}

fn environment(cluster: &ClusterSpec, node: &NodeSpec, position: &Position) -> Vec<String> {
    let mut env = node.env.clone();
    if node.role.runs_k3s() {
        env.push(format!("K3S_TOKEN={}", cluster.token.expose()));
    }
    if node.role == Role::Agent || (node.role == Role::Server && position.index > 0) {
        let first = names::server(&cluster.name, 0);
        env.push(format!("K3S_URL={}", names::join_url(&first)));
    }
    env.push(kubeconfig_output());
    env
}

fn kubeconfig_output() -> String {
    format!("K3S_KUBECONFIG_OUTPUT={}", names::KUBECONFIG_PATH)
}

/// What every container of ours says of itself.
pub fn common_labels(role: Role, cluster: &str) -> BTreeMap<String, String> {
    [
        (names::LABEL_APP, names::APP),
        (names::LABEL_VERSION, names::K3D_VERSION),
        (names::LABEL_ROLE, role.as_str()),
        (names::LABEL_CLUSTER, cluster),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

fn labels(cluster: &ClusterSpec, node: &NodeSpec, position: &Position) -> BTreeMap<String, String> {
    let mut labels = node.labels.clone();
    labels.extend(common_labels(node.role, &cluster.name));
    let mut put = |key: &str, value: String| labels.insert(key.to_owned(), value);
    let first = names::server(&cluster.name, 0);
    put(names::LABEL_CLUSTER_URL, names::join_url(&first));
    put(
        names::LABEL_CLUSTER_TOKEN,
        cluster.token.expose().to_owned(),
    );
    put(names::LABEL_NETWORK, cluster.network.name.clone());
    let balancer = cluster.balancer.is_some();
    put(
        names::LABEL_LOAD_BALANCER,
        if balancer {
            names::load_balancer(&cluster.name)
        } else {
            String::new()
        },
    );
    if cluster.image_volume {
        put(
            names::LABEL_IMAGE_VOLUME,
            names::image_volume(&cluster.name),
        );
    }
    if !cluster.host_aliases.is_empty() {
        let aliases = serde_json::to_string(&cluster.host_aliases).unwrap_or_default();
        put(names::LABEL_HOST_ALIASES, aliases);
    }
    if node.role == Role::Server {
        put(names::LABEL_API_HOST, cluster.api.host.clone());
        put(names::LABEL_API_HOST_IP, cluster.api.host_ip.to_string());
        put(names::LABEL_API_PORT, cluster.api.port.to_string());
        if position.servers > 1 {
            put(names::LABEL_SERVER_INIT, (position.index == 0).to_string());
        }
    }
    labels
}

fn binds(cluster: &ClusterSpec, node: &NodeSpec) -> Vec<String> {
    let mut binds = node.volumes.clone();
    if cluster.image_volume {
        let volume = names::image_volume(&cluster.name);
        binds.push(format!("{volume}:{}", names::IMAGE_VOLUME_PATH));
    }
    binds
}

/// The node's own ports, and the API's on the load balancer or else on the first server.
fn ports(cluster: &ClusterSpec, node: &NodeSpec, position: &Position) -> PortMap {
    if cluster.network.host {
        return PortMap::new();
    }
    let mut ports = node.ports.clone();
    let serves_api = match node.role {
        Role::LoadBalancer => true,
        Role::Server => cluster.balancer.is_none() && position.index == 0,
        _ => false,
    };
    if serves_api {
        let api = HostBinding {
            ip: cluster.api.host_ip.to_string(),
            port: cluster.api.port.to_string(),
        };
        let bindings = ports
            .entry(ContainerPort::tcp(names::API_PORT))
            .or_default();
        if !bindings.contains(&api) {
            bindings.push(api);
        }
    }
    ports
}

fn registry_environment(registry: &RegistrySpec, inside: u16) -> Vec<String> {
    let mut env = Vec::new();
    if let Some(proxy) = &registry.proxy {
        env.push(format!("REGISTRY_PROXY_REMOTEURL={}", proxy.remote_url));
        env.push(format!("REGISTRY_PROXY_USERNAME={}", proxy.username));
        let password = proxy.password.expose();
        env.push(format!("REGISTRY_PROXY_PASSWORD={password}"));
    }
    if registry.delete_enabled {
        env.push("REGISTRY_STORAGE_DELETE_ENABLED=true".to_owned());
    }
    if registry.same_port {
        env.push(format!("REGISTRY_HTTP_ADDR=:{inside}"));
    }
    env.push(kubeconfig_output());
    env
}
