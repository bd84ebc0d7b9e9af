//! Containers: finding, creating, starting, stopping and removing them.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, NetworkConnectRequest,
    NetworkingConfig,
};
use bollard::query_parameters::{
    CreateContainerOptions, KillContainerOptions, ListContainersOptions, RemoveContainerOptions,
    RenameContainerOptions, StopContainerOptions, WaitContainerOptions,
};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::engine::Engine;
use crate::error::{Cause, Error, Operation};
use crate::names::checked;

/// How many containers are inspected at a time.
const AT_ONCE: usize = 8;

/// Since this API a container can have several networks when it is created.
const SEVERAL_NETWORKS: (u16, u16) = (1, 44);

impl Engine {
    /// Every container, also stopped ones, that has all of these labels (`key` or `key=value`), inspected.
    pub async fn containers(
        &self,
        labels: &[&str],
    ) -> Result<Vec<ContainerInspectResponse>, Error> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(label_filter(labels)),
            ..ListContainersOptions::default()
        };
        let operation = Operation::new("list containers", "");
        let found = self
            .call(operation, self.docker.list_containers(Some(options)))
            .await?;
        let found: Vec<_> = stream::iter(found.into_iter().filter_map(|summary| summary.id))
            .map(|id| async move { self.container(&id).await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        // What was removed in between is not there.
        Ok(found.into_iter().flatten().collect())
    }

    /// A container by its name or id, if there is one.
    pub async fn container(&self, name: &str) -> Result<Option<ContainerInspectResponse>, Error> {
        match self.inspect(name).await {
            Ok(container) => Ok(Some(container)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A container by its name or id, which should be there.
    pub async fn inspect(&self, name: &str) -> Result<ContainerInspectResponse, Error> {
        let operation = Operation::new("inspect container", name);
        let name = checked(&operation, name)?;
        self.call(operation, self.docker.inspect_container(name, None))
            .await
    }

    /// Creates a container with all of its networks and gives its id; it does not start it.
    ///
    /// Engines before API 1.44 take one network only. There the first (the one that `NetworkMode` names, else the first
    /// by name) is given at creation, the others are connected before this returns, and a container that cannot be
    /// connected is removed again.
    pub async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String, Error> {
        let operation = Operation::new("create container", name);
        let (body, later) = split_networks(body, self.api_version >= SEVERAL_NETWORKS);
        let options = CreateContainerOptions {
            name: Some(checked(&operation, name)?.to_owned()),
            ..CreateContainerOptions::default()
        };
        let created = self
            .call(operation, self.docker.create_container(Some(options), body))
            .await?;
        for (network, settings) in later {
            let request = NetworkConnectRequest {
                container: created.id.clone(),
                endpoint_config: Some(settings),
            };
            if let Err(error) = self.connect_network(&network, request).await {
                // The first failure is the one to report.
                drop(self.remove(&created.id, true, true).await);
                return Err(error);
            }
        }
        Ok(created.id)
    }

    /// Starts a container; one that runs already is left alone.
    pub async fn start(&self, name: &str) -> Result<(), Error> {
        let operation = Operation::new("start container", name);
        let name = checked(&operation, name)?;
        self.call(operation, self.docker.start_container(name, None))
            .await
    }

    /// Asks a container to stop and kills it after `grace`, or after the Engine's usual time.
    pub async fn stop(&self, name: &str, grace: Option<Duration>) -> Result<(), Error> {
        let operation = Operation::new("stop container", name);
        let name = checked(&operation, name)?;
        let options = StopContainerOptions {
            t: grace.map(|grace| grace.as_secs().try_into().unwrap_or(i32::MAX)),
            ..StopContainerOptions::default()
        };
        let call = self.docker.stop_container(name, Some(options));
        self.patient_call(operation, call).await
    }

    /// Sends a signal, for example `SIGTERM`.
    pub async fn kill(&self, name: &str, signal: &str) -> Result<(), Error> {
        let operation = Operation::new("signal container", name);
        let name = checked(&operation, name)?;
        let options = KillContainerOptions {
            signal: signal.to_owned(),
        };
        self.call(operation, self.docker.kill_container(name, Some(options)))
            .await
    }

    /// Removes a container: `force` kills it first, `volumes` removes the nameless ones as well.
    pub async fn remove(&self, name: &str, force: bool, volumes: bool) -> Result<(), Error> {
        let operation = Operation::new("remove container", name);
        let name = checked(&operation, name)?;
        let options = RemoveContainerOptions {
            force,
            v: volumes,
            ..RemoveContainerOptions::default()
        };
        let call = self.docker.remove_container(name, Some(options));
        self.patient_call(operation, call).await
    }

    /// Gives a container another name.
    pub async fn rename(&self, name: &str, new_name: &str) -> Result<(), Error> {
        let operation = Operation::new("rename container", name);
        let name = checked(&operation, name)?;
        let options = RenameContainerOptions {
            name: checked(&operation, new_name)?.to_owned(),
        };
        self.call(operation, self.docker.rename_container(name, options))
            .await
    }

    /// Waits until a container does not run and gives its exit code.
    pub async fn wait(&self, name: &str) -> Result<i64, Error> {
        let operation = Operation::new("wait for container", name);
        let name = checked(&operation, name)?;
        let options = WaitContainerOptions {
            condition: "not-running".to_owned(),
        };
        let mut answers = std::pin::pin!(self.docker.wait_container(name, Some(options)));
        match answers.next().await {
            Some(Ok(answer)) => Ok(answer.status_code),
            // Any code but 0 comes as an error of the client library.
            Some(Err(bollard::errors::Error::DockerContainerWaitError { error, code })) => {
                if error.is_empty() {
                    Ok(code)
                } else {
                    Err(operation.failed(Cause::GaveUp { message: error }))
                }
            }
            Some(Err(error)) => Err(self.failed(&operation, error)),
            None => {
                let reason = "the Engine ended without an answer".to_owned();
                Err(operation.failed(Cause::Unusable(reason)))
            }
        }
    }
}

pub(crate) fn label_filter(labels: &[&str]) -> HashMap<String, Vec<String>> {
    let labels = labels.iter().map(|&label| label.to_owned()).collect();
    HashMap::from([("label".to_owned(), labels)])
}

/// The body as this Engine takes it, and the networks to connect after that, in order of their names.
fn split_networks(
    mut body: ContainerCreateBody,
    several: bool,
) -> (ContainerCreateBody, Vec<(String, EndpointSettings)>) {
    let Some(endpoints) = body
        .networking_config
        .as_mut()
        .and_then(|config| config.endpoints_config.take())
    else {
        return (body, Vec::new());
    };
    if several || endpoints.len() < 2 {
        body.networking_config = Some(NetworkingConfig {
            endpoints_config: Some(endpoints),
        });
        return (body, Vec::new());
    }
    let mode = body
        .host_config
        .as_ref()
        .and_then(|host| host.network_mode.clone());
    let mut endpoints: Vec<_> = endpoints.into_iter().collect();
    endpoints.sort_by(|(a, _), (b, _)| {
        let is_mode = |name: &String| mode.as_ref() == Some(name);
        is_mode(b).cmp(&is_mode(a)).then_with(|| a.cmp(b))
    });
    let later = endpoints.split_off(1);
    body.networking_config = Some(NetworkingConfig {
        endpoints_config: Some(endpoints.into_iter().collect()),
    });
    (body, later)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bollard::models::{ContainerCreateBody, EndpointSettings, HostConfig, NetworkingConfig};

    use super::split_networks;

    fn body(networks: &[&str], mode: &str) -> ContainerCreateBody {
        let endpoint = |name: &&str| {
            let settings = EndpointSettings {
                aliases: Some(vec![format!("alias-in-{name}")]),
                ..EndpointSettings::default()
            };
            (String::from(*name), settings)
        };
        ContainerCreateBody {
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(networks.iter().map(endpoint).collect::<HashMap<_, _>>()),
            }),
            host_config: Some(HostConfig {
                network_mode: Some(mode.into()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }

    fn at_creation(body: &ContainerCreateBody) -> Vec<String> {
        let config = body.networking_config.as_ref().unwrap();
        let mut names: Vec<_> = config
            .endpoints_config
            .as_ref()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        names.sort();
        names
    }

    #[test]
    fn old_engines_get_one_network_at_creation_and_the_others_later() {
        let table = [
            ("bridge", vec!["a", "b", "c"], "a", vec!["b", "c"]),
            ("c", vec!["a", "b", "c"], "c", vec!["a", "b"]),
            ("bridge", vec!["a"], "a", vec![]),
        ];
        for (mode, networks, first, rest) in table {
            let (now, later) = split_networks(body(&networks, mode), false);
            assert_eq!(at_creation(&now), [first]);
            let names: Vec<_> = later.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, rest);
            for (name, settings) in later {
                assert_eq!(settings.aliases, Some(vec![format!("alias-in-{name}")]));
            }
        }
    }

    #[test]
    fn new_engines_get_all_networks_at_creation() {
        let (now, later) = split_networks(body(&["a", "b"], "bridge"), true);
        assert_eq!(
            (at_creation(&now), later.len()),
            (vec!["a".into(), "b".into()], 0)
        );
    }

    #[test]
    fn a_body_without_networks_stays_as_it_is() {
        let (now, later) = split_networks(ContainerCreateBody::default(), false);
        assert_eq!((now, later.len()), (ContainerCreateBody::default(), 0));
    }
}
