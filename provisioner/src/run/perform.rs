//! Each step as calls to the Engine.

use docker::models::VolumeCreateRequest;
use futures::StreamExt as _;

use super::balancer_images::is_of_balancer;
use super::nodes::Answer;
use super::{Event, Failure, Runner};
use crate::cluster::Role;
use crate::container::ContainerSpec;
use crate::step::{Effect, Step};
use crate::{names, payload};

impl Runner<'_> {
    pub(super) async fn perform(&self, step: &Step) -> Result<Effect, Failure> {
        match step {
            Step::Together(_) => return Ok(Effect::Found),
            Step::EnsureImage { image } => return self.ensure_image(image).await,
            Step::EnsureBalancerImage { image } => return self.ensure_balancer_image(image).await,
            Step::EnsureNetwork { name, subnet } => return self.ensure_network(name, subnet).await,
            Step::EnsureVolume { name, cluster } => return self.ensure_volume(name, cluster).await,
            // The request is large; boxed, not every step carries room for it.
            Step::CreateContainer(spec) => Box::pin(self.create(spec)).await?,
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
            Step::RemoveOldBalancerImages => {
                return Ok(Box::pin(self.remove_old_balancer_images()).await);
            }
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
            Role::LoadBalancer => format!("Creating LoadBalancer '{}'", spec.name),
            Role::Registry => format!("Creating registry '{}'", spec.name),
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
        match self.engine.create(&spec.name, body.clone()).await {
            // Another version of us found it unused and removed it after we saw it.
            Err(error) if error.is_not_found() && is_of_balancer(&spec.image) => {
                Box::pin(self.ensure_balancer_image(&spec.image)).await?;
                self.engine.create(&spec.name, body).await?;
            }
            created => drop(created?),
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
}
