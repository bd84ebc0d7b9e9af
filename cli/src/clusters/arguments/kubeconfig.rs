//! `kubeconfig ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum KubeconfigCommand {
    /// Print the kubeconfigs of clusters.
    #[command(visible_aliases = ["print", "show"])]
    Get(Get),
    /// Write the kubeconfigs of clusters into files.
    #[command(visible_alias = "write")]
    Merge(Merge),
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Names of clusters.
    #[arg(
        value_name = "CLUSTER",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub names: Vec<String>,
    /// All clusters.
    #[arg(short, long)]
    pub all: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "a field is a flag")]
pub(crate) struct Merge {
    /// Names of clusters [default: k3s-default].
    #[arg(value_name = "CLUSTER")]
    pub names: Vec<String>,
    /// File to merge into; `-` is standard output [default: a file per cluster].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Merge into the default kubeconfig.
    #[arg(short = 'd', long)]
    pub kubeconfig_merge_default: bool,
    /// Replace entries of the same name; without it they are an error.
    #[arg(short, long, default_value = "true")]
    pub update: bool,
    /// Make the cluster the current context.
    #[arg(short = 's', long, default_value = "true")]
    pub kubeconfig_switch_context: bool,
    /// Replace the file, whatever it holds.
    #[arg(long)]
    pub overwrite: bool,
    /// All clusters.
    #[arg(short, long)]
    pub all: bool,
    /// Show which files would be written and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}
