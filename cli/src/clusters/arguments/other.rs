//! `config ...`, `version ...`, `debug ...` and the values of `completion`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Document;
use super::values::go_integer;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write a config file to begin with.
    #[command(visible_alias = "create")]
    Init(Init),
    /// Bring a config file to the newest version.
    #[command(visible_alias = "update")]
    Migrate(Migrate),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// File to write; `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "k3d-default.yaml")]
    pub output: PathBuf,
    /// Replace a file that is there.
    #[arg(short, long)]
    pub force: bool,
    /// Show what would be written and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Config file to read; `-` is standard input.
    #[arg(value_name = "INPUT")]
    pub input: PathBuf,
    /// File to write [default: standard output].
    #[arg(value_name = "OUTPUT")]
    pub output: Option<PathBuf>,
    /// Show what would be written and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Version {
    /// json; two lines of text otherwise.
    #[arg(short, long, value_name = "FORMAT", default_value = "")]
    pub output: String,
    #[command(subcommand)]
    pub command: Option<VersionCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VersionCommand {
    /// List the versions that there are of a component, from its registry or the one at `K3D_REGISTRY_URL`.
    #[command(visible_alias = "ls")]
    List(Tags),
}

#[derive(Debug, Args)]
pub(crate) struct Tags {
    /// What to list the versions of.
    #[arg(value_enum)]
    pub component: Component,
    /// Pattern of versions to show.
    #[arg(short, long, value_name = "REGEXP", default_value = ".*")]
    pub include: String,
    /// Pattern of versions to leave out.
    #[arg(
        short,
        long,
        value_name = "REGEXP",
        default_value = "^sha-|.+(rc|engine|dind|alpha|beta|dev|test|arm|arm64|amd64|s390x).*"
    )]
    pub exclude: String,
    /// Older name of --output.
    #[arg(short, long, value_enum, hide = true, conflicts_with = "output")]
    pub format: Option<VersionFormat>,
    /// raw: the version alone; repo: the whole image reference.
    #[arg(short, long, value_enum, default_value = "raw")]
    pub output: VersionFormat,
    /// Order of versions.
    #[arg(short, long, value_enum, default_value = "desc")]
    pub sort: Order,
    /// Number of versions to show; 0 shows all.
    #[arg(short, long, value_name = "NUMBER", value_parser = go_integer, default_value = "0")]
    pub limit: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Component {
    K3d,
    K3s,
    #[value(name = "k3d-proxy")]
    Proxy,
    #[value(name = "k3d-tools")]
    Tools,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VersionFormat {
    Raw,
    Repo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    Desc,
    Asc,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompletionShell {
    Bash,
    Zsh,
    Fish,
    #[value(alias = "psh")]
    Powershell,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Debug {
    /// Look into load balancers.
    #[command(visible_alias = "lb")]
    Loadbalancer {
        #[command(subcommand)]
        command: Option<LoadBalancerCommand>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LoadBalancerCommand {
    /// Print what a cluster's load balancer forwards.
    GetConfig {
        /// Name of the cluster.
        #[arg(value_name = "CLUSTERNAME")]
        cluster: String,
        #[command(flatten)]
        document: Document,
    },
}
