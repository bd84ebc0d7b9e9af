//! What plans refuse.

use thiserror::Error;

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
