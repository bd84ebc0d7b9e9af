//! Nodes: add, start, stop, delete.

use std::collections::BTreeMap;

use super::{Error, Plan, Provisioner};
use crate::cluster::Role;
use crate::observed::Container;
use crate::plan::{self, Addition};
use crate::step::{Ready, Step};

impl Provisioner {
    pub async fn plan_add_nodes(&self, cluster: &str, addition: &Addition) -> Result<Plan, Error> {
        let cluster = self.cluster(cluster).await?;
        let forwarded = self.forwarded(&cluster).await?;
        let steps = plan::add_nodes(&cluster, addition, forwarded.as_ref(), &self.around)?;
        Ok(Plan {
            network: self.network_of(&cluster).await?,
            rolls_back: true,
            ..Plan::new(steps)
        })
    }

    /// Nodes here for a cluster elsewhere.
    pub async fn plan_join(
        &self,
        url: &str,
        addition: &Addition,
        image: &str,
    ) -> Result<Plan, Error> {
        for name in addition.names() {
            if self.engine.container(&name).await?.is_some() {
                return Err(plan::Refusal::NameTaken { name }.into());
            }
        }
        let steps = plan::join_remote(url, addition, image, &self.around)?;
        Ok(Plan {
            rolls_back: true,
            ..Plan::new(steps)
        })
    }

    /// The container alone, as it is: nothing is written and nothing is waited for.
    pub async fn plan_start_node(&self, name: &str) -> Result<Plan, Error> {
        let node = self.node(name).await?;
        Ok(Plan::new(vec![Step::Start {
            container: node.name,
            until: Ready::Started,
        }]))
    }

    pub async fn plan_stop_node(&self, name: &str) -> Result<Plan, Error> {
        let node = self.node(name).await?;
        Ok(Plan::new(vec![Step::Stop {
            container: node.name,
        }]))
    }

    /// These nodes; every name must be known.
    pub async fn plan_delete_nodes(&self, names: &[String]) -> Result<Plan, Error> {
        let mut nodes = Vec::new();
        for name in names {
            nodes.push(self.node(name).await?);
        }
        self.plan_removal(&nodes).await
    }

    /// Every node of every cluster, and registries if they are meant as well.
    pub async fn plan_delete_all_nodes(&self, registries: bool) -> Result<Plan, Error> {
        let mut nodes = self.containers().await?;
        nodes.retain(|node| match node.role {
            Role::Server | Role::Agent | Role::LoadBalancer => true,
            Role::Registry => registries,
            Role::None => false,
        });
        self.plan_removal(&nodes).await
    }

    async fn plan_removal(&self, nodes: &[Container]) -> Result<Plan, Error> {
        let clusters = self.clusters().await?;
        let mut by_cluster = BTreeMap::<&str, Vec<&Container>>::new();
        for node in nodes {
            by_cluster.entry(&node.cluster).or_default().push(node);
        }
        let mut steps = Vec::new();
        for (name, nodes) in by_cluster {
            let cluster = clusters.iter().find(|cluster| cluster.name == name);
            let forwarded = match cluster {
                Some(cluster) => self.forwarded(cluster).await?,
                None => None,
            };
            steps.extend(plan::remove_nodes(
                cluster,
                &nodes,
                forwarded.as_ref(),
                &self.around,
            ));
        }
        Ok(Plan::new(steps))
    }
}
