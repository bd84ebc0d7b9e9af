//! The kubeconfig of a cluster, from the one that k3s writes on a node.

use std::fmt;

use super::document::{Document, Kind};
use super::error::{Error, Result};
use crate::names;
use crate::yaml_text::Node;

/// The name of a cluster's context, and of its cluster entry.
pub fn context_of(cluster: &str) -> String {
    names::context(cluster)
}

/// The name of a cluster's administrator.
pub fn user_of(cluster: &str) -> String {
    format!("admin@{}", names::context(cluster))
}

/// A kubeconfig with the entries of one cluster.
#[derive(Clone)]
pub struct ClusterKubeconfig {
    cluster: String,
    text: String,
    bodies: [Node; 3],
}

impl ClusterKubeconfig {
    /// From what k3s wrote, whose entries are all named `default`, for an API that is reached at `host` and `port`.
    /// `origin` tells errors where the text came from.
    pub fn of_node(text: &str, cluster: &str, host: &str, port: u16, origin: &str) -> Result<Self> {
        let (context, user) = (context_of(cluster), user_of(cluster));
        let document = Document::read(text, origin)?;
        let mut draft = document.draft();
        let mut body = |kind: Kind, changes: &[(&str, &str)]| {
            let body = draft.body(kind, "default");
            let body = body.filter(|body| body.entries().is_some());
            let body = body.ok_or_else(|| Error::NoDefault {
                origin: origin.to_owned(),
                kind: kind.body(),
            })?;
            for (key, value) in changes {
                body.set(key, Node::text(*value));
            }
            Ok(body.clone())
        };
        let bodies = [
            body(Kind::Cluster, &[("server", &server(host, port))])?,
            body(Kind::Context, &[("cluster", &context), ("user", &user)])?,
            body(Kind::User, &[])?,
        ];
        draft.rename(Kind::Cluster, "default", &context);
        draft.rename(Kind::Context, "default", &context);
        draft.rename(Kind::User, "default", &user);
        draft.set_current(&context);
        let changed = document.changed(&draft);
        Ok(Self {
            cluster: cluster.to_owned(),
            text: changed.unwrap_or_else(|| text.to_owned()),
            bodies,
        })
    }

    /// The whole document. It holds a private key: print it only where the user asked for it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The name of its context.
    pub fn context(&self) -> String {
        context_of(&self.cluster)
    }

    pub(super) fn entries(&self) -> [(Kind, String, &Node); 3] {
        let [cluster, context, user] = &self.bodies;
        [
            (Kind::Cluster, self.context(), cluster),
            (Kind::Context, self.context(), context),
            (Kind::User, user_of(&self.cluster), user),
        ]
    }
}

impl fmt::Debug for ClusterKubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kubeconfig of {}", self.cluster)
    }
}

fn server(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("https://[{host}]:{port}")
    } else {
        format!("https://{host}:{port}")
    }
}
