//! Berth's operator in a cluster from its first start on: manifests that k3s applies by itself, and images.

use crate::cluster::{ClusterSpec, NodeFile, Role};

/// Where k3s finds what it applies.
const FOLDER: &str = "/var/lib/rancher/k3s/server/manifests";
/// Made from the chart, and compared with it by the tests of the chart.
const OPERATOR: &str = include_str!("../../deploy/kustomize/operator/operator.yaml");
const NAMESPACE: &str = include_str!("../../deploy/kustomize/operator/namespace.yaml");
const DEFINITION: &str = include_str!("../../crds/registryconfigs.yaml");
const DEFINITION_BEFORE_1_25: &str = include_str!("../../crds/registryconfigs-pre-1.25.yaml");

/// Puts the manifests into every server of the cluster.
pub fn include(cluster: &mut ClusterSpec) {
    for node in cluster
        .nodes
        .iter_mut()
        .filter(|node| node.role == Role::Server)
    {
        node.files.extend(manifests(&node.image));
    }
}

/// The manifests for servers of this image.
pub fn manifests(image: &str) -> Vec<NodeFile> {
    let definition = match minor_version(image) {
        Some(minor) if minor < 25 => DEFINITION_BEFORE_1_25,
        _ => DEFINITION,
    };
    // k3s applies in the order of names.
    [
        ("berth-1-definition.yaml", definition),
        ("berth-2-namespace.yaml", NAMESPACE),
        ("berth-3-operator.yaml", OPERATOR),
    ]
    .map(|(name, text)| NodeFile {
        path: format!("{FOLDER}/{name}"),
        mode: 0o644,
        content: text.as_bytes().to_vec(),
    })
    .into()
}

/// The images that the manifests name: the operator's and the node-writer's.
pub fn images() -> Vec<String> {
    let lines = OPERATOR.lines().map(str::trim);
    let images = lines.filter_map(|line| line.strip_prefix("image:"));
    let mut images: Vec<String> = images.map(|image| image.trim().to_owned()).collect();
    let node_writer = OPERATOR
        .split_once("name: BERTH_NODE_WRITER_IMAGE")
        .and_then(|(_, rest)| rest.lines().nth(1))
        .and_then(|line| line.trim().strip_prefix("value:"));
    images.extend(node_writer.map(|image| image.trim().to_owned()));
    images
}

/// The 20 of `rancher/k3s:v1.20.2-k3s1`.
fn minor_version(image: &str) -> Option<u32> {
    let tag = image.rsplit_once(':')?.1;
    let mut numbers = tag.strip_prefix('v')?.split('.');
    (numbers.next()? == "1").then_some(())?;
    numbers.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_images_of_the_manifests_are_known() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            images(),
            [
                format!("berth-operator:{version}"),
                format!("berth-node-writer:{version}")
            ]
        );
    }

    #[test]
    fn servers_before_1_25_get_the_definition_without_rules() {
        let definition = |image: &str| manifests(image)[0].content.clone();
        let rules = b"x-kubernetes-validations";
        let has_rules = |image: &str| {
            definition(image)
                .windows(rules.len())
                .any(|part| part == rules)
        };
        assert!(!has_rules("rancher/k3s:v1.20.2-k3s1"));
        assert!(has_rules("rancher/k3s:v1.33.3-k3s1"));
        assert!(has_rules("localhost:5000/k3s:latest"));
    }
}
