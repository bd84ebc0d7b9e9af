//! The command line, whole: every flag is parsed and checked here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::clusters::arguments::Tree;
use crate::pulls::arguments::Pulls;

/// Lint, explain, render, compare and apply the registries.yaml of k3s and RKE2 nodes; run clusters of k3s in Docker;
/// watch image pulls.
///
/// Files of the offline commands are RegistryConfig manifests (with the Secrets and ConfigMaps they name) or plain registries.yaml files;
/// `-` is standard input. Exit codes: 0 clean, 1 findings or differences, 2 bad usage or unreadable input.
/// The commands of clusters are those of k3d; they exit with 1 when they fail. Called as `k3d` this program has them alone.
#[derive(Debug, Parser)]
#[command(
    name = "berth",
    version,
    propagate_version = true,
    max_term_width = 110
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Offline(Offline),
    #[command(flatten)]
    Clusters(Tree),
    Pulls(Box<Pulls>),
    /// Forward the ports that a file names: the load balancer of a cluster, inside its container.
    #[command(hide = true)]
    Balancer {
        /// The file; it is watched.
        #[arg(long, value_name = "FILE", default_value = provisioner::names::BALANCER_CONFIG_PATH)]
        config: PathBuf,
    },
}

/// What is done with files alone.
#[derive(Debug, Subcommand)]
pub(crate) enum Offline {
    /// Find what k3s would refuse, drop or void without a word.
    Lint(Lint),
    /// Show the attempts that a node makes to pull an image, in order.
    Explain(Explain),
    /// Write what k3s would generate for containerd: the certs.d tree and the credential tables.
    Render(Render),
    /// Show what differs between two files, secrets redacted.
    Diff(Compare),
    /// Tell whether a change takes effect at the next pull or needs a restart.
    Plan(Plan),
    /// Write registries.yaml and the certificates it needs, as operator and node-writer would.
    Apply(Apply),
    /// Print the completion script of a shell.
    Completions {
        /// Shell to complete for.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Distribution {
    K3s,
    Rke2,
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: Format,
}

/// What the node is and how its agent was started.
#[derive(Debug, Args)]
pub(crate) struct Node {
    /// Distribution of the node.
    #[arg(long, value_enum, default_value = "k3s")]
    pub distribution: Distribution,
    /// The agent runs with --disable-default-registry-endpoint.
    #[arg(long)]
    pub disable_default_registry_endpoint: bool,
    /// The embedded registry is on; its address, when it is not the distribution's own.
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub embedded_registry: Option<String>,
}

/// Where the keys of SOPS documents are.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// File with age or SSH identities; else SOPS_AGE_KEY, else the file that SOPS_AGE_KEY_FILE names.
    #[arg(long, value_name = "FILE")]
    pub age_key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// Files or folders to read; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// k3s versions in use, such as v1.33.3 or ">=1.28,<1.33": adds findings where behaviour changed.
    #[arg(long, value_name = "RANGE")]
    pub k3s_version: Option<String>,
    /// Lowest severity that makes the exit code 1.
    #[arg(long, value_enum, default_value = "warning")]
    pub fail_on: Severity,
    #[command(flatten)]
    pub node: Node,
    #[command(flatten)]
    pub keys: Keys,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Severity {
    Warning,
    Error,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Image as a pod names it, such as nginx or quay.io/team/app:1.2.
    pub image: String,
    /// File to explain with; `-` is standard input [default: the node's own registries.yaml].
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub node: Node,
    #[command(flatten)]
    pub keys: Keys,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Render {
    /// File or folder to read; `-` is standard input.
    pub file: PathBuf,
    /// Folder that receives certs.d/ and config.toml; made when missing.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Version of containerd's configuration file: 3 for containerd 2, else 2.
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u8).range(2..=3))]
    pub config_version: u8,
    #[command(flatten)]
    pub node: Node,
    #[command(flatten)]
    pub keys: Keys,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// What is there; `-` is standard input, a missing file is an empty one.
    pub old: PathBuf,
    /// What shall be there.
    pub new: PathBuf,
    #[command(flatten)]
    pub keys: Keys,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// What is there; `-` is standard input, a missing file is an empty one.
    pub old: PathBuf,
    /// What shall be there.
    pub new: PathBuf,
    #[command(flatten)]
    pub node: Node,
    #[command(flatten)]
    pub keys: Keys,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Files or folders to read; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Folder that stands for the node's root.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Show the difference and write nothing; exit code 1 when there is one.
    #[arg(long)]
    pub dry_run: bool,
    /// Distribution of the node [default: the one whose folder is there, else k3s].
    #[arg(long, value_enum)]
    pub distribution: Option<Distribution>,
    /// Which RegistryConfig to apply when the files hold several.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    pub keys: Keys,
    #[command(flatten)]
    pub output: Output,
}
