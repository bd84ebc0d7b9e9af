//! Clusters and nodes as JSON, in the shape that scripts know from k3d.

use provisioner::cluster::Role;
use provisioner::names;
use provisioner::observed::{Cluster, Container};
use serde_json::{Map, Value, json};

/// `whole`: with what is told only of clusters that were asked for by name.
pub(crate) fn cluster(cluster: &Cluster, with_token: bool, whole: bool) -> Value {
    let count = |role| cluster.with_role(role).count();
    let nodes = cluster.nodes.iter();
    let nodes: Vec<Value> = nodes.map(|it| node(it, with_token)).collect();
    let mut shape = Map::new();
    let mut put = |key: &str, value: Value| {
        shape.insert(key.to_owned(), value);
    };
    put("name", json!(cluster.name));
    put("network", network(cluster));
    if with_token && let Some(token) = cluster.token() {
        put("clusterToken", json!(token.expose()));
    }
    put("nodes", Value::Array(nodes));
    put("InitNode", Value::Null);
    if let Some(api) = cluster.api_server().and_then(api) {
        put("kubeAPI", api);
    }
    if let (true, Some(balancer)) = (whole, cluster.balancer()) {
        put(
            "serverLoadBalancer",
            json!({"node": node(balancer, with_token)}),
        );
    }
    if let Some(volume) = cluster.image_volume() {
        put("imageVolume", json!(volume));
        if whole {
            put("volumes", json!([volume]));
        }
    }
    put("serversRunning", json!(cluster.running(Role::Server)));
    put("serversCount", json!(count(Role::Server)));
    put("agentsRunning", json!(cluster.running(Role::Agent)));
    put("agentsCount", json!(count(Role::Agent)));
    if cluster.balancer().is_some() {
        put("hasLoadbalancer", json!(true));
    }
    Value::Object(shape)
}

fn network(cluster: &Cluster) -> Value {
    let range = cluster
        .label(names::LABEL_NETWORK_RANGE)
        .unwrap_or_default();
    let is_managed = cluster.label(names::LABEL_STATIC_IP).is_some();
    let mut network = json!({
        "name": cluster.network(),
        "id": "",
        "ipam": {
            "ipPrefix": if range == names::NO_RANGE { "" } else { range },
            "Managed": is_managed,
        },
        "Members": Value::Null,
    });
    if cluster.network_is_external() {
        network["isExternal"] = json!(true);
    }
    network
}

pub(crate) fn role(role: Role) -> &'static str {
    match role {
        // Helpers read back as having no role.
        Role::None => "",
        role => role.as_str(),
    }
}

/// Tokens stand in the environment and in a label; they are shown only where they were asked for.
pub(crate) fn node(node: &Container, with_token: bool) -> Value {
    // The Engine's own words are the shortest way to most of this.
    let told = serde_json::to_value(&node.inspected.0).unwrap_or_default();
    let at = |path: &str| told.pointer(path).cloned().unwrap_or_default();
    let policy = at("/HostConfig/RestartPolicy/Name");
    let memory = at("/HostConfig/Memory").as_i64().unwrap_or_default();
    let networks = node.networks();
    let (mut env, mut labels) = (node.env(), node.labels());
    if !with_token {
        env.retain(|variable| !variable.starts_with("K3S_TOKEN="));
        labels.remove(names::LABEL_CLUSTER_TOKEN);
    }
    let own = node.label(names::LABEL_NETWORK).unwrap_or_default();
    let ip = networks.get(own).cloned().unwrap_or_default();
    json!({
        "name": node.name,
        "role": role(node.role),
        "image": at("/Image"),
        "volumes": at("/HostConfig/Binds"),
        "env": env,
        "Cmd": at("/Config/Cmd"),
        "portMappings": at("/HostConfig/PortBindings"),
        "restart": matches!(policy.as_str(), Some("unless-stopped" | "always")),
        "created": at("/Created"),
        "runtimeLabels": labels,
        "Networks": networks.keys().collect::<Vec<_>>(),
        "ExtraHosts": at("/HostConfig/ExtraHosts"),
        "serverOpts": server(node),
        "agentOpts": {},
        "GPURequest": "",
        "Memory": if memory > 0 { human_size(memory) } else { String::new() },
        "State": {
            "Running": node.is_running(),
            "Status": node.status(),
            "Started": at("/State/StartedAt"),
        },
        "IP": {
            "IP": ip,
            "Static": node.label(names::LABEL_STATIC_IP).is_some(),
        },
        "K3dEntrypoint": node.starts_by_entrypoint(),
    })
}

