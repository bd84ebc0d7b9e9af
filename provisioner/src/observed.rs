//! What is there: containers as the Engine tells of them, put together to clusters.

use std::collections::BTreeMap;

use docker::models::{ContainerInspectResponse, PortBinding};
use registries::Secret;

use crate::cluster::{ContainerPort, HostAlias, HostBinding, PortMap, Protocol, Role};
use crate::container::Habits;
use crate::names;

/// A container that carries the label of both tools.
#[derive(Clone, Debug)]
pub struct Container {
    pub name: String,
    pub role: Role,
    /// Empty for a registry that belongs to no cluster.
    pub cluster: String,
    /// As the Engine told it; what is made anew is copied from here.
    pub inspected: Inspected,
}

/// The Engine's answer. Its environment and labels hold tokens, so it does not show itself.
#[derive(Clone)]
pub struct Inspected(pub ContainerInspectResponse);

impl std::fmt::Debug for Inspected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inspected")
    }
}

impl Container {
    /// `None` for a container that is not ours.
    pub fn of(inspected: ContainerInspectResponse) -> Option<Self> {
        let labels = inspected.config.as_ref()?.labels.as_ref()?;
        if labels.get(names::LABEL_APP).map(String::as_str) != Some(names::APP) {
            return None;
        }
        let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
        Some(Self {
            name: inspected
                .name
                .as_deref()?
                .trim_start_matches('/')
                .to_owned(),
            role: Role::of_label(&label(names::LABEL_ROLE)),
            cluster: label(names::LABEL_CLUSTER),
            inspected: Inspected(inspected),
        })
    }

    pub fn label(&self, key: &str) -> Option<&str> {
        let config = self.inspected.0.config.as_ref()?;
        config.labels.as_ref()?.get(key).map(String::as_str)
    }

    /// Labels of both tools; the user's own are not read back.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let labels = self
            .inspected
            .0
            .config
            .as_ref()
            .and_then(|config| config.labels.as_ref());
        labels
            .into_iter()
            .flatten()
            .filter(|(key, _)| key.starts_with("k3d"))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    pub fn is_running(&self) -> bool {
        let state = self.inspected.0.state.as_ref();
        state.and_then(|state| state.running).unwrap_or(false)
    }

    /// `created`, `running`, `restarting`, `exited`, ...
    pub fn status(&self) -> String {
        let state = self.inspected.0.state.as_ref();
        let status = state.and_then(|state| state.status);
        status.map(|status| status.to_string()).unwrap_or_default()
    }

    /// The image as it was asked for.
    pub fn image(&self) -> String {
        let config = self.inspected.0.config.as_ref();
        config
            .and_then(|config| config.image.clone())
            .unwrap_or_default()
    }

    pub fn command(&self) -> Vec<String> {
        let config = self.inspected.0.config.as_ref();
        config
            .and_then(|config| config.cmd.clone())
            .unwrap_or_default()
    }

    pub fn env(&self) -> Vec<String> {
        let config = self.inspected.0.config.as_ref();
        config
            .and_then(|config| config.env.clone())
            .unwrap_or_default()
    }

    pub fn binds(&self) -> Vec<String> {
        let host = self.inspected.0.host_config.as_ref();
        host.and_then(|host| host.binds.clone()).unwrap_or_default()
    }

    pub fn starts_by_entrypoint(&self) -> bool {
        let config = self.inspected.0.config.as_ref();
        config
            .and_then(|config| config.entrypoint.as_ref())
            .is_some_and(|entrypoint| entrypoint.iter().any(|word| word == names::ENTRYPOINT))
    }

    pub fn habits(&self) -> Habits {
        let host = self.inspected.0.host_config.as_ref();
        Habits {
            init: host.and_then(|host| host.init).unwrap_or(true),
            entrypoint: self.starts_by_entrypoint(),
        }
    }

