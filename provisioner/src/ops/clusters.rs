//! Clusters: create, start, stop, delete, change ports.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use super::{Error, Plan, Provisioner};
use crate::balancer::config::Config;
use crate::cluster::{ClusterSpec, ContainerPort, HostBinding, PortMap, Protocol, Wait};
use crate::names;
use crate::observed::{self, Cluster, Container};
use crate::plan::{self, PortChange};
use crate::random;
use crate::run::Failure;
use crate::step::Step;

impl Provisioner {
    /// The plan of a new cluster. `spec` gets what only the Engine knows.
    pub async fn plan_create(&self, spec: &mut ClusterSpec) -> Result<Plan, Error> {
        let lock = self.lock("cluster", &spec.name)?;
        let containers = self.containers().await?;
        if containers
            .iter()
            .any(|container| container.cluster == spec.name)
        {
            let name = &spec.name;
            return Err(Error::Other(format!(
                "Failed to create cluster '{name}' because a cluster with that name already exists"
            )));
        }
        if spec.token.is_empty() {
            spec.token = random::letters(20).into();
        }
        self.name_host(spec);
        let registries = self.cluster_registries(spec, &containers)?;
        let steps = plan::create(spec, &registries, &self.around);
        self.check_names(&steps).await?;
        self.check_ports(&steps, &containers)?;
        Ok(Plan {
            rolls_back: spec.options.rollback,
            timeout: spec.options.timeout,
            lock: Some(lock),
            ..Plan::new(steps)
        })
    }