fn server(node: &Container) -> Value {
    let mut server = Map::new();
    if node.role == Role::Server {
        if node.label(names::LABEL_SERVER_INIT) == Some("true") {
            server.insert("isInitializingServer".to_owned(), json!(true));
        }
        if let Some(api) = api(node) {
            server.insert("kubeAPI".to_owned(), api);
        }
    }
    Value::Object(server)
}

fn api(node: &Container) -> Option<Value> {
    let port = node.label(names::LABEL_API_PORT)?;
    let ip = node.label(names::LABEL_API_HOST_IP).unwrap_or_default();
    let mut api = json!({
        "Port": "6443",
        "Binding": {"HostIp": ip, "HostPort": port},
    });
    if let Some(host) = node.label(names::LABEL_API_HOST) {
        api["host"] = json!(host);
    }
    Some(api)
}

/// `1.074GB`, in powers of a thousand and four digits.
fn human_size(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    let decimals = match size {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{size:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Container {
        let told = json!({
            "Name": "/k3d-demo-server-0",
            "Image": "sha256:abc",
            "Created": "2026-01-02T03:04:05Z",
            "Config": {
                "Cmd": ["server"],
                "Env": ["K3S_TOKEN=made-up", "A=b"],
                "Entrypoint": ["/bin/k3d-entrypoint.sh"],
                "Labels": {
                    "app": "k3d",
                    "k3d.role": "server",
                    "k3d.cluster": "demo",
                    "k3d.cluster.token": "made-up",
                    "k3d.cluster.network": "k3d-demo",
                    "k3d.cluster.imageVolume": "k3d-demo-images",
                    "k3d.server.api.port": "40123",
                    "k3d.server.api.hostIP": "0.0.0.0",
                    "own": "label",
                },
            },
            "HostConfig": {
                "Binds": ["k3d-demo-images:/k3d/images"],
                "Memory": 1_073_741_824,
                "RestartPolicy": {"Name": "unless-stopped"},
                "PortBindings": {"6443/tcp": [{"HostIp": "0.0.0.0", "HostPort": "40123"}]},
            },
            "State": {"Running": true, "Status": "running", "StartedAt": "2026-01-02T03:04:06Z"},
            "NetworkSettings": {"Networks": {"k3d-demo": {"IPAddress": "172.28.0.2"}}},
        });
        Container::of(serde_json::from_value(told).unwrap()).unwrap()
    }

    #[test]
    fn a_node_has_the_fields_that_scripts_read() {
        let shape = node(&server(), false);
        for (path, expected) in [
            ("/name", json!("k3d-demo-server-0")),
            ("/role", json!("server")),
            ("/image", json!("sha256:abc")),
            ("/State/Running", json!(true)),
            ("/State/Status", json!("running")),
            ("/portMappings/6443~1tcp/0/HostPort", json!("40123")),
            ("/runtimeLabels/k3d.cluster", json!("demo")),
            ("/serverOpts/kubeAPI/Binding/HostPort", json!("40123")),
            ("/Networks", json!(["k3d-demo"])),
            ("/IP/IP", json!("172.28.0.2")),
            ("/Memory", json!("1.074GB")),
            ("/restart", json!(true)),
            ("/K3dEntrypoint", json!(true)),
            ("/env", json!(["A=b"])),
        ] {
            assert_eq!(shape.pointer(path), Some(&expected), "{path}");
        }
        assert!(shape.pointer("/runtimeLabels/own").is_none());
    }

    #[test]
    fn a_cluster_counts_its_nodes_and_shows_its_token_only_when_asked() {
        let found = provisioner::observed::cluster("demo".to_owned(), vec![server()]);
        let shape = cluster(&found, false, false);
        assert_eq!(shape["serversRunning"], 1);
        assert_eq!(shape["serversCount"], 1);
        assert_eq!(shape["agentsCount"], 0);
        assert_eq!(shape["network"]["name"], "k3d-demo");
        assert_eq!(shape["imageVolume"], "k3d-demo-images");
        assert!(shape.get("hasLoadbalancer").is_none());
        assert!(shape.get("volumes").is_none());
        assert!(!shape.to_string().contains("made-up"));
        let whole = cluster(&found, true, true);
        assert_eq!(whole["clusterToken"], "made-up");
        assert_eq!(whole["volumes"], json!(["k3d-demo-images"]));
    }

    #[test]
    fn sizes_are_those_of_docker() {
        assert_eq!(human_size(1_073_741_824), "1.074GB");
        assert_eq!(human_size(1_610_612_736), "1.611GB");
        assert_eq!(human_size(512), "512B");
        assert_eq!(human_size(100_000_000), "100MB");
    }
}
