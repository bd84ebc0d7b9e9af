//! Kubeconfigs of clusters in the user's files: what is decided, and what stands on disk afterwards.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "kubeconfig/decisions.rs"]
mod decisions;
#[path = "kubeconfig/files.rs"]
mod files;

use provisioner::kubeconfig::ClusterKubeconfig;

const NODE: &str = include_str!("golden/kubeconfig/node.yaml");

fn demo() -> ClusterKubeconfig {
    cluster("demo", 40123)
}

fn cluster(name: &str, port: u16) -> ClusterKubeconfig {
    ClusterKubeconfig::of_node(NODE, name, "0.0.0.0", port, "the node").unwrap()
}
