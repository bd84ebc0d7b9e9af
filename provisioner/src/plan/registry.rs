//! The steps for registries of their own, and what plans refuse.

use thiserror::Error;

use super::Surroundings;
use crate::cluster::{NodeFile, RegistrySpec};
use crate::container;
use crate::names;
use crate::observed::{Cluster, Container};
use crate::step::{Ready, Step};

/// What cannot be done, whatever the Engine would say.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    #[error("cluster {cluster} has no nodes to copy; create it anew")]
    NoNodes { cluster: String },
    #[error("nothing to create: give --replicas 1 or more")]
    NothingAsked,
    #[error("a container named {name} is there already; choose another name or delete it first")]
    NameTaken { name: String },
    #[error(
        "cluster {cluster} has a single server, whose database cannot be shared; create the cluster with --servers 3 to have several"
    )]
    SingleServer { cluster: String },
    #[error(
        "cluster {cluster} has no load balancer to publish ports on; create it without --no-lb, or publish ports directly at creation"
    )]
    NoLoadBalancer { cluster: String },
    #[error("port {port} is not published; `cluster list -o json` shows what is")]
    NoSuchPort { port: String },
    #[error("failed to change the registries of {node}: {why}")]
    Registries { node: String, why: String },
    #[error("a node that joins a cluster elsewhere needs its token; give it with --token")]
    NoToken,
    #[error("a {role} cannot join a cluster elsewhere; use --role agent or --role server")]
    NotANode { role: String },
    #[error("no registry named {name}; {known}")]
    NoSuchRegistry { name: String, known: String },
}

/// A registry that belongs to no cluster.
pub fn create_registry(registry: &RegistrySpec, around: &Surroundings) -> Vec<Step> {
    let spec = container::of_registry(registry, None, around.habits);
    vec![
        Step::EnsureImage {
            image: registry.image.clone(),
        },
        Step::CreateContainer(Box::new(spec)),
        Step::Start {
            container: registry.name.clone(),
            until: Ready::Started,
        },
    ]
}

pub fn remove_registry(registry: &Container) -> Vec<Step> {
    vec![Step::RemoveContainer {
        container: registry.name.clone(),
    }]
}

/// A registry for a cluster that runs already: its nodes get `files`, which take effect at the next pull.
pub fn connect_registry(cluster: &Cluster, registry: &Container, files: &[NodeFile]) -> Vec<Step> {
    let network = cluster.network();
    let mut steps = Vec::new();
    if !registry.networks().contains_key(&network) {
        steps.push(Step::Connect {
            container: registry.name.clone(),
            network,
        });
    }
    for node in cluster.nodes.iter().filter(|node| node.role.runs_k3s()) {
        let mut files = files.to_vec();
        files.sort_by_key(|file| file.path == names::REGISTRIES_PATH);
        steps.push(Step::WriteFiles {
            container: node.name.clone(),
            files,
        });
    }
    steps
}
