//! What tools in a cluster are told about its registry: the ConfigMap `local-registry-hosting`.

use super::generate::NodeRegistry;
use crate::yaml_text::{Content, Node, emit};

const HELP: &str = "https://k3d.io/stable/usage/registries/#using-a-local-registry";

/// The manifest for a registry that people reach at `host` ([`advertised_host`]).
pub fn hosting_manifest(registry: &NodeRegistry, host: &str) -> String {
    let inside = format!("{}:{}", registry.name, registry.port);
    let port = registry.host_port.unwrap_or(registry.port);
    let help = Node::of(Content::Scalar {
        text: HELP.to_owned(),
        plain: true,
    });
    let hosting = emit(&Node::map([
        ("help", help),
        ("host", Node::text(format!("{host}:{port}"))),
        ("hostFromClusterNetwork", Node::text(&inside)),
        ("hostFromContainerRuntime", Node::text(&inside)),
    ]));
    let hosting: Vec<String> = hosting
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    format!(
        "apiVersion: v1
data:
  localRegistryHosting.v1: |
{}kind: ConfigMap
metadata:
  name: local-registry-hosting
  namespace: kube-public
",
        hosting.concat()
    )
}

/// The host that people use: the one they gave, else the address that is bound, if it is one to connect to.
pub fn advertised_host(host: &str, bind_ip: &str) -> String {
    let chosen = if host.is_empty() { bind_ip } else { host };
    match chosen {
        "" | "0.0.0.0" | "::" => "localhost".to_owned(),
        ip if ip.contains(':') && !ip.starts_with('[') => format!("[{ip}]"),
        chosen => chosen.to_owned(),
    }
}