    /// The image of load balancers: the one that was asked for, else our own.
    pub fn balancer_image(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<String, Error> {
        if let Some(image) = variable("K3D_IMAGE_LOADBALANCER") {
            return Ok(image);
        }
        if let Some(tag) = variable("K3D_HELPER_IMAGE_TAG") {
            return Ok(format!("{}:{tag}", names::K3D_BALANCER_REPOSITORY));
        }
        let image = crate::balancer::image::Image::of(&self.settings.program);
        Ok(image
            .map_err(|error| Error::Other(error.to_string()))?
            .name())
    }

    /// An Engine on another machine publishes ports there.
    fn name_host(&self, spec: &mut ClusterSpec) {
        if spec.api.host == "0.0.0.0"
            && let Some(host) = self.engine.endpoint().host()
        {
            host.clone_into(&mut spec.api.host);
        }
    }

    /// Names of containers that somebody else has taken.
    async fn check_names(&self, steps: &[Step]) -> Result<(), Error> {
        for spec in created(steps) {
            if self.engine.container(&spec.name).await?.is_some() {
                return Err(plan::Refusal::NameTaken {
                    name: spec.name.clone(),
                }
                .into());
            }
        }
        Ok(())
    }

    /// Ports of this machine are tried; those of another are compared with what its containers publish.
    fn check_ports(&self, steps: &[Step], containers: &[Container]) -> Result<(), Error> {
        let local = self.engine.endpoint().is_local();
        for spec in created(steps) {
            for (port, bindings) in &spec.ports {
                for binding in bindings {
                    let Ok(number) = binding.port.parse::<u16>() else {
                        continue;
                    };
                    let holder = containers.iter().find(|container| {
                        container.is_running() && publishes(&container.ports(), *port, binding)
                    });
                    let taken = holder.is_some()
                        || (local && port.protocol == Protocol::Tcp && in_use(&binding.ip, number));
                    if taken {
                        let by = holder.map_or_else(
                            || "another program".to_owned(),
                            |holder| format!("container {}", holder.name),
                        );
                        return Err(Error::Other(format!(
                            "port {number} of the host, wanted for {}, is taken by {by}; choose another port or stop it",
                            spec.name
                        )));
                    }
                }
            }
        }
        Ok(())
    }

    pub async fn plan_start(
        &self,
        name: &str,
        wait: Wait,
        timeout: Option<Duration>,
    ) -> Result<Plan, Error> {
        let cluster = self.cluster(name).await?;
        Ok(Plan {
            network: self.network_of(&cluster).await?,
            timeout,
            ..Plan::new(plan::start(&cluster, wait))
        })
    }

    pub async fn plan_stop(&self, name: &str) -> Result<Plan, Error> {
        Ok(Plan::new(plan::stop(&self.cluster(name).await?)))
    }

    /// Whatever is left of a cluster of this name, even if it is not much. `None`: nothing is.
    pub async fn plan_delete(&self, name: &str) -> Result<Option<Plan>, Error> {
        let mut nodes = self.containers().await?;
        nodes.retain(|container| container.cluster == name);
        let is_there = !nodes.is_empty() || self.has_remains(name).await?;
        let cluster = observed::cluster(name.to_owned(), nodes);
        Ok(is_there.then(|| Plan::new(plan::delete(&cluster, &self.around, true))))
    }

    /// A network or volumes of ours that no container tells of any more.
    async fn has_remains(&self, name: &str) -> Result<bool, Error> {
        let app = format!("{}={}", names::LABEL_APP, names::APP);
        let cluster = format!("{}={name}", names::LABEL_CLUSTER);
        if !self.engine.volumes(&[&app, &cluster]).await?.is_empty() {
            return Ok(true);
        }
        let networks = self.engine.networks_named(&names::network(name)).await?;
        Ok(networks.iter().any(|network| {
            let labels = network.labels.as_ref();
            labels.is_some_and(|labels| {
                labels
                    .get(names::LABEL_APP)
                    .is_some_and(|app| app == names::APP)
            })
        }))
    }

    pub async fn plan_ports(&self, name: &str, changes: &[PortChange]) -> Result<Plan, Error> {
        let cluster = self.cluster(name).await?;
        let forwarded = self
            .forwarded(&cluster)
            .await?
            .unwrap_or_else(|| Config::of([]));
        let steps = plan::change_ports(&cluster, changes, &forwarded, &random::letters(5))?;
        Ok(Plan {
            network: self.network_of(&cluster).await?,
            rolls_back: true,
            ..Plan::new(steps)
        })
    }

    /// What the load balancer has in its file.
    pub async fn forwarded(&self, cluster: &Cluster) -> Result<Option<Config>, Error> {
        let Some(container) = cluster.balancer() else {
            return Ok(None);
        };
        let path = names::BALANCER_CONFIG_PATH;
        let Some(bytes) = self.engine.get_file(&container.name, path).await? else {
            return Ok(None);
        };
        let config = Config::parse(&String::from_utf8_lossy(&bytes));
        let config = config.map_err(|error| {
            Error::Other(format!(
                "failed to read {path} of {}: {error}",
                container.name
            ))
        })?;
        Ok(Some(config))
    }

    /// The file of the load balancer as it is.
    pub async fn balancer_config(&self, name: &str) -> Result<String, Error> {
        let cluster = self.cluster(name).await?;
        let container = cluster
            .balancer()
            .ok_or_else(|| plan::Refusal::NoLoadBalancer {
                cluster: name.to_owned(),
            })?;
        let path = names::BALANCER_CONFIG_PATH;
        let bytes = self.engine.get_file(&container.name, path).await?;
        let bytes = bytes.ok_or_else(|| {
            Failure::Other(format!(
                "{} has no {path}; start the cluster first",
                container.name
            ))
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What one needs to talk to the cluster.
    pub async fn access(&self, name: &str) -> Result<crate::kubeconfig::ClusterKubeconfig, Error> {
        let cluster = self.cluster(name).await?;
        let server = cluster.api_server().ok_or_else(|| Error::NoNode {
            name: names::server(name, 0),
            known: "the cluster has no server".to_owned(),
        })?;
        Ok(crate::run::access(&self.engine, name, &server.name).await?)
    }
}

/// Every container that a plan makes.
fn created(steps: &[Step]) -> Vec<&crate::container::ContainerSpec> {
    let mut found = Vec::new();
    for step in steps {
        match step {
            Step::Together(inner) => found.extend(created(inner)),
            Step::CreateContainer(spec) => found.push(&**spec),
            _ => {}
        }
    }
    found
}

/// Whether this place of the host is among these; one number may be taken once by each protocol at each address.
fn publishes(ports: &PortMap, port: ContainerPort, wanted: &HostBinding) -> bool {
    let every = |ip: &str| matches!(ip, "" | "0.0.0.0" | "::");
    let same = |binding: &HostBinding| {
        binding.port == wanted.port
            && (binding.ip == wanted.ip || every(&binding.ip) || every(&wanted.ip))
    };
    let of_protocol = ports
        .iter()
        .filter(|(other, _)| other.protocol == port.protocol);
    of_protocol.flat_map(|(_, bindings)| bindings).any(same)
}

/// Whether some program of this machine listens there.
fn in_use(ip: &str, port: u16) -> bool {
    let ip = if ip.is_empty() { "0.0.0.0" } else { ip };
    let address = if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    };
    matches!(TcpListener::bind(address), Err(error) if error.kind() == io::ErrorKind::AddrInUse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_for_its_protocol_and_at_its_address_only() {
        let port = |protocol| ContainerPort { port: 80, protocol };
        let binding = |ip: &str, port: &str| HostBinding {
            ip: ip.to_owned(),
            port: port.to_owned(),
        };
        let taken = PortMap::from([(port(Protocol::Tcp), vec![binding("127.0.0.2", "8080")])]);
        for (protocol, ip, number, expected) in [
            (Protocol::Tcp, "127.0.0.2", "8080", true),
            (Protocol::Tcp, "", "8080", true),
            (Protocol::Tcp, "0.0.0.0", "8080", true),
            (Protocol::Tcp, "127.0.0.3", "8080", false),
            (Protocol::Udp, "127.0.0.2", "8080", false),
            (Protocol::Tcp, "127.0.0.2", "8081", false),
        ] {
            let found = publishes(&taken, port(protocol), &binding(ip, number));
            assert_eq!(found, expected, "{ip}:{number}/{protocol:?}");
        }
    }
}
