//! `registry ...`.

use clap::{Args, Subcommand};
use registries::Secret;

use super::{Changes, Listing};

/// The image of a registry that answers from the Docker Engine.
const GATEWAY_IMAGE: &str = concat!("berth-gateway:", env!("CARGO_PKG_VERSION"));

#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    /// Make a registry and start it.
    Create(CreateRegistry),
    /// Delete registries.
    #[command(visible_aliases = ["del", "rm"])]
    Delete(DeleteRegistry),
    /// List registries.
    #[command(visible_aliases = ["ls", "get"])]
    List(ListRegistries),
    /// Start registries that were stopped.
    Start(SelectRegistries),
    /// Stop registries.
    Stop(SelectRegistries),
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "a field is a flag")]
pub(crate) struct CreateRegistry {
    /// The container is named k3d-NAME [default: registry].
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Cluster whose network the registry joins.
    #[arg(short, long, value_name = "CLUSTER", hide = true)]
    pub cluster: Vec<String>,
    /// Image of the registry.
    #[arg(
        short,
        long,
        value_name = "IMAGE",
        default_value = "docker.io/library/registry:2",
        default_value_if("from_docker", "true", GATEWAY_IMAGE)
    )]
    pub image: String,
    /// Answer from the Docker Engine's own images: the gateway's image, with the Engine's socket.
    #[arg(long, conflicts_with_all = ["proxy_remote_url", "proxy_username", "proxy_password"])]
    pub from_docker: bool,
    /// Where the registry is published: [HOST:]HOSTPORT, a number or `random`.
    #[arg(short, long, value_name = "[HOST:]HOSTPORT", default_value = "random")]
    pub port: String,
    /// Volume for the registry: [SOURCE:]DEST.
    #[arg(short, long, value_name = "[SOURCE:]DEST")]
    pub volume: Vec<String>,
    /// Network that the registry is in before any cluster uses it.
    #[arg(long, value_name = "NETWORK", default_value = "bridge")]
    pub default_network: String,
    /// Address of the registry that this one caches.
    #[arg(long, value_name = "URL", default_value = "")]
    pub proxy_remote_url: String,
    /// User for the registry that this one caches.
    #[arg(long, value_name = "USER", default_value = "")]
    pub proxy_username: String,
    /// Password for the registry that this one caches.
    #[arg(
        long,
        value_name = "PASSWORD",
        default_value = "",
        hide_default_value = true
    )]
    pub proxy_password: Secret,
    /// Leave the how-to text out.
    #[arg(long)]
    pub no_help: bool,
    /// Images may be deleted.
    #[arg(long)]
    pub delete_enabled: bool,
    /// The registry listens on the same port inside and outside.
    #[arg(long)]
    pub enforce_port_match: bool,
    #[command(flatten)]
    pub changes: Changes,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteRegistry {
    /// Names of registries, with or without k3d-.
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub names: Vec<String>,
    /// All registries.
    #[arg(short, long)]
    pub all: bool,
    #[command(flatten)]
    pub changes: Changes,
}

#[derive(Debug, Args)]
pub(crate) struct ListRegistries {
    /// Names of registries, with or without k3d- [default: all].
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub listing: Listing,
}

/// Without names nothing is done: in k3d these two commands are not finished and print help.
#[derive(Debug, Args)]
pub(crate) struct SelectRegistries {
    /// Names of registries, with or without k3d-.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub changes: Changes,
}
