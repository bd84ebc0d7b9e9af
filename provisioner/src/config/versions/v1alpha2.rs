//! From v1alpha2 to v1alpha3: node filters lose their brackets, labels and arguments of k3s move, a registry is an object.

use super::{Version, set_version};
use crate::config::tree::{Node, Value};
use crate::names;

pub(super) fn to_next(root: &mut Node) {
    for list in ["env", "volumes", "ports", "labels"] {
        for item in root.at_mut(list).map(Node::items_mut).unwrap_or_default() {
            for filter in item
                .at_mut("nodeFilters")
                .map(Node::items_mut)
                .unwrap_or_default()
            {
                if let Value::Text(text) = &mut filter.value {
                    *text = without_brackets(text);
                }
            }
        }
    }
    if let Some(labels) = root.take("labels") {
        root.set("options.runtime.labels", labels);
    }
    arguments(root, "extraServerArgs", "server:*");
    arguments(root, "extraAgentArgs", "agent:*");
    registry(root);
    if let Some(k3d) = root.at_mut("options.k3d") {
        k3d.take("disableHostIPInjection");
    }
    set_version(root, Version::V1alpha3);
}

/// `server[0]` is `server:0` since.
fn without_brackets(filter: &str) -> String {
    filter.replace('[', ":").replace(']', "")
}

fn arguments(root: &mut Node, from: &str, filter: &str) {
    let Some(arguments) = root.at_mut("options.k3s").and_then(|k3s| k3s.take(from)) else {
        return;
    };
    for argument in arguments.items() {
        let mut new = Node::map(&argument.place, []);
        new.set("arg", argument.clone());
        new.set(
            "nodeFilters",
            Node::texts(&argument.place, [filter.to_owned()]),
        );
        root.push("options.k3s.extraArgs", new);
    }
}

fn registry(root: &mut Node) {
    let Some(registries) = root.at_mut("registries") else {
        return;
    };
    let Some(create) = registries.take("create") else {
        return;
    };
    if create.value != Value::Bool(true) {
        return;
    }
    let cluster = root
        .get("name")
        .and_then(Node::as_text)
        .unwrap_or(names::DEFAULT_CLUSTER);
    let object = Node::map(
        &create.place,
        [
            ("name", Value::text(names::registry(cluster))),
            ("host", Value::text("0.0.0.0")),
            ("hostPort", Value::text("random")),
        ],
    );
    root.set("registries.create", object);
}
