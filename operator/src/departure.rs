//! Nodes that leave a `RegistryConfig`: their pod goes, nothing of ours can run there any more, and their file stays. Pure.

use std::collections::BTreeMap;

use api::RegistryConfig;
use api::names::REVISION_NONE;
use api::names::REVISION_RESTORE;
use kube::ResourceExt;

use crate::events::Note;
use crate::facts::{ConfigFacts, NodeFacts, PodFacts};
use crate::selection::selects;

/// The pods that are about to go from nodes that nobody selects any more and that have a file of ours.
pub(crate) fn departures<'a>(
    own: &ConfigFacts,
    nodes: &BTreeMap<String, NodeFacts>,
    configs: &BTreeMap<String, ConfigFacts>,
    pods: &'a [PodFacts],
) -> Vec<&'a PodFacts> {
    let wrote = |pod: &&PodFacts| {
        pod.config == own.name
            && ![REVISION_NONE, REVISION_RESTORE].contains(&pod.revision.as_str())
    };
    let is_left = |pod: &&PodFacts| {
        let node = nodes.get(&pod.node);
        // A node that is gone from the cluster took its file along.
        node.is_some_and(|node| {
            !selects(own, node) && !configs.values().any(|config| selects(config, node))
        })
    };
    pods.iter().filter(wrote).filter(is_left).collect()
}

/// What is told about one of them.
pub(crate) fn note(pod: &PodFacts, folder: &str) -> Note {
    Note {
        warning: true,
        reason: "NodeLeft".to_owned(),
        message: format!(
            "node {} left the nodeSelector and keeps the file of revision {}: nothing of Berth runs there any more; \
             put {folder}/{}/{} back by hand, or select the node again",
            pod.node,
            pod.revision,
            node_files::layout::OWN_FOLDER,
            node_files::layout::ORIGINAL,
        ),
    }
}

/// Name of the Event: one for each pod, however often it is looked at before it is gone.
pub(crate) fn event_name(config: &RegistryConfig, pod: &PodFacts) -> String {
    format!("{}.{}.left", config.name_any(), pod.name)
}

#[cfg(test)]
mod tests {
    use api::names::Role;

    use super::*;
    use crate::fixtures::{config_facts, node};

    fn pod(node: &str, revision: &str) -> PodFacts {
        PodFacts {
            name: format!("default-workers-{node}"),
            config: "default".to_owned(),
            node: node.to_owned(),
            role: Role::Workers.to_string(),
            revision: revision.to_owned(),
            ready_since: None,
            failure: None,
            going: true,
        }
    }

    fn selecting(name: &str, host: &str) -> ConfigFacts {
        let selector = serde_json::json!({"matchLabels": {"kubernetes.io/hostname": host}});
        let selector: k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector =
            serde_json::from_value(selector).unwrap();
        ConfigFacts {
            selector: selector.try_into().ok(),
            ..config_facts(name, 1)
        }
    }

    #[test]
    fn a_node_is_left_when_nobody_selects_it_any_more_and_it_has_our_file() {
        let own = selecting("default", "stays");
        let other = selecting("other", "moved");
        let nodes: BTreeMap<_, _> = ["stays", "moved", "left", "recorded"]
            .map(|name| (name.to_owned(), node(name, Role::Workers)))
            .into();
        let configs = [own.clone(), other].map(|config| (config.name.clone(), config));
        let pods = [
            pod("stays", "0123456789"),
            pod("moved", "0123456789"),
            pod("left", "0123456789"),
            pod("recorded", REVISION_NONE),
            pod("deleted", "0123456789"),
        ];
        let left = departures(&own, &nodes, &configs.into(), &pods);
        assert_eq!(left, [&pods[2]]);
        let note = note(left[0], "/etc/rancher/rke2");
        assert!(
            note.message
                .contains("/etc/rancher/rke2/berth/original.yaml")
        );
    }
}
