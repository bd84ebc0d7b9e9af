//! `RegistryConfigs` and Secrets as tests write them.

use serde_json::{Value, json};

/// A `RegistryConfig` for every node, one mirror, no patience: tests wait for facts, not for `minReadySeconds`.
pub fn registry_config(name: &str) -> Value {
    json!({
        "apiVersion": "berth.dev/v1alpha1", "kind": "RegistryConfig",
        "metadata": {"name": name},
        "spec": {
            "nodeSelector": {},
            "registries": {"mirrors": {"docker.io": {"endpoint": ["https://mirror.internal:5000"]}}},
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": 1, "minReadySeconds": 0, "progressDeadlineSeconds": 600}},
        },
    })
}

/// The same with another endpoint of docker.io.
pub fn with_endpoint(mut config: Value, endpoint: &str) -> Value {
    config["spec"]["registries"]["mirrors"]["docker.io"]["endpoint"] = json!([endpoint]);
    config
}

pub fn with_max_unavailable(mut config: Value, nodes: &Value) -> Value {
    config["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = nodes.clone();
    config
}

/// A Secret in the operator's name space.
pub fn secret(name: &str, kind: &str, data: &[(&str, &str)]) -> Value {
    let data: serde_json::Map<String, Value> = data
        .iter()
        .map(|(key, value)| ((*key).to_string(), json!(value)))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "namespace": crate::operator::NAMESPACE},
        "type": kind, "stringData": data,
    })
}
