//! Clusters of k3s in Docker, k3d-compatible: each tool can list, start, extend and delete what the other made.
//!
//! ```text
//! config   files, flags, environment   -> ClusterSpec        pure
//! plan     ClusterSpec, what exists    -> Vec<Step>          pure
//! run      steps, one after the other  -> containers         does; undoes in reverse when one fails
//! ```

pub mod balancer;
pub mod channel;
pub mod cluster;
pub mod config;
pub mod container;
pub mod entrypoint;
pub mod fetch;
pub mod import;
pub mod kubeconfig;
mod lock;
pub mod names;
pub mod observed;
pub mod operator;
pub mod ops;
pub mod payload;
pub mod plan;
pub mod random;
pub mod registry_config;
pub mod run;
pub mod step;
mod yaml_text;
