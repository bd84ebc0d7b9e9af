//! The command line of `berth pulls`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

/// Show the image pulls of a cluster's nodes, as Berth's tracer sees them.
///
/// The tracer is asked through the API server that the kubeconfig names, or at `--server`. Exit codes: 0 answered,
/// 1 the tracer does not answer, 2 bad usage.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Pulls {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub filter: Filter,
    /// Follow the pulls: bars on a terminal, lines elsewhere. Ends with Ctrl-C.
    #[arg(short, long)]
    pub watch: bool,
    /// How the pulls are printed; with --watch, json is one event a line.
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: Format,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Wait until a pod has all its images: exit code 0 when it has, 1 when a pull failed, 3 when the time is up.
    Wait(Wait),
}

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The pod, as NAME or NAMESPACE/NAME.
    pub pod: String,
    /// Namespace of the pod.
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// How long to wait, in the units of Go: 90s, 10m, 1h30m.
    #[arg(long, default_value = "10m", value_parser = crate::clusters::arguments::values::go_duration)]
    pub timeout: Duration,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Filter {
    /// Only pulls of this node.
    #[arg(long)]
    pub node: Option<String>,
    /// Only pulls that this pod waits for, as NAME or NAMESPACE/NAME.
    #[arg(long)]
    pub pod: Option<String>,
    /// Only pulls that pods of this namespace wait for.
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// Only images whose name contains this.
    #[arg(long)]
    pub image: Option<String>,
    /// Only pulls in this state.
    #[arg(long, value_enum)]
    pub state: Option<State>,
}

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Address of the tracer's server; without it the kubeconfig's API server forwards to the tracer's Service.
    #[arg(
        long = "server",
        id = "server",
        value_name = "URL",
        env = "BERTH_TRACER_SERVER"
    )]
    pub address: Option<String>,
    /// File with a bearer token for `--server`.
    #[arg(long, value_name = "FILE", requires = "server")]
    pub token_file: Option<PathBuf>,
    /// The tracer's Service; without it the one that carries the chart's labels.
    #[arg(
        long,
        value_name = "NAMESPACE/NAME",
        env = "BERTH_TRACER_SERVICE",
        conflicts_with = "server"
    )]
    pub service: Option<String>,
    /// The kubeconfig; without it $KUBECONFIG, then ~/.kube/config.
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[arg(long, conflicts_with = "server")]
    pub context: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table.
    Table,
    /// The table with digests and endpoints.
    Wide,
    /// The server's answer.
    Json,
    /// The same as YAML.
    Yaml,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// Goes on.
    Active,
    /// The image is there.
    Succeeded,
    /// The image is not there.
    Failed,
}
