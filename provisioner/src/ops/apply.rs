//! `cluster apply`: a file says what is to be, and the cluster follows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Error, Plan, Provisioner};
use crate::cluster::ClusterSpec;
use crate::names;
use crate::observed::Cluster;
use crate::plan::{self, Application, Found};
use crate::random;

/// What an application will do. Without a cluster everything is made.
#[derive(Debug)]
pub struct Applying {
    pub plan: Plan,
    /// As in [`Application`].
    pub differences: Vec<String>,
    pub impossible: Vec<String>,
    pub creates: bool,
}

impl Provisioner {
    pub async fn plan_apply(&self, spec: &mut ClusterSpec) -> Result<Applying, Error> {
        let clusters = self.clusters().await?;
        let Some(cluster) = clusters
            .into_iter()
            .find(|cluster| cluster.name == spec.name)
        else {
            return Ok(Applying {
                plan: self.plan_create(spec).await?,
                differences: vec![format!("+ cluster {}", spec.name)],
                impossible: Vec::new(),
                creates: true,
            });
        };
        let lock = self.lock("cluster", &spec.name)?;
        adopt(spec, &cluster);
        let containers = self.containers().await?;
        let mut registries = self.cluster_registries(spec, &containers)?;
        let network = cluster.network();
        registries.missing = registries
            .used
            .iter()
            .filter(|name| {
                let container = containers.iter().find(|container| container.name == **name);
                container.is_some_and(|container| !container.networks().contains_key(&network))
            })
            .cloned()
            .collect();
        let found = self.found(&cluster).await?;
        let suffix = random::letters(5);
        let Application {
            steps,
            differences,
            impossible,
        } = plan::apply(spec, &cluster, &found, &registries, &self.around, &suffix)?;
        Ok(Applying {
            plan: Plan {
                network: self.network_of(&cluster).await?,
                timeout: spec.options.timeout,
                rolls_back: spec.options.rollback,
                lock: Some(lock),
                ..Plan::new(steps)
            },
            differences,
            impossible,
            creates: false,
        })
    }

    async fn found(&self, cluster: &Cluster) -> Result<Found, Error> {
        let mut files = BTreeMap::new();
        for node in cluster.nodes.iter().filter(|node| node.role.runs_k3s()) {
            let mut of_node = BTreeMap::new();
            let ours = [names::REGISTRIES_PATH, names::REGISTRY_HOSTING_PATH];
            for path in ours {
                let content = self.engine.get_file(&node.name, path).await?;
                of_node.extend(content.map(|content| (path.to_owned(), content.to_vec())));
            }
            files.insert(node.name.clone(), of_node);
        }
        Ok(Found {
            forwarded: self.forwarded(cluster).await?,
            labels: self.kubernetes_labels(cluster).await?,
            files,
        })
    }

    /// Empty while the cluster does not run.
    async fn kubernetes_labels(
        &self,
        cluster: &Cluster,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, Error> {
        let Some(server) = cluster.servers().find(|server| server.is_running()) else {
            return Ok(BTreeMap::new());
        };
        let command = docker::Command::new(["kubectl", "get", "nodes", "-o", "json"]);
        let output = self.engine.exec(&server.name, &command, None).await?;
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let nodes = answer["items"].as_array().cloned().unwrap_or_default();
        let labels = nodes.iter().map(|node| {
            let metadata = &node["metadata"];
            let labels = metadata["labels"].as_object().into_iter().flatten();
            let labels = labels.map(|(key, value)| (key.clone(), text(value)));
            (text(&metadata["name"]), labels.collect())
        });
        Ok(labels.collect())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a cluster keeps for its life: whoever uses it knows its token, its API's address and its network.
fn adopt(spec: &mut ClusterSpec, cluster: &Cluster) {
    if let Some(token) = cluster.token() {
        spec.token = token;
    }
    spec.network.name = cluster.network();
    if let Some(server) = cluster.api_server() {
        let label = |key: &str| server.label(key).map(str::to_owned);
        if let Some(host) = label(names::LABEL_API_HOST) {
            spec.api.host = host;
        }
        if let Some(ip) = label(names::LABEL_API_HOST_IP).and_then(|ip| ip.parse().ok()) {
            spec.api.host_ip = ip;
        }
        if let Some(port) = label(names::LABEL_API_PORT).and_then(|port| port.parse().ok()) {
            spec.api.port = port;
        }
    }
    if cluster.balancer().is_none() {
        spec.balancer = None;
        spec.nodes
            .retain(|node| node.role != crate::cluster::Role::LoadBalancer);
    }
    if let (Some(there), Some(wanted)) = (
        cluster.balancer().map(crate::observed::Container::image),
        spec.nodes
            .iter_mut()
            .find(|node| node.role == crate::cluster::Role::LoadBalancer),
    ) {
        wanted.image = there;
    }
}
