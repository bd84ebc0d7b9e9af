//! The commands, one module each.

mod apply;
mod completions;
mod diff;
mod explain;
mod lint;
mod plan;
mod render;

use anyhow::Result;

use crate::arguments::{Distribution, Node, Offline};
use crate::output::{Outcome, Streams};

/// Carries out one command.
pub(crate) fn run(command: Offline, streams: &mut Streams) -> Result<Outcome> {
    match command {
        Offline::Lint(arguments) => lint::run(&arguments, streams),
        Offline::Explain(arguments) => explain::run(&arguments, streams),
        Offline::Render(arguments) => render::run(&arguments, streams),
        Offline::Diff(arguments) => diff::run(&arguments, streams),
        Offline::Plan(arguments) => plan::run(&arguments, streams),
        Offline::Apply(arguments) => apply::run(&arguments, streams),
        Offline::Completions { shell } => completions::run(shell, streams),
    }
}

impl From<Distribution> for registries::Distribution {
    fn from(distribution: Distribution) -> Self {
        match distribution {
            Distribution::K3s => Self::K3s,
            Distribution::Rke2 => Self::Rke2,
        }
    }
}

/// What the node is, for everything that depends on it.
fn node_options(
    node: &Node,
    containerd_config: registries::ContainerdConfig,
) -> registries::NodeOptions {
    let own_address = match node.distribution {
        Distribution::K3s => "127.0.0.1:6443",
        Distribution::Rke2 => "127.0.0.1:9345",
    };
    registries::NodeOptions {
        distribution: node.distribution.into(),
        disable_default_registry_endpoint: node.disable_default_registry_endpoint,
        embedded_registry: node.embedded_registry.as_ref().map(|address| {
            if address.is_empty() {
                own_address.to_owned()
            } else {
                address.clone()
            }
        }),
        embedded_tls: None,
        containerd_config,
    }
}
