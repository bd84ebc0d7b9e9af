//! What a cluster is to be: what configuration ends in and plans begin with.
//!
//! ```text
//! config file, flags, environment --config::transform--> ClusterSpec --plan--> steps --run--> containers
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use registries::Secret;
use serde::{Deserialize, Serialize};

/// The part that a container plays; the text is the value of its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Server,
    Agent,
    #[serde(rename = "loadbalancer")]
    LoadBalancer,
    Registry,
    /// Helpers of k3d that end with the command that started them.
    #[serde(rename = "noRole")]
    None,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Agent => "agent",
            Self::LoadBalancer => "loadbalancer",
            Self::Registry => "registry",
            Self::None => "noRole",
        }
    }

    /// The role that a label names; whatever is not known has none.
    pub fn of_label(text: &str) -> Self {
        match text {
            "server" => Self::Server,
            "agent" => Self::Agent,
            "loadbalancer" => Self::LoadBalancer,
            "registry" => Self::Registry,
            _ => Self::None,
        }
    }

    /// Whether k3s runs in containers of this role.
    pub fn runs_k3s(self) -> bool {
        matches!(self, Self::Server | Self::Agent)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A whole cluster, checked: whatever is in here can be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSpec {
    pub name: String,
    /// Shared by the nodes; made up by the caller when the user gave none.
    pub token: Secret,
    pub network: NetworkSpec,
    pub api: ApiExposure,
    /// The load balancer if there is one, then servers, then agents.
    pub nodes: Vec<NodeSpec>,
    /// What the load balancer forwards, `6443.tcp` included; `None` without a load balancer.
    pub balancer: Option<BalancerSpec>,
    /// Whether nodes share a volume for images.
    pub image_volume: bool,
    pub host_aliases: Vec<HostAlias>,
    pub registries: RegistriesSpec,
    pub options: CreateOptions,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSpec {
    pub name: String,
    /// The network of the host itself: one node, nothing published, no load balancer.
    pub host: bool,
    pub subnet: Subnet,
}

/// Who chooses addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subnet {
    /// The Engine.
    Engine,
    /// We do, in the range that the Engine would have taken.
    Auto,
    /// We do, in this range (`172.28.0.0/16`).
    Range(String),
}

/// Where the Kubernetes API can be reached from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiExposure {
    /// As it stands in kubeconfigs and certificates.
    pub host: String,
    /// The address that is bound.
    pub host_ip: IpAddr,
    pub port: u16,
}

/// One container of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSpec {
    /// Name of the container, its host name, and the name of the Kubernetes node.
    pub name: String,
    pub role: Role,
    pub image: String,
    /// Arguments of k3s from the user, in order, without `server` or `agent`.
    pub args: Vec<String>,
    /// `KEY=VALUE` or `KEY`, in order.
    pub env: Vec<String>,
    /// Binds as Docker writes them, shortcuts expanded.
    pub volumes: Vec<String>,
    /// Ports that are published on this very container.
    pub ports: PortMap,
    /// Labels of the container from the user.
    pub labels: BTreeMap<String, String>,
    /// `KEY=VALUE` for the Kubernetes node.
    pub node_labels: Vec<String>,
    /// Bytes.
    pub memory: Option<i64>,
    pub gpus: Option<GpuRequest>,
    pub ulimits: Vec<Ulimit>,
    pub host_pid: bool,
    /// Written before the first start.
    pub files: Vec<NodeFile>,
}

impl NodeSpec {
    /// A node with nothing but these.
    pub fn new(name: impl Into<String>, role: Role, image: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            role,
            image: image.into(),
            args: Vec::new(),
            env: Vec::new(),
            volumes: Vec::new(),
            ports: PortMap::new(),
            labels: BTreeMap::new(),
            node_labels: Vec::new(),
            memory: None,
            gpus: None,
            ulimits: Vec::new(),
            host_pid: false,
            files: Vec::new(),
        }
    }
}

/// Published ports: from a container's port to the host's.
pub type PortMap = BTreeMap<ContainerPort, Vec<HostBinding>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerPort {
    pub port: u16,
    pub protocol: Protocol,
}

impl ContainerPort {
    pub fn tcp(port: u16) -> Self {
        Self {
            port,
            protocol: Protocol::Tcp,
        }
    }

    /// The key of a load balancer's configuration: `80.tcp`.
    pub fn balancer_key(self) -> String {
        format!("{}.{}", self.port, self.protocol)
    }
}

impl fmt::Display for ContainerPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// One address and port of the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostBinding {
    /// Empty: every address.
    pub ip: String,
    /// A number, a range (`8000-8010`: the Engine takes a free one), or empty (the Engine takes any).
    pub port: String,
}

/// What the load balancer forwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalancerSpec {
    /// From `<port>.<protocol>` to the names of nodes.
    pub ports: BTreeMap<String, Vec<String>>,
    /// `settings.workerConnections`, if the user gave it.
    pub worker_connections: Option<u32>,
    /// `settings.defaultProxyTimeout` in seconds, if the user gave it.
    pub proxy_timeout: Option<u32>,
}

/// What `--gpus` asks for, as the Engine takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpuRequest {
    pub driver: String,
    /// -1: all.
    pub count: i64,
    pub device_ids: Vec<String>,
    pub capabilities: Vec<Vec<String>>,
    pub options: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ulimit {
    pub name: String,
    pub soft: i64,
    pub hard: i64,
}

/// A file that is put into a container before it starts.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeFile {
    /// Absolute.
    pub path: String,
    pub mode: u32,
    pub content: Vec<u8>,
}

impl fmt::Debug for NodeFile {
    /// Files may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({:04o}, {} bytes)",
            self.path,
            self.mode,
            self.content.len()
        )
    }
}

/// A name that nodes and pods resolve to this address; the JSON is that of a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAlias {
    pub ip: String,
    pub hostnames: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistriesSpec {
    pub create: Option<RegistrySpec>,
    /// Names of containers, with or without `k3d-`.
    pub using: Vec<String>,
    /// A registries.yaml from the user.
    pub config: Option<Document>,
}

/// A text that may hold credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Document(pub String);

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A registry's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySpec {
    /// Name of the container, as it is.
    pub name: String,
    pub image: String,
    /// As it is shown to users; may be empty.
    pub host: String,
    pub host_ip: IpAddr,
    /// `None`: the Engine takes any.
    pub port: Option<u16>,
    /// The registry listens on the host's port inside its container, too.
    pub same_port: bool,
    pub volumes: Vec<String>,
    pub proxy: Option<RegistryProxy>,
    pub delete_enabled: bool,
    /// The network that it is in before any cluster uses it.
    pub network: String,
}

/// The registry that is cached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryProxy {
    pub remote_url: String,
    pub username: String,
    pub password: Secret,
}

/// What to do around the creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateOptions {
    pub wait: Wait,
    /// Bounds the whole creation.
    pub timeout: Option<Duration>,
    /// Whether a failed creation is undone.
    pub rollback: bool,
    pub update_kubeconfig: bool,
    pub switch_context: bool,
}

/// What a command waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Nothing but the start of containers.
    No,
    /// The API answers, every node is registered and, where a kubelet runs, Ready.
    Nodes,
    /// As [`Wait::Nodes`], and the pods of the system run.
    Pods,
}
