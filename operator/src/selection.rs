//! Which nodes a `RegistryConfig` has: those its selector matches and no older one took.

use api::names::Role;
use kube::core::SelectorExt;
use registries::Distribution;

use crate::facts::{ConfigFacts, NodeFacts};
use crate::settings::DistributionSetting;

/// The nodes of one `RegistryConfig`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selection {
    /// Nodes that are to be served.
    pub(crate) nodes: Vec<NodeFacts>,
    /// Names of nodes that read another file than the one we write.
    pub(crate) elsewhere: Vec<String>,
    /// How many of the nodes an older `RegistryConfig` has.
    pub(crate) taken: usize,
    /// The name of one that has some of them.
    pub(crate) taken_by: Option<String>,
    /// What the cluster runs where nothing is selected.
    pub(crate) whole_cluster: Vec<Option<Distribution>>,
}

impl Selection {
    /// Looks at all nodes and all `RegistryConfigs`.
    pub(crate) fn of<'a>(
        own: &ConfigFacts,
        nodes: impl IntoIterator<Item = &'a NodeFacts>,
        all: &(impl Iterator<Item = &'a ConfigFacts> + Clone),
    ) -> Self {
        let mut selection = Self::default();
        let older = || {
            all.clone()
                .filter(|other| other.name != own.name && other.wins_over(own))
        };
        for node in nodes {
            if !selection.whole_cluster.contains(&node.distribution) {
                selection.whole_cluster.push(node.distribution);
            }
            if !selects(own, node) {
                continue;
            }
            if let Some(winner) = older().find(|other| selects(other, node)) {
                selection.taken += 1;
                selection
                    .taken_by
                    .get_or_insert_with(|| winner.name.clone());
            }
            if node.reads_elsewhere {
                selection.elsewhere.push(node.name.clone());
            } else {
                selection.nodes.push(node.clone());
            }
        }
        selection
    }

    /// Nodes of one half.
    pub(crate) fn role(&self, role: Role) -> impl Iterator<Item = &NodeFacts> {
        self.nodes.iter().filter(move |node| node.role == role)
    }

    /// What the nodes run, or the names of nodes that stand in the way of knowing.
    pub(crate) fn distribution(
        &self,
        setting: DistributionSetting,
    ) -> Result<Distribution, Unclear> {
        match setting {
            DistributionSetting::K3s => return Ok(Distribution::K3s),
            DistributionSetting::Rke2 => return Ok(Distribution::Rke2),
            DistributionSetting::Auto => {}
        }
        if self.nodes.is_empty() {
            // Nothing is written yet, so a guess costs nothing: the first selected node decides.
            return Ok(match self.whole_cluster[..] {
                [Some(only)] => only,
                _ => Distribution::K3s,
            });
        }
        let unknown = self.names(|node| node.distribution.is_none());
        if !unknown.is_empty() {
            return Err(Unclear::Unknown(unknown));
        }
        let rke2 = self.names(|node| node.distribution == Some(Distribution::Rke2));
        if rke2.is_empty() {
            Ok(Distribution::K3s)
        } else if rke2.len() == self.nodes.len() {
            Ok(Distribution::Rke2)
        } else {
            let k3s = self.names(|node| node.distribution == Some(Distribution::K3s));
            Err(Unclear::Mixed { k3s, rke2 })
        }
    }

    fn names(&self, which: impl Fn(&NodeFacts) -> bool) -> Vec<String> {
        let matching = self.nodes.iter().filter(|node| which(node));
        matching.map(|node| node.name.clone()).collect()
    }
}

/// Why nobody knows which file the nodes read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unclear {
    /// These nodes run neither k3s nor RKE2.
    Unknown(Vec<String>),
    /// Some nodes run k3s, others RKE2.
    Mixed { k3s: Vec<String>, rke2: Vec<String> },
}

/// Whether a `RegistryConfig` selects a node.
pub(crate) fn selects(config: &ConfigFacts, node: &NodeFacts) -> bool {
    config
        .selector
        .as_ref()
        .is_some_and(|selector| selector.matches(&node.labels))
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