    /// Networks with the container's address in them; the address is empty while it does not run.
    pub fn networks(&self) -> BTreeMap<String, String> {
        let settings = self.inspected.0.network_settings.as_ref();
        settings
            .and_then(|settings| settings.networks.as_ref())
            .into_iter()
            .flatten()
            .map(|(name, endpoint)| {
                (
                    name.clone(),
                    endpoint.ip_address.clone().unwrap_or_default(),
                )
            })
            .collect()
    }

    /// Published ports as they were asked for, running or not.
    pub fn ports(&self) -> PortMap {
        let host = self.inspected.0.host_config.as_ref();
        host.and_then(|host| host.port_bindings.as_ref())
            .into_iter()
            .flatten()
            .filter_map(|(key, bindings)| Some((port(key)?, bindings.as_ref()?)))
            .map(|(port, bindings)| (port, bindings.iter().map(binding).collect()))
            .collect()
    }

    /// Published ports as the Engine gave them; `None` while the container does not run.
    pub fn given_port(&self, port: ContainerPort) -> Option<u16> {
        let settings = self.inspected.0.network_settings.as_ref()?;
        let given = settings.ports.as_ref()?.get(&port.to_string())?.as_ref()?;
        given.first()?.host_port.as_ref()?.parse().ok()
    }

    pub fn is_initializing_server(&self) -> bool {
        self.role == Role::Server
            && self.label(names::LABEL_SERVER_INIT) == Some("true")
            && self.command().iter().any(|word| word == "--cluster-init")
    }

    /// Whether this server was told to leave `CoreDNS` out.
    pub fn has_dns_disabled(&self) -> bool {
        let command = self.command();
        let pairs = command
            .iter()
            .zip(command.iter().skip(1).map(Some).chain([None]));
        pairs.into_iter().any(|(word, next)| {
            word.strip_prefix("--disable=")
                .or_else(|| (word == "--disable").then_some(next.map_or("", String::as_str)))
                .is_some_and(|list| list.split(',').any(|name| name == "coredns"))
        })
    }
}

/// All containers of one cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub name: String,
    /// By role and name.
    pub nodes: Vec<Container>,
}

impl Cluster {
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Container> {
        self.nodes.iter().filter(move |node| node.role == role)
    }

    pub fn servers(&self) -> impl Iterator<Item = &Container> {
        self.with_role(Role::Server)
    }

    pub fn agents(&self) -> impl Iterator<Item = &Container> {
        self.with_role(Role::Agent)
    }

    pub fn balancer(&self) -> Option<&Container> {
        self.with_role(Role::LoadBalancer).next()
    }

    pub fn running(&self, role: Role) -> usize {
        self.with_role(role)
            .filter(|node| node.is_running())
            .count()
    }

    /// The first value of a label among the nodes.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.nodes.iter().find_map(|node| node.label(key))
    }

    pub fn network(&self) -> String {
        self.label(names::LABEL_NETWORK)
            .map_or_else(|| names::network(&self.name), str::to_owned)
    }

    /// Whether the network was there before the cluster, and stays after it.
    pub fn network_is_external(&self) -> bool {
        self.label(names::LABEL_NETWORK_EXTERNAL) == Some("true")
    }

    pub fn token(&self) -> Option<Secret> {
        self.label(names::LABEL_CLUSTER_TOKEN).map(Secret::from)
    }

    pub fn image_volume(&self) -> Option<&str> {
        self.label(names::LABEL_IMAGE_VOLUME)
    }

    /// What the user gave at creation; a label that cannot be read counts as none.
    pub fn host_aliases(&self) -> Vec<HostAlias> {
        self.label(names::LABEL_HOST_ALIASES)
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default()
    }

    /// The server whose kubeconfig is read: the first one that knows how the API is reached.
    pub fn api_server(&self) -> Option<&Container> {
        self.servers()
            .find(|server| server.label(names::LABEL_API_PORT).is_some())
            .or_else(|| self.servers().next())
    }

    pub fn initializing_server(&self) -> Option<&Container> {
        self.servers()
            .find(|server| server.is_initializing_server())
    }
}

