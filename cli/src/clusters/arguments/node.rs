//! `node ...`.

use std::time::Duration;

use clap::{Args, Subcommand};
use registries::Secret;

use super::values::{Csv, Waiting, go_bool_or_pods, go_duration, go_integer};
use super::{Changes, Listing};

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Add nodes to a cluster.
    Create(Box<CreateNode>),
    /// Start a node's container.
    Start(StartNode),
    /// Stop a node's container.
    Stop(StopNode),
    /// Delete nodes' containers.
    Delete(DeleteNode),
    /// List nodes.
    #[command(visible_aliases = ["ls", "get"])]
    List(ListNodes),
    /// Add and remove published ports of a load balancer.
    #[command(visible_alias = "update")]
    Edit(EditNode),
}

#[derive(Debug, Args)]
pub(crate) struct CreateNode {
    /// Containers are named k3d-NAME-0, k3d-NAME-1 and so on.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Number of nodes to add.
    #[arg(long, value_name = "NUMBER", value_parser = go_integer, default_value = "1")]
    pub replicas: i64,
    /// What the nodes are: agent or server.
    #[arg(long, value_name = "ROLE", default_value = "agent")]
    pub role: String,
    /// Cluster to add to: a name, or the https:// address of one that is elsewhere.
    #[arg(short, long, value_name = "CLUSTER", default_value = "k3s-default")]
    pub cluster: String,
    /// Image of k3s [default: that of a node of the cluster].
    #[arg(short, long, value_name = "IMAGE", default_value = "")]
    pub image: String,
    /// Memory limit, such as 1g.
    #[arg(long, value_name = "LIMIT", default_value = "")]
    pub memory: String,
    /// Wait until the nodes are Ready.
    #[arg(long, value_name = "BOOL|pods", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool_or_pods)]
    pub wait: Waiting,
    /// Give up after this time, such as 90s or 5m; 0s never gives up.
    #[arg(long, value_name = "DURATION", value_parser = go_duration, default_value = "0s")]
    pub timeout: Duration,
    /// Label for the containers: KEY=VALUE.
    #[arg(long, value_name = "KEY=VALUE")]
    pub runtime_label: Vec<Csv>,
    /// Ulimit for the containers: NAME=SOFT:HARD.
    #[arg(long, value_name = "NAME=SOFT:HARD")]
    pub runtime_ulimit: Vec<Csv>,
    /// Label for the Kubernetes nodes: KEY=VALUE.
    #[arg(long, value_name = "KEY=VALUE")]
    pub k3s_node_label: Vec<Csv>,
    /// Network to join besides the cluster's.
    #[arg(short, long, value_name = "NETWORK")]
    pub network: Vec<Csv>,
    /// Token by which the nodes join [default: that of the cluster].
    #[arg(short, long, value_name = "TOKEN", default_value = "")]
    pub token: Secret,
    /// Argument for k3s.
    #[arg(long, value_name = "ARG")]
    pub k3s_arg: Vec<String>,
    #[command(flatten)]
    pub changes: Changes,
}

#[derive(Debug, Args)]
pub(crate) struct StartNode {
    /// Names of nodes, with or without k3d-.
    #[arg(value_name = "NODE", required = true)]
    pub nodes: Vec<String>,
    #[command(flatten)]
    pub changes: Changes,
}

#[derive(Debug, Args)]
pub(crate) struct StopNode {
    /// Names of nodes, with or without k3d-.
    #[arg(value_name = "NODE", required = true)]
    pub nodes: Vec<String>,
    #[command(flatten)]
    pub changes: Changes,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteNode {
    /// Names of nodes, with or without k3d-.
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub names: Vec<String>,
    /// All servers, agents and load balancers.
    #[arg(short, long)]
    pub all: bool,
    /// With --all: registries as well.
    #[arg(short, long)]
    pub registries: bool,
    #[command(flatten)]
    pub changes: Changes,
}

#[derive(Debug, Args)]
pub(crate) struct ListNodes {
    /// Names of nodes, with or without k3d- [default: all].
    #[arg(value_name = "NODE")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub listing: Listing,
}

#[derive(Debug, Args)]
pub(crate) struct EditNode {
    /// Name of a load balancer, with or without k3d-.
    #[arg(value_name = "NODE")]
    pub name: String,
    /// Port to publish: [HOST:][HOSTPORT:]CONTAINERPORT[/PROTOCOL].
    #[arg(long, value_name = "[HOST:][HOSTPORT:]CONTAINERPORT[/PROTOCOL]")]
    pub port_add: Vec<String>,
    /// Port that is no longer published.
    #[arg(
        long,
        value_name = "[HOST:][HOSTPORT:]CONTAINERPORT[/PROTOCOL]",
        conflicts_with = "port_add"
    )]
    pub port_delete: Vec<String>,
    #[command(flatten)]
    pub changes: Changes,
}
