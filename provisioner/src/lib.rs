//! Clusters of k3s in Docker, k3d-compatible: each tool can list, start, extend and delete what the other made.
//!
//! ```text
//! config   files, flags, environment   -> ClusterSpec        pure
//! plan     ClusterSpec, what exists    -> Vec<Step>          pure
//! run      steps, one after the other  -> containers         does; undoes in reverse when one fails
//! ```

pub mod balancer;
pub mod cluster;
pub mod container;
pub mod kubeconfig;
pub mod names;
mod yaml_text;
