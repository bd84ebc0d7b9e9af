//! `image ...`.

use clap::{Args, Subcommand, ValueEnum};

use super::Changes;

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Bring images from the Docker Engine, from archives or from standard input to all nodes of clusters.
    #[command(visible_alias = "load")]
    Import(Import),
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Names of images in the Docker Engine, or archives of `docker save`; `-` alone is standard input.
    #[arg(value_name = "IMAGE|ARCHIVE", required = true)]
    pub images: Vec<String>,
    /// Cluster to bring them to.
    #[arg(short, long, value_name = "CLUSTER", default_value = "k3s-default")]
    pub cluster: Vec<String>,
    /// Taken for k3d's sake: there is no archive to keep, images are streamed.
    #[arg(short, long)]
    pub keep_tarball: bool,
    /// Taken for k3d's sake: there is no tools container to keep.
    #[arg(short = 't', long)]
    pub keep_tools: bool,
    /// Taken for k3d's sake: every mode streams straight to the nodes.
    #[arg(short, long, value_enum, default_value = "tools-node")]
    pub mode: ImportMode,
    #[command(flatten)]
    pub changes: Changes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportMode {
    Auto,
    Direct,
    /// k3d's help says tools, its parser wants tools-node.
    #[value(alias = "tools")]
    ToolsNode,
}