/// Containers put together to clusters, by name. Registries of no cluster are left out.
pub fn clusters(containers: impl IntoIterator<Item = Container>) -> Vec<Cluster> {
    let mut clusters = BTreeMap::<String, Vec<Container>>::new();
    for container in containers {
        if !container.cluster.is_empty() {
            clusters
                .entry(container.cluster.clone())
                .or_default()
                .push(container);
        }
    }
    clusters
        .into_iter()
        // What is left of helpers alone is no cluster.
        .filter(|(_, nodes)| {
            nodes
                .iter()
                .any(|node| node.role.runs_k3s() || node.role == Role::LoadBalancer)
        })
        .map(|(name, nodes)| cluster(name, nodes))
        .collect()
}

/// The cluster of these containers, in order.
pub fn cluster(name: String, mut nodes: Vec<Container>) -> Cluster {
    nodes.sort_by_cached_key(|node| (node.role, number(&node.name), node.name.clone()));
    Cluster { name, nodes }
}

/// The number at the end of a name, so that the tenth server comes after the second.
fn number(name: &str) -> u32 {
    let digits = name.rsplit('-').next().unwrap_or_default();
    digits.parse().unwrap_or(u32::MAX)
}

/// `6443/tcp`, or a bare number, which means TCP.
pub fn port(text: &str) -> Option<ContainerPort> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    Some(ContainerPort {
        port: port.parse().ok()?,
        protocol: match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => return None,
        },
    })
}

fn binding(binding: &PortBinding) -> HostBinding {
    HostBinding {
        ip: binding.host_ip.clone().unwrap_or_default(),
        port: binding.host_port.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use docker::models::ContainerConfig;

    fn container(name: &str, role: &str, cluster: &str, command: &[&str]) -> Container {
        let labels = [
            (names::LABEL_APP, "k3d"),
            (names::LABEL_ROLE, role),
            (names::LABEL_CLUSTER, cluster),
        ];
        Container::of(ContainerInspectResponse {
            name: Some(format!("/{name}")),
            config: Some(ContainerConfig {
                labels: Some(labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
                cmd: Some(command.iter().map(|&word| word.to_owned()).collect()),
                ..Default::default()
            }),
            ..Default::default()
        })
        .unwrap()
    }

    #[test]
    fn containers_become_clusters_with_nodes_in_order() {
        let found = clusters(vec![
            container("k3d-b-server-0", "server", "b", &[]),
            container("k3d-a-agent-10", "agent", "a", &[]),
            container("k3d-a-agent-2", "agent", "a", &[]),
            container("k3d-a-serverlb", "loadbalancer", "a", &[]),
            container("k3d-a-server-0", "server", "a", &[]),
            container("k3d-registry", "registry", "", &[]),
            container("k3d-c-tools", "noRole", "c", &[]),
        ]);
        let told: Vec<_> = found
            .iter()
            .map(|cluster| {
                let names = cluster.nodes.iter().map(|node| node.name.as_str());
                (cluster.name.as_str(), names.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(
            told,
            [
                (
                    "a",
                    vec![
                        "k3d-a-server-0",
                        "k3d-a-agent-2",
                        "k3d-a-agent-10",
                        "k3d-a-serverlb"
                    ]
                ),
                ("b", vec!["k3d-b-server-0"]),
            ]
        );
    }

    #[test]
    fn a_container_without_the_label_is_not_ours() {
        assert!(Container::of(ContainerInspectResponse::default()).is_none());
    }

    #[test]
    fn disabled_dns_is_seen_in_every_spelling() {
        for (command, disabled) in [
            (vec!["server", "--disable=coredns"], true),
            (vec!["server", "--disable", "traefik,coredns"], true),
            (vec!["server", "--disable=traefik"], false),
            (vec!["server", "--disable"], false),
        ] {
            let server = container("k3d-a-server-0", "server", "a", &command);
            assert_eq!(server.has_dns_disabled(), disabled, "{command:?}");
        }
    }

    #[test]
    fn ports_are_read_with_and_without_a_protocol() {
        assert_eq!(port("6443"), Some(ContainerPort::tcp(6443)));
        assert_eq!(port("53/udp").unwrap().protocol, Protocol::Udp);
        assert_eq!(port("53/what"), None);
    }
}
