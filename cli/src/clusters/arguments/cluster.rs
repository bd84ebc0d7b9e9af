//! `cluster ...`.

use std::time::Duration;

use clap::{Args, Subcommand};
use registries::Secret;

use super::values::{Csv, Waiting, go_bool_or_pods, go_duration, go_integer};
use super::{Changes, Listing};

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Make a cluster and start it.
    Create(Box<Create>),
    /// Start clusters that were stopped.
    Start(Start),
    /// Stop clusters; they keep their state.
    Stop(Stop),
    /// Stop clusters and start them again.
    Restart(Restart),
    /// Delete clusters with everything that was made for them.
    #[command(visible_aliases = ["del", "rm"])]
    Delete(Delete),
    /// List clusters.
    #[command(visible_aliases = ["ls", "get"])]
    List(List),
    /// Add and remove published ports of a running cluster.
    #[command(visible_alias = "update")]
    Edit(Edit),
    /// Bring a cluster to what a config file says; make it when it is not there.
    Apply(Apply),
}

#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "fields are named as the flags")]
pub(crate) struct Create {
    /// Name of the cluster [default: the name in the config file, else k3s-default].
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Config file to begin with; `-` is standard input.
    #[arg(short, long, value_name = "FILE", env = "K3D_CONFIG")]
    pub config: Option<String>,
    /// Where the Kubernetes API is published: [HOST:]HOSTPORT, a number or `random`.
    #[arg(long, value_name = "[HOST:]HOSTPORT")]
    pub api_port: Option<String>,
    /// Environment variable for nodes: KEY[=VALUE][@NODEFILTER[;NODEFILTER...]].
    #[arg(short, long, value_name = "KEY[=VALUE][@NODEFILTER]")]
    pub env: Vec<String>,
    /// Volume for nodes: [SOURCE:]DEST[:OPTIONS][@NODEFILTER[;NODEFILTER...]].
    #[arg(short, long, value_name = "[SOURCE:]DEST[@NODEFILTER]")]
    pub volume: Vec<String>,
    /// Port to publish: [HOST:][HOSTPORT:]CONTAINERPORT[/PROTOCOL][@NODEFILTER].
    #[arg(
        short,
        long,
        value_name = "[HOST:][HOSTPORT:]CONTAINERPORT[/PROTOCOL][@NODEFILTER]"
    )]
    pub port: Vec<String>,
    /// Label for Kubernetes nodes: KEY[=VALUE][@NODEFILTER[;NODEFILTER...]].
    #[arg(long, value_name = "KEY[=VALUE][@NODEFILTER]")]
    pub k3s_node_label: Vec<String>,
    /// Label for containers: KEY[=VALUE][@NODEFILTER[;NODEFILTER...]].
    #[arg(long, value_name = "KEY[=VALUE][@NODEFILTER]")]
    pub runtime_label: Vec<String>,
    /// Ulimit for containers: NAME=SOFT:HARD.
    #[arg(long, value_name = "NAME=SOFT:HARD")]
    pub runtime_ulimit: Vec<String>,
    /// Make a registry together with the cluster: NAME[:HOST][:HOSTPORT].
    #[arg(long, value_name = "NAME[:HOST][:HOSTPORT]")]
    pub registry_create: Option<String>,
    /// The registry of --registry-create listens on the same port inside and outside.
    #[arg(long)]
    pub enforce_registry_port_match: bool,
    /// Name that nodes and pods resolve: IP:HOST[,HOST...].
    #[arg(long, value_name = "IP:HOST[,HOST...]")]
    pub host_alias: Vec<String>,
    /// Argument for k3s: ARG@NODEFILTER[;NODEFILTER...].
    #[arg(long, value_name = "ARG@NODEFILTER")]
    pub k3s_arg: Vec<String>,
    /// Number of servers [default: 1].
    #[arg(short, long, value_name = "NUMBER", value_parser = go_integer)]
    pub servers: Option<i64>,
    /// Number of agents [default: 0].
    #[arg(short, long, value_name = "NUMBER", value_parser = go_integer)]
    pub agents: Option<i64>,
    /// Image of k3s, or latest, stable or +CHANNEL: the newest of a channel (`K3D_CHANNEL_URL` says where channels stand).
    #[arg(short, long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Network to join; it is not deleted with the cluster.
    #[arg(long, value_name = "NETWORK")]
    pub network: Option<String>,
    /// Range of addresses for the cluster's own network, or auto.
    #[arg(long, value_name = "CIDR|auto")]
    pub subnet: Option<String>,
    /// Token by which nodes join [default: 20 random letters].
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<Secret>,
    /// Wait until the API answers and every node is Ready; `pods`: until the system pods run, too [default: true].
    #[arg(long, value_name = "BOOL|pods", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool_or_pods)]
    pub wait: Option<Waiting>,
    /// Give up and undo everything after this time, such as 90s or 5m.
    #[arg(long, value_name = "DURATION", value_parser = go_duration)]
    pub timeout: Option<Duration>,
    /// Merge the cluster's kubeconfig into the default one [default: true].
    #[arg(long)]
    pub kubeconfig_update_default: Option<bool>,
    /// Make the cluster the current context of the default kubeconfig [default: true].
    #[arg(long)]
    pub kubeconfig_switch_context: Option<bool>,
    /// Do without a load balancer before the servers.
    #[arg(long)]
    pub no_lb: Option<bool>,
    /// Leave what was made when something fails.
    #[arg(long)]
    pub no_rollback: Option<bool>,
    /// GPUs for nodes, as `docker run --gpus` takes them.
    #[arg(long, value_name = "GPUS")]
    pub gpus: Option<String>,
    /// Memory limit of servers, such as 1g.
    #[arg(long, value_name = "LIMIT")]
    pub servers_memory: Option<String>,
    /// Memory limit of agents, such as 1g.
    #[arg(long, value_name = "LIMIT")]
    pub agents_memory: Option<String>,
    /// Nodes share the host's process ids.
    #[arg(long)]
    pub host_pid_mode: Option<bool>,
    /// Do without the volume for images that nodes share.
    #[arg(long)]
    pub no_image_volume: Option<bool>,
    /// Registry that is there already and that the cluster uses.
    #[arg(long, value_name = "NAME")]
    pub registry_use: Vec<String>,
    /// A registries.yaml for the nodes.
    #[arg(long, value_name = "FILE", env = "K3D_REGISTRIES_CONFIG")]
    pub registry_config: Option<String>,
    /// Setting of the load balancer: PATH=VALUE.
    #[arg(long, value_name = "PATH=VALUE")]
    pub lb_config_override: Vec<Csv>,
    /// Run Berth's operator in the cluster from the beginning, with the images that the Docker Engine has.
    #[arg(long)]
    pub berth: bool,
    #[command(flatten)]
    pub changes: Changes,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Name of the cluster [default: the name in the config file, else k3s-default].
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Config file that says what the cluster is to be; `-` is standard input.
    #[arg(short, long, value_name = "FILE", env = "K3D_CONFIG", required = true)]
    pub config: Option<String>,
    /// Give up after this time, such as 90s or 5m.
    #[arg(long, value_name = "DURATION", value_parser = go_duration, default_value = "0s")]
    pub timeout: Duration,
    #[command(flatten)]
    pub changes: Changes,
}

