//! What things are called in an Engine: container, network and volume names, and label keys. Both tools must agree on these.

/// The label that every object of ours carries, with the value [`APP`].
pub const LABEL_APP: &str = "app";
/// The value of [`LABEL_APP`].
pub const APP: &str = "k3d";
/// The version of the tool that made the object.
pub const LABEL_VERSION: &str = "k3d.version";
/// The version whose rules clusters follow; it is written into their labels, so that k3d takes them for its own.
pub const K3D_VERSION: &str = "v5.9.0";
pub const LABEL_ROLE: &str = "k3d.role";
pub const LABEL_CLUSTER: &str = "k3d.cluster";
pub const LABEL_CLUSTER_URL: &str = "k3d.cluster.url";
pub const LABEL_CLUSTER_TOKEN: &str = "k3d.cluster.token";
pub const LABEL_CLUSTER_EXTERNAL: &str = "k3d.cluster.external";
pub const LABEL_IMAGE_VOLUME: &str = "k3d.cluster.imageVolume";
pub const LABEL_NETWORK: &str = "k3d.cluster.network";
pub const LABEL_NETWORK_ID: &str = "k3d.cluster.network.id";
pub const LABEL_NETWORK_EXTERNAL: &str = "k3d.cluster.network.external";
pub const LABEL_NETWORK_RANGE: &str = "k3d.cluster.network.iprange";
pub const LABEL_HOST_ALIASES: &str = "k3d.cluster.start.hostaliases";
pub const LABEL_API_HOST: &str = "k3d.server.api.host";
pub const LABEL_API_HOST_IP: &str = "k3d.server.api.hostIP";
pub const LABEL_API_PORT: &str = "k3d.server.api.port";
pub const LABEL_SERVER_INIT: &str = "k3d.server.init";
pub const LABEL_LOAD_BALANCER: &str = "k3d.server.loadbalancer";
pub const LABEL_STATIC_IP: &str = "k3d.node.staticIP";
pub const LABEL_REGISTRY_HOST: &str = "k3d.registry.host";
pub const LABEL_REGISTRY_HOST_IP: &str = "k3d.registry.hostIP";
/// The prefix of this one is `k3s.`, in k3d as well.
pub const LABEL_REGISTRY_PORT_EXTERNAL: &str = "k3s.registry.port.external";
/// The prefix of this one is `k3s.`, in k3d as well.
pub const LABEL_REGISTRY_PORT_INTERNAL: &str = "k3s.registry.port.internal";

/// What the range label says when a network has no range, as on the host's own network.
pub const NO_RANGE: &str = "invalid Prefix";

/// The cluster that is meant when none is named.
pub const DEFAULT_CLUSTER: &str = "k3s-default";
/// Names of clusters may not be longer: container names are host names, which end at 63 characters.
pub const CLUSTER_NAME_LIMIT: usize = 32;

/// The port of the Kubernetes API inside containers.
pub const API_PORT: u16 = 6443;
/// Where the image volume is mounted.
pub const IMAGE_VOLUME_PATH: &str = "/k3d/images";
/// Where k3s reads its mirrors and credentials.
pub const REGISTRIES_PATH: &str = "/etc/rancher/k3s/registries.yaml";
/// Where k3s writes the administrator's kubeconfig.
pub const KUBECONFIG_PATH: &str = "/output/kubeconfig.yaml";
/// Where the load balancer reads what it forwards.
pub const BALANCER_CONFIG_PATH: &str = "/etc/confd/values.yaml";
/// Where the `LocalRegistryHosting` manifest is put in nodes.
pub const REGISTRY_HOSTING_PATH: &str = "/tmp/localRegistryHostingCM.yaml";
/// The program that starts k3s in nodes, after the fixes.
pub const ENTRYPOINT: &str = "/bin/k3d-entrypoint.sh";
/// The name by which nodes and pods reach the host.
pub const HOST_ALIAS: &str = "host.k3d.internal";
pub const DEFAULT_IMAGE_REPOSITORY: &str = "docker.io/rancher/k3s";
/// The load balancer of k3d.
pub const K3D_BALANCER_REPOSITORY: &str = "ghcr.io/k3d-io/k3d-proxy";
pub const DEFAULT_REGISTRY_IMAGE: &str = "docker.io/library/registry:2";
pub const DEFAULT_REGISTRY_PORT: u16 = 5000;
pub const DEFAULT_REGISTRY_NAME: &str = "k3d-registry";
pub const DEFAULT_REGISTRY_NETWORK: &str = "bridge";

/// `k3d-` before a name that does not have it yet.
pub fn prefixed(name: &str) -> String {
    if name.starts_with("k3d-") {
        name.to_owned()
    } else {
        format!("k3d-{name}")
    }
}

pub fn server(cluster: &str, index: usize) -> String {
    format!("k3d-{cluster}-server-{index}")
}

pub fn agent(cluster: &str, index: usize) -> String {
    format!("k3d-{cluster}-agent-{index}")
}

pub fn load_balancer(cluster: &str) -> String {
    format!("k3d-{cluster}-serverlb")
}

/// The registry that is made together with a cluster when no name is given.
pub fn registry(cluster: &str) -> String {
    format!("k3d-{cluster}-registry")
}

pub fn network(cluster: &str) -> String {
    format!("k3d-{cluster}")
}

pub fn image_volume(cluster: &str) -> String {
    format!("k3d-{cluster}-images")
}

/// The context and the cluster of a kubeconfig.
pub fn context(cluster: &str) -> String {
    format!("k3d-{cluster}")
}

/// The address by which nodes join a cluster.
pub fn join_url(host: &str) -> String {
    format!("https://{host}:{API_PORT}")
}

/// Whether a container of this name is meant by what the user typed: the prefix may be left out.
pub fn is_meant(typed: &str, container: &str) -> bool {
    let container = container.trim_start_matches('/');
    container == typed || container.strip_prefix("k3d-") == Some(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_meant_with_and_without_the_prefix() {
        assert!(is_meant("x-server-0", "/k3d-x-server-0"));
        assert!(is_meant("k3d-x-server-0", "k3d-x-server-0"));
        assert!(!is_meant("k3d-x", "x"));
        assert!(!is_meant("server-0", "k3d-x-server-0"));
        assert_eq!(prefixed("a"), "k3d-a");
        assert_eq!(prefixed("k3d-a"), "k3d-a");
    }
}
