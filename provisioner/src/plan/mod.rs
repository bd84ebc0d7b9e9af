//! From what is to be and what is there to steps. Nothing in here talks to an Engine.

mod apply;
mod create;
pub(crate) mod kubernetes;
mod lifecycle;
mod nodes;
mod ports;
mod refusal;
mod registry;
mod remote;

use std::path::PathBuf;

use crate::cluster::NodeFile;
use crate::container::Habits;
use crate::step::Step;

pub use apply::{Application, Found, apply};
pub use create::create;
pub use lifecycle::{delete, start, stop};
pub use nodes::{Addition, add_nodes, remove_nodes};
pub use ports::{PortChange, change_ports};
pub use refusal::Refusal;
pub use registry::{create_registry, remove_registry};
pub use remote::join_remote;

/// What plans take from the world around them, read once before planning.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub habits: Habits,
    /// Where files for nodes stand on this machine; `None` when the Engine does not see this machine's files.
    pub node_folder: Option<PathBuf>,
    /// Whether the kernel tells of memory banks, which nodes with a limit must not see.
    pub has_edac: bool,
}

/// What registries mean for a cluster that is made.
#[derive(Clone, Debug, Default)]
pub struct ClusterRegistries {
    /// Containers that are there and are connected to the cluster's network.
    pub used: Vec<String>,
    /// Those of them that are not in the network of a cluster which is there.
    pub missing: Vec<String>,
    /// Written into every server and agent.
    pub files: Vec<NodeFile>,
    /// Whether tools in the cluster are told about a registry.
    pub is_published: bool,
}

/// Nothing for no step, the step itself for one.
fn together(steps: &mut Vec<Step>, mut some: Vec<Step>) {
    if some.len() > 1 {
        steps.push(Step::Together(some));
    } else {
        steps.append(&mut some);
    }
}