/// Which clusters are meant.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Names of clusters [default: k3s-default].
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// All clusters.
    #[arg(short, long)]
    pub all: bool,
}

/// How long a start may take.
#[derive(Debug, Args)]
pub(crate) struct Patience {
    /// Wait until the API answers and every node is Ready; `pods`: until the system pods run, too.
    #[arg(long, value_name = "BOOL|pods", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool_or_pods)]
    pub wait: Waiting,
    /// Give up after this time, such as 90s or 5m; 0s never gives up.
    #[arg(long, value_name = "DURATION", value_parser = go_duration, default_value = "0s")]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub patience: Patience,
    #[command(flatten)]
    pub changes: Changes,
}

#[derive(Debug, Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub changes: Changes,
}

#[derive(Debug, Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub patience: Patience,
    #[command(flatten)]
    pub changes: Changes,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub selection: Selection,
    /// Config file whose cluster is meant; `-` is standard input.
    #[arg(short, long, value_name = "FILE", env = "K3D_CONFIG")]
    pub config: Option<String>,
    #[command(flatten)]
    pub changes: Changes,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Names of clusters [default: all].
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Show the clusters' tokens.
    #[arg(long)]
    pub token: bool,
    #[command(flatten)]
    pub listing: Listing,
}

#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// Name of the cluster.
    #[arg(value_name = "CLUSTER")]
    pub name: String,
    /// Port to publish on the load balancer: [HOST:][HOSTPORT:]CONTAINERPORT[/PROTOCOL][@NODEFILTER].
    #[arg(
        long,
        value_name = "[HOST:][HOSTPORT:]CONTAINERPORT[/PROTOCOL][@NODEFILTER]"
    )]
    pub port_add: Vec<String>,
    /// Port that is no longer published.
    #[arg(
        long,
        value_name = "[HOST:][HOSTPORT:]CONTAINERPORT[/PROTOCOL][@NODEFILTER]",
        conflicts_with = "port_add"
    )]
    pub port_delete: Vec<String>,
    #[command(flatten)]
    pub changes: Changes,
}
