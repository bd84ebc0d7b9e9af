//! Registries: create, delete, and what they mean for clusters.

use registries::{Finding, LintOptions};

use super::{Error, Plan, Provisioner, known};
use crate::cluster::{ClusterSpec, NodeFile, RegistrySpec, Role};
use crate::names;
use crate::observed::Container;
use crate::plan::{self, ClusterRegistries, Refusal};
use crate::registry_config::{NodeRegistry, advertised_host, generate, hosting_manifest};

/// Where programs look for the Engine.
const DOCKER_SOCKET: &str = "/var/run/docker.sock";

impl Provisioner {
    pub async fn plan_create_registry(&self, registry: &RegistrySpec) -> Result<Plan, Error> {
        let lock = self.lock("registry", &registry.name)?;
        if self.engine.container(&registry.name).await?.is_some() {
            let name = &registry.name;
            return Err(Error::Other(format!(
                "A registry node with that name already exists: '{name}'; delete it first or choose another name"
            )));
        }
        Ok(Plan {
            rolls_back: true,
            lock: Some(lock),
            ..Plan::new(plan::create_registry(registry, &self.around))
        })
    }

    /// What a registry that answers from this Engine has to see of it: its socket and, to read layers where they are,
    /// its data root.
    pub async fn volumes_of_engine(&self) -> Result<Vec<String>, Error> {
        let facts = self.engine.facts().await?;
        Ok(engine_volumes(&self.engine.endpoint().address, &facts))
    }

    pub async fn registries(&self) -> Result<Vec<Container>, Error> {
        let mut containers = self.containers().await?;
        containers.retain(|container| container.role == Role::Registry);
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }

    pub async fn plan_delete_registries(&self, names: &[String]) -> Result<Plan, Error> {
        let registries = self.registries().await?;
        let registries: Vec<&Container> = registries.iter().collect();
        let mut steps = Vec::new();
        for name in names {
            steps.extend(plan::remove_registry(find(&registries, name)?));
        }
        Ok(Plan::new(steps))
    }

    /// What registries mean for the nodes of a cluster. A registry that is to be made and is there already is used.
    pub(super) fn cluster_registries(
        &self,
        spec: &mut ClusterSpec,
        containers: &[Container],
    ) -> Result<ClusterRegistries, Error> {
        let registries: Vec<&Container> = containers
            .iter()
            .filter(|container| container.role == Role::Registry)
            .collect();
        let mut known_to_nodes = Vec::new();
        let mut used = Vec::new();
        let mut hosts = Vec::new();
        for name in &spec.registries.using {
            let registry = find(&registries, name)?;
            if used.contains(&registry.name) {
                continue;
            }
            known_to_nodes.push(node_registry(registry)?);
            hosts.push(registry_host(registry));
            used.push(registry.name.clone());
        }
        if let Some(create) = spec.registries.create.take() {
            let there = registries.iter().find(|it| it.name == create.name);
            let caches = NodeRegistry::of_spec(&create).caches;
            match there.filter(|it| it.cluster == spec.name) {
                _ if used.contains(&create.name) => {}
                // Made by an earlier application, with a port that was chosen then.
                Some(there) => {
                    known_to_nodes.push(NodeRegistry {
                        caches,
                        ..node_registry(there)?
                    });
                    hosts.push(registry_host(there));
                    used.push(create.name);
                }
                None => {
                    known_to_nodes.push(NodeRegistry::of_spec(&create));
                    hosts.push(advertised_host(&create.host, &create.host_ip.to_string()));
                    spec.registries.create = Some(create);
                }
            }
        }
        let mut files = Vec::new();
        let document = spec
            .registries
            .config
            .as_ref()
            .map(|document| document.0.as_str());
        let origin = "registries.config";
        let generated = generate(&known_to_nodes, document, &LintOptions::default(), origin);
        let generated = generated.map_err(|error| Error::Other(error.to_string()))?;
        if let Some(generated) = generated {
            for finding in &generated.findings {
                self.reporter.warn(finding_line(finding));
            }
            files.push(node_file(names::REGISTRIES_PATH, generated.text));
        }
        if let (Some(first), Some(host)) = (known_to_nodes.first(), hosts.first()) {
            if known_to_nodes.len() > 1 {
                let text = format!(
                    "tools in the cluster are told about one registry only: {}",
                    first.name
                );
                self.reporter.warn(text);
            }
            files.push(node_file(
                names::REGISTRY_HOSTING_PATH,
                hosting_manifest(first, host),
            ));
        }
        Ok(ClusterRegistries {
            used,
            missing: Vec::new(),
            is_published: !known_to_nodes.is_empty(),
            files,
        })
    }
}

