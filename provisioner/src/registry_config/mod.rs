//! Registries as nodes see them: the registries.yaml of a cluster, what tools in the cluster are told, and what it takes
//! to change either while the cluster runs.
//!
//! ```text
//! registries in use, the user's document  --generate--> registries.yaml, findings
//! the registry that is advertised         --hosting_manifest--> ConfigMap
//! files of a node, another registries.yaml --change--> what to write and remove, and whether k3s must start again
//! ```
//!
//! What a registries.yaml means is asked of the crate `registries`; nothing that the user wrote is lost on the way.

mod change;
mod error;
mod generate;
mod hosting;

pub use change::{
    CERTS_D_PATH, CONTAINERD_CONFIG_PATH, Change, NodeState, Way, change, node_options, rendered,
};
pub use error::{Error, Result};
pub use generate::{Generated, NodeRegistry, generate, mirror_of_remote};
pub use hosting::{advertised_host, hosting_manifest};
