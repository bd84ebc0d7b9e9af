//! The command tree that is shared with k3d: every command and flag, declared.
//!
//! Switches are declared as plain `bool` fields and lists that split at commas as [`values::Csv`]; [`super::dialect`]
//! gives all of them the manners of k3d's command line (`--x=false`, the last of several wins, ...).

mod cluster;
mod image;
mod kubeconfig;
mod node;
mod other;
mod registry;
pub(crate) mod values;

use clap::{Args, Subcommand, ValueEnum};

pub(crate) use cluster::{
    Apply, ClusterCommand, Create, Delete, Edit, List, Patience, Restart, Selection, Start, Stop,
};
pub(crate) use image::{ImageCommand, Import};
pub(crate) use kubeconfig::{Get, KubeconfigCommand, Merge};
pub(crate) use node::{
    CreateNode, DeleteNode, EditNode, ListNodes, NodeCommand, StartNode, StopNode,
};
pub(crate) use other::{
    CompletionShell, Component, ConfigCommand, Debug as DebugCommand, Init, LoadBalancerCommand,
    Migrate, Order, Tags, Version, VersionCommand, VersionFormat,
};
pub(crate) use registry::{
    CreateRegistry, DeleteRegistry, ListRegistries, RegistryCommand, SelectRegistries,
};

/// What k3d's command line knows. `Option`: a group alone prints its help.
#[derive(Debug, Subcommand)]
pub(crate) enum Tree {
    /// Make, list, start, stop, change and delete clusters.
    Cluster {
        #[command(subcommand)]
        command: Option<ClusterCommand>,
    },
    /// Make, list, start, stop, change and delete single nodes.
    Node {
        #[command(subcommand)]
        command: Option<NodeCommand>,
    },
    /// Make, list, start, stop and delete registries that clusters can use.
    #[command(visible_aliases = ["registries", "reg"])]
    Registry {
        #[command(subcommand)]
        command: Option<RegistryCommand>,
    },
    /// Bring container images into clusters.
    #[command(visible_alias = "images")]
    Image {
        #[command(subcommand)]
        command: Option<ImageCommand>,
    },
    /// Print or merge the kubeconfigs of clusters.
    Kubeconfig {
        #[command(subcommand)]
        command: Option<KubeconfigCommand>,
    },
    /// Write and migrate config files of clusters.
    Config {
        #[command(subcommand)]
        command: Option<ConfigCommand>,
    },
    /// Print the versions of this program and of the k3s that it uses unless told otherwise.
    Version(Version),
    /// Print the completion script of a shell; it completes names of clusters, nodes and registries, too.
    Completion {
        /// Shell to complete for.
        shell: CompletionShell,
    },
    /// Show what is known of the Docker Engine.
    #[command(name = "runtime-info", hide = true)]
    RuntimeInfo {
        #[command(flatten)]
        document: Document,
    },
    /// Look into clusters.
    #[command(hide = true)]
    Debug {
        #[command(subcommand)]
        command: Option<DebugCommand>,
    },
    /// Candidates for a shell's completion, with descriptions.
    #[command(name = "__complete", hide = true)]
    Complete(Words),
    /// Candidates for a shell's completion, without descriptions.
    #[command(name = "__completeNoDesc", hide = true)]
    CompleteNoDescriptions(Words),
}

/// How much is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub(crate) struct Globals {
    /// Say more: debug lines.
    #[arg(long, global = true, help_heading = "Global Options")]
    pub verbose: bool,
    /// Say everything: trace lines.
    #[arg(long, global = true, help_heading = "Global Options")]
    pub trace: bool,
    /// Put the whole time before each line.
    #[arg(long, global = true, help_heading = "Global Options")]
    pub timestamps: bool,
}

/// The words of a command line that is being completed; the last one is unfinished.
#[derive(Debug, Args)]
pub(crate) struct Words {
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "WORD"
    )]
    pub words: Vec<String>,
}

/// Of every command that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub(crate) struct Changes {
    /// Show what would be done, in order, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How the plan of --dry-run is printed.
    #[arg(short, long, value_enum, ignore_case = true, default_value = "text")]
    pub output: PlanFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    Text,
    Json,
}

/// How a list is printed.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Listing {
    /// Leave the header line out.
    #[arg(long)]
    pub no_headers: bool,
    /// json or yaml; a table otherwise.
    #[arg(short, long, value_name = "FORMAT", default_value = "")]
    pub output: String,
}

/// How a document is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub(crate) struct Document {
    /// How the result is printed.
    #[arg(short, long, value_enum, ignore_case = true, default_value = "yaml")]
    pub output: DocumentFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentFormat {
    Yaml,
    Json,
}