fn node_registry(registry: &Container) -> Result<NodeRegistry, Error> {
    NodeRegistry::of_container(registry).ok_or_else(|| {
        let name = &registry.name;
        Error::Other(format!(
            "registry '{name}' cannot be used: exactly one of its ports must be published; create it with --port"
        ))
    })
}

fn registry_host(registry: &Container) -> String {
    let label = |key: &str| registry.label(key).unwrap_or_default();
    advertised_host(
        label(names::LABEL_REGISTRY_HOST),
        label(names::LABEL_REGISTRY_HOST_IP),
    )
}

fn finding_line(finding: &Finding) -> String {
    let line = finding
        .line
        .map_or_else(String::new, |line| format!("line {line}, "));
    let Finding {
        code,
        path,
        message,
        help,
        ..
    } = finding;
    format!("registries.config: {line}{path}: {message}; {help} [{code}]")
}

fn node_file(path: &str, text: String) -> NodeFile {
    NodeFile {
        path: path.to_owned(),
        mode: 0o644,
        content: text.into_bytes(),
    }
}

/// By the exact name before the shortened one.
fn find<'a>(registries: &[&'a Container], name: &str) -> Result<&'a Container, Refusal> {
    let exact = registries.iter().find(|registry| registry.name == name);
    let meant = || {
        registries
            .iter()
            .find(|registry| names::is_meant(name, &registry.name))
    };
    exact
        .or_else(meant)
        .copied()
        .ok_or_else(|| Refusal::NoSuchRegistry {
            name: name.to_owned(),
            known: known(
                "registries",
                registries.iter().map(|registry| registry.name.as_str()),
            ),
        })
}

/// Volumes are of the Engine's machine: a socket that we see is there too, and elsewhere it is where it usually is.
fn engine_volumes(address: &docker::Address, facts: &docker::Facts) -> Vec<String> {
    let socket = match address {
        docker::Address::Unix(path) => path.display().to_string(),
        docker::Address::Ssh {
            socket: Some(socket),
            ..
        } => socket.clone(),
        docker::Address::Tcp { .. } | docker::Address::Ssh { .. } => DOCKER_SOCKET.to_owned(),
    };
    let mut volumes = vec![format!("{socket}:{DOCKER_SOCKET}")];
    // Podman keeps images in another way, which the gateway does not read.
    if !facts.is_podman && facts.data_root.starts_with('/') {
        volumes.push(format!("{0}:{0}:ro", facts.data_root));
    }
    volumes
}

#[cfg(test)]
mod engine_volumes_tests {
    use docker::{Address, Facts};

    use super::engine_volumes;

    #[test]
    fn the_gateway_sees_the_socket_and_the_data_root() {
        let facts = Facts {
            data_root: "/data/docker".to_owned(),
            ..Facts::default()
        };
        let usual = "/var/run/docker.sock:/var/run/docker.sock";
        let ssh = |socket: Option<&str>| Address::Ssh {
            user: None,
            host: "far".to_owned(),
            port: None,
            socket: socket.map(str::to_owned),
        };
        let tcp = Address::Tcp {
            host: "far".to_owned(),
            port: 2376,
        };
        for (address, socket) in [
            (
                Address::Unix("/run/user/1/docker.sock".into()),
                "/run/user/1/docker.sock:/var/run/docker.sock",
            ),
            (tcp, usual),
            (ssh(None), usual),
            (ssh(Some("/x.sock")), "/x.sock:/var/run/docker.sock"),
        ] {
            assert_eq!(
                engine_volumes(&address, &facts),
                [socket, "/data/docker:/data/docker:ro"]
            );
        }
    }

    #[test]
    fn only_the_socket_is_mounted_where_content_cannot_be_read() {
        let podman = Facts {
            data_root: "/var/lib/containers".to_owned(),
            is_podman: true,
            ..Facts::default()
        };
        for facts in [podman, Facts::default()] {
            assert_eq!(engine_volumes(&Address::Unix("/a".into()), &facts).len(), 1);
        }
    }
}
