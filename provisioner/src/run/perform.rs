//! Each step as calls to the Engine.

use std::path::PathBuf;

use docker::File;
use docker::models::{
    Ipam, IpamConfig, NetworkConnectRequest, NetworkCreateRequest, NetworkInspect,
    VolumeCreateRequest,
};
use futures::StreamExt as _;

use super::nodes::Answer;
use super::{Event, Failure, Runner};
use crate::balancer::{self, config::Config};
use crate::cluster::{HostAlias, NodeFile, Subnet};
use crate::container::ContainerSpec;
use crate::observed::Container;
use crate::payload::{self, NetworkFacts};
use crate::step::{Effect, Step};
use crate::{entrypoint, names};

impl Runner<'_> {
    pub(super) async fn perform(&self, step: &Step) -> Result<Effect, Failure> {
        match step {
            Step::Together(_) => return Ok(Effect::Found),
            Step::EnsureImage { image } => return self.ensure_image(image).await,
            Step::EnsureBalancerImage { image } => return self.ensure_balancer_image(image).await,
            Step::EnsureNetwork { name, subnet } => return self.ensure_network(name, subnet).await,
            Step::EnsureVolume { name, cluster } => return self.ensure_volume(name, cluster).await,
            Step::CreateContainer(spec) => self.create(spec).await?,
            Step::Connect { container, network } => return self.connect(container, network).await,
            Step::Disconnect { container, network } => {
                return self.disconnect(container, network).await;
            }
            Step::WriteFiles { container, files } => self.write(container, files).await?,
            Step::ReplaceFiles { container, files } => self.replace(container, files).await?,
            Step::RemoveFiles { container, paths } => {
                let mut words = vec!["rm", "-rf", "--"];
                words.extend(paths.iter().map(String::as_str));
                self.must_run(container, &words).await?;
            }
            Step::WriteEntrypoint { container, aliases } => {
                self.write_entrypoint(container, aliases).await?;
            }
            Step::WriteBalancer {
                container,
                config,
                reload,
            } => self.write_balancer(container, config, *reload).await?,
            Step::Start { container, until } => {
                self.reporter.info(format!("Starting node '{container}'"));
                self.engine.start(container).await?;
                self.wait_until_ready(container, *until).await?;
            }
            Step::WaitForNodes {
                server,
                nodes,
                wait,
            } => self.wait_for_nodes(server, nodes, *wait).await?,
            Step::PublishRegistry { node } => self.publish_registry(node).await?,
            Step::LabelNode {
                server,
                node,
                labels,
            } => self.label_node(server, node, labels).await?,
            Step::ForgetNode { server, node } => {
                let arguments = ["delete", "node", node, "--ignore-not-found", "--wait=false"];
                self.must_kubectl(server, &arguments).await?;
            }
            Step::Stop { container } => {
                self.reporter.info(format!("Stopping node '{container}'"));
                self.engine.stop(container, None).await?;
            }
            Step::Rename { container, to } => self.engine.rename(container, to).await?,
            Step::RemoveContainer { container } => return self.remove(container).await,
            Step::RemoveNetwork { name } => return self.remove_network(name).await,
            Step::RemoveVolumes { cluster } => return self.remove_volumes(cluster).await,
            Step::WriteNodeFolder { node, memory } => self.write_node_folder(node, *memory)?,
            Step::RemoveNodeFolder { node } => self.remove_node_folder(node)?,
            Step::CopyFile { from, to, path } => return self.copy_file(from, to, path).await,
            Step::MergeKubeconfig {
                cluster,
                server,
                switch,
            } => return Ok(self.merge_kubeconfig(cluster, server, *switch).await),
            Step::RemoveKubeconfig { cluster } => self.remove_kubeconfig(cluster).await,
        }
        Ok(Effect::Made)
    }

    async fn ensure_image(&self, image: &str) -> Result<Effect, Failure> {
        if self.engine.image(image).await?.is_some() {
            return Ok(Effect::Found);
        }
        self.reporter.info(format!("Pulling image '{image}'"));
        let found = docker::credentials::for_image(image, &self.settings.environment).await;
        let credentials = found.unwrap_or_else(|error| {
            // Most images need none.
            self.reporter
                .warn(format!("pulling without credentials: {error}"));
            None
        });
        let task = format!("Pulling {image}");
        let mut progress = self.engine.pull(image, credentials.as_ref());
        let mut layers = std::collections::BTreeMap::new();
        let result = loop {
            let next = tokio::select! {
                next = progress.next() => next,
                () = self.halt.cancelled() => break Err(Failure::Cancelled),
            };
            match next {
                None => break Ok(Effect::Made),
                Some(Err(error)) => break Err(error.into()),
                Some(Ok(layer)) => {
                    if let (Some(done), Some(total)) = (layer.current, layer.total) {
                        layers.insert(layer.id, (done, total));
                        self.reporter.report(Event::Progress {
                            task: task.clone(),
                            done: layers.values().map(|(done, _)| done).sum(),
                            total: Some(layers.values().map(|(_, total)| total).sum()),
                        });
                    }
                }
            }
        };
        self.reporter.report(Event::Ended { task });
        result
    }

    async fn ensure_balancer_image(&self, image: &str) -> Result<Effect, Failure> {
        if self.engine.image(image).await?.is_some() {
            return Ok(Effect::Found);
        }
        self.reporter.info(format!("Loading image '{image}'"));
        let made = balancer::image::ensure(self.engine, &self.settings.program).await;
        made.map_err(|error| Failure::Other(error.to_string()))?;
        Ok(Effect::Made)
    }

    async fn ensure_network(&self, name: &str, subnet: &Subnet) -> Result<Effect, Failure> {
        let mut found = self.engine.networks_named(name).await?;
        if found.len() > 1 {
            let text = format!(
                "there are {} networks named '{name}', using the first",
                found.len()
            );
            self.reporter.warn(text);
        }
        if !found.is_empty() {
            let network = facts_of(&found.swap_remove(0), true);
            if *subnet != Subnet::Engine && !network.host {
                return Err(Failure::Other(format!(
                    "network '{name}' is there already, so its range cannot be chosen; leave --subnet out or remove the network"
                )));
            }
            self.reporter.info(format!(
                "Re-using existing network '{name}' ({})",
                network.id
            ));
            self.knows_network(network);
            return Ok(Effect::Found);
        }
        let range = match subnet {
            Subnet::Engine => None,
            Subnet::Range(range) => Some(range.clone()),
            Subnet::Auto => Some(self.free_range().await?),
        };
        let id = self
            .engine
            .create_network(network_request(name, range))
            .await?;
        self.reporter.info(format!("Created network '{name}'"));
        let network = self.engine.network(&id).await?;
        if let Some(network) = network {
            self.knows_network(facts_of(&network, false));
        }
        Ok(Effect::Made)
    }

    /// The range that the Engine would take next: it is asked by a network that goes at once.
    async fn free_range(&self) -> Result<String, Failure> {
        let name = format!("k3d-fakenet-{}", crate::random::letters(10));
        let id = self
            .engine
            .create_network(network_request(&name, None))
            .await?;
        let network = self.engine.network(&id).await;
        self.engine.remove_network(&id).await?;
        let range = network?.and_then(|network| facts_of(&network, false).range);
        range.ok_or_else(|| {
            Failure::Other(
                "the Engine gave no range of addresses; give one with --subnet".to_owned(),
            )
        })
    }

    async fn ensure_volume(&self, name: &str, cluster: &str) -> Result<Effect, Failure> {
        if self.engine.volume(name).await?.is_some() {
            return Ok(Effect::Found);
        }
        let labels = [
            (names::LABEL_APP, names::APP),
            (names::LABEL_CLUSTER, cluster),
            (names::LABEL_VERSION, names::K3D_VERSION),
        ];
        self.engine
            .create_volume(VolumeCreateRequest {
                name: Some(name.to_owned()),
                driver: Some("local".to_owned()),
                driver_opts: Some(std::collections::HashMap::new()),
                labels: Some(
                    labels
                        .map(|(key, value)| (key.to_owned(), value.to_owned()))
                        .into(),
                ),
                ..Default::default()
            })
            .await?;
        if name == names::image_volume(cluster) {
            self.reporter.info(format!("Created image volume {name}"));
        }
        Ok(Effect::Made)
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<(), Failure> {
        self.reporter.info(match spec.role {
            crate::cluster::Role::LoadBalancer => format!("Creating LoadBalancer '{}'", spec.name),
            crate::cluster::Role::Registry => format!("Creating registry '{}'", spec.name),
            _ => format!("Creating node '{}'", spec.name),
        });
        let mut spec = spec.clone();
        if self.facts.is_podman {
            // Podman's network programs forward such a port from this very address only.
            for binding in spec
                .ports
                .values_mut()
                .flatten()
                .filter(|it| it.ip == "0.0.0.0")
            {
                binding.ip.clear();
            }
        }
        let body = payload::container(&spec, self.network().as_ref());
        self.engine.create(&spec.name, body).await?;
        Ok(())
    }

    async fn connect(&self, container: &str, network: &str) -> Result<Effect, Failure> {
        let inspected = self.engine.inspect(container).await?;
        let networks = inspected
            .network_settings
            .and_then(|settings| settings.networks);
        if networks.is_some_and(|networks| networks.contains_key(network)) {
            return Ok(Effect::Found);
        }
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: None,
        };
        self.engine.connect_network(network, request).await?;
        Ok(Effect::Made)
    }

    async fn disconnect(&self, container: &str, network: &str) -> Result<Effect, Failure> {
        match self
            .engine
            .disconnect_network(network, container, true)
            .await
        {
            Ok(()) => Ok(Effect::Made),
            Err(error) if error.is_not_found() || error.says("is not connected") => {
                Ok(Effect::Found)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn write(&self, container: &str, files: &[NodeFile]) -> Result<(), Failure> {
        let files: Vec<File> = files
            .iter()
            .map(|file| File {
                path: file.path.clone(),
                mode: file.mode,
                content: file.content.clone().into(),
            })
            .collect();
        Ok(self.engine.put_files(container, &files).await?)
    }

    async fn replace(&self, container: &str, files: &[NodeFile]) -> Result<(), Failure> {
        let beside = |path: &str| format!("{path}.new");
        let new: Vec<NodeFile> = files
            .iter()
            .map(|file| NodeFile {
                path: beside(&file.path),
                ..file.clone()
            })
            .collect();
        self.write(container, &new).await?;
        for file in files {
            let new = beside(&file.path);
            self.must_run(container, &["mv", "-f", "--", &new, &file.path])
                .await?;
        }
        Ok(())
    }

    async fn must_run(&self, container: &str, words: &[&str]) -> Result<(), Failure> {
        let command = docker::Command::new(words.iter().copied());
        let output = self.engine.exec(container, &command, None).await?;
        if output.is_success() {
            return Ok(());
        }
        let program = words.first().copied().unwrap_or_default();
        Err(Failure::Other(format!(
            "failed to run {program} in {container}: {}",
            output.stderr_text().trim_end()
        )))
    }

    async fn write_entrypoint(
        &self,
        container: &str,
        aliases: &[HostAlias],
    ) -> Result<(), Failure> {
        let inspected = self.engine.inspect(container).await?;
        let Some(node) = Container::of(inspected) else {
            return Ok(());
        };
        let (command, env, volumes) = (node.command(), node.env(), node.binds());
        let network = self.network();
        let host_network = network.as_ref().is_some_and(|network| network.host);
        let facts = entrypoint::NodeFacts {
            role: node.role,
            command: &command,
            env: &env,
            volumes: &volumes,
            host_network,
        };
        let gateway = network.and_then(|network| network.gateway?.parse().ok());
        let names = entrypoint::Names {
            gateway,
            aliases,
            members: &[],
        };
        // A node of a cluster elsewhere is in no network of ours, whose gateway could answer for DNS.
        let wanted = match gateway {
            Some(_) if !host_network => self.settings.fixes,
            _ => self.settings.fixes.without_dns(),
        };
        let files = entrypoint::files(wanted, &facts, &names);
        self.write(
            container,
            &files.map_err(|error| Failure::Other(error.to_string()))?,
        )
        .await
    }

    async fn write_balancer(
        &self,
        container: &str,
        config: &Config,
        reload: bool,
    ) -> Result<(), Failure> {
        let since = jiff::Timestamp::now().as_second();
        let file = NodeFile {
            path: names::BALANCER_CONFIG_PATH.to_owned(),
            mode: 0o744,
            content: config.to_yaml().into_bytes(),
        };
        self.write(container, &[file]).await?;
        if reload {
            self.wait_for_reload(container, u64::try_from(since).unwrap_or(0))
                .await?;
        }
        Ok(())
    }

    async fn publish_registry(&self, node: &str) -> Result<(), Failure> {
        let answer = self
            .kubectl(node, &["apply", "-f", names::REGISTRY_HOSTING_PATH])
            .await?;
        if let Answer::Refused(why) = answer {
            let text = format!("the cluster was not told about its registry: {why}");
            self.reporter.warn(text);
        }
        Ok(())
    }

    async fn label_node(&self, server: &str, node: &str, labels: &[String]) -> Result<(), Failure> {
        let mut arguments = vec!["label", "node", node, "--overwrite"];
        arguments.extend(labels.iter().map(String::as_str));
        self.must_kubectl(server, &arguments).await
    }

    async fn must_kubectl(&self, server: &str, arguments: &[&str]) -> Result<(), Failure> {
        match self.kubectl(server, arguments).await? {
            Answer::Text(_) => Ok(()),
            Answer::Refused(why) => Err(Failure::Other(why)),
            Answer::NoKubectl => Err(Failure::Other(format!("{server} has no kubectl"))),
        }
    }

    async fn remove(&self, container: &str) -> Result<Effect, Failure> {
        match self.engine.remove(container, true, true).await {
            Ok(()) => Ok(Effect::Made),
            Err(error) if error.is_not_found() || error.says("already in progress") => {
                Ok(Effect::Found)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A network that somebody else's containers are in stays; registries are taken out of it.
    async fn remove_network(&self, name: &str) -> Result<Effect, Failure> {
        let error = match self.engine.remove_network(name).await {
            Ok(()) => return Ok(Effect::Made),
            Err(error) if error.is_not_found() => return Ok(Effect::Found),
            Err(error) if error.is_in_use() => error,
            Err(error) => return Err(error.into()),
        };
        let Some(network) = self.engine.network(name).await? else {
            return Ok(Effect::Found);
        };
        let mut others = Vec::new();
        for endpoint in network.containers.unwrap_or_default().into_values() {
            let container = endpoint.name.unwrap_or_default();
            let found = self.engine.container(&container).await?;
            let found = found.and_then(crate::observed::Container::of);
            if found.is_some_and(|found| found.role == crate::cluster::Role::Registry) {
                self.disconnect(&container, name).await?;
            } else {
                others.push(container);
            }
        }
        if others.is_empty() {
            self.engine.remove_network(name).await?;
            return Ok(Effect::Made);
        }
        let text = format!(
            "network '{name}' stays, because {} is in it: {error}",
            others.join(", ")
        );
        self.reporter.warn(text);
        Ok(Effect::Found)
    }

    async fn remove_volumes(&self, cluster: &str) -> Result<Effect, Failure> {
        let app = format!("{}={}", names::LABEL_APP, names::APP);
        let label = format!("{}={cluster}", names::LABEL_CLUSTER);
        let mut effect = Effect::Found;
        for volume in self.engine.volumes(&[&app, &label]).await? {
            self.engine.remove_volume(&volume.name, true).await?;
            effect = Effect::Made;
        }
        Ok(effect)
    }

    fn node_folder(&self, node: &str) -> PathBuf {
        self.settings.folders.of_k3d.join(format!(".{node}"))
    }

    fn write_node_folder(&self, node: &str, memory: i64) -> Result<(), Failure> {
        let folder = self.node_folder(node);
        let written = std::fs::create_dir_all(folder.join("edac"))
            .and_then(|()| std::fs::write(folder.join("meminfo"), entrypoint::meminfo(memory)));
        written.map_err(|error| {
            let folder = folder.display();
            Failure::Other(format!(
                "failed to write {folder}: {error}; check its rights and free space"
            ))
        })
    }

    fn remove_node_folder(&self, node: &str) -> Result<(), Failure> {
        let folder = self.node_folder(node);
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Failure::Other(format!(
                "failed to remove {}: {error}; remove it by hand",
                folder.display()
            ))),
        }
    }

    async fn copy_file(&self, from: &str, to: &str, path: &str) -> Result<Effect, Failure> {
        let Some(content) = self.engine.get_file(from, path).await? else {
            return Ok(Effect::Found);
        };
        self.engine.put_file(to, path, 0o644, content).await?;
        Ok(Effect::Made)
    }
}

fn network_request(name: &str, range: Option<String>) -> NetworkCreateRequest {
    let ipam = range.map(|range| Ipam {
        config: Some(vec![IpamConfig {
            gateway: payload::gateway_address(&range).map(|address| address.to_string()),
            subnet: Some(range),
            ..Default::default()
        }]),
        ..Default::default()
    });
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        options: Some(
            [("com.docker.network.bridge.enable_ip_masquerade", "true")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ),
        labels: Some([(names::LABEL_APP.to_owned(), names::APP.to_owned())].into()),
        ipam,
        ..Default::default()
    }
}

/// What plans and payloads need to know of a network.
pub fn facts_of(network: &NetworkInspect, external: bool) -> NetworkFacts {
    let config = network.ipam.as_ref().and_then(|ipam| ipam.config.as_ref());
    // Of several ranges the first one of IPv4 is the nodes'.
    let config = config.into_iter().flatten();
    let config = config.clone().find(|config| {
        config
            .subnet
            .as_deref()
            .is_some_and(|subnet| !subnet.contains(':'))
    });
    NetworkFacts {
        name: network.name.clone().unwrap_or_default(),
        id: network.id.clone().unwrap_or_default(),
        external,
        range: config.and_then(|config| config.subnet.clone()),
        gateway: config.and_then(|config| config.gateway.clone()),
        host: network.driver.as_deref() == Some("host"),
    }
}
