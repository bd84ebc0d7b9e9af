//! Reads what one reconcile decides by: the `RegistryConfig` as it is now, its `DaemonSets`, and what it names.

use std::collections::{BTreeMap, BTreeSet};

use api::names::{self, Role};
use api::{RegistryConfig, RegistryConfigSpec};
use compose::{ConfigMapContent, Inputs, SecretContent};
use futures::future::{try_join, try_join_all, try_join3};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, ResourceExt};

use crate::error::{During, Error};
use crate::ownership::is_ours;

/// Reads objects.
#[derive(Clone)]
pub(crate) struct Reader {
    client: Client,
    namespace: String,
}

/// A `RegistryConfig` and what carries it out.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) config: RegistryConfig,
    pub(crate) daemon_sets: BTreeMap<Role, DaemonSet>,
    /// Halves whose `DaemonSet` has its name taken by somebody else's.
    pub(crate) taken: BTreeSet<Role>,
}

impl Reader {
    pub(crate) fn new(client: Client, namespace: String) -> Self {
        Self { client, namespace }
    }

    /// The objects as the server has them: a cache may lag behind what we wrote ourselves a moment ago.
    pub(crate) async fn current(&self, name: &str) -> Result<Option<Current>, Error> {
        let configs: Api<RegistryConfig> = Api::all(self.client.clone());
        let (config, workers, control_plane) = try_join3(
            async {
                let found = configs.get_opt(name).await;
                found.during(|| format!("read RegistryConfig {name}"))
            },
            self.daemon_set(name, Role::Workers),
            self.daemon_set(name, Role::ControlPlane),
        )
        .await?;
        let halves = [
            (Role::Workers, workers),
            (Role::ControlPlane, control_plane),
        ];
        let found = halves
            .into_iter()
            .filter_map(|(role, set)| Some((role, set?)));
        let (ours, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            found.partition(|(_, set)| is_ours(set.labels(), name));
        Ok(config.map(|config| Current {
            config,
            daemon_sets: ours,
            taken: others.into_keys().collect(),
        }))
    }

    async fn daemon_set(&self, config: &str, role: Role) -> Result<Option<DaemonSet>, Error> {
        let api: Api<DaemonSet> = Api::namespaced(self.client.clone(), &self.namespace);
        let name = names::daemon_set(config, role);
        let found = api.get_opt(&name).await;
        found.during(|| format!("read DaemonSet {name}"))
    }

    /// The content of every Secret and `ConfigMap` that a spec names; what does not exist is absent.
    pub(crate) async fn inputs(&self, spec: &RegistryConfigSpec) -> Result<Inputs, Error> {
        let references = compose::references(spec);
        let secrets = try_join_all(references.secrets.iter().map(|name| self.secret(name)));
        let config_maps = try_join_all(
            references
                .config_maps
                .iter()
                .map(|name| self.config_map(name)),
        );
        let (secrets, config_maps) = try_join(secrets, config_maps).await?;
        Ok(Inputs {
            secrets: secrets.into_iter().flatten().collect(),
            config_maps: config_maps.into_iter().flatten().collect(),
        })
    }

    async fn secret(&self, name: &str) -> Result<Option<(String, SecretContent)>, Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        if !can_exist(name) {
            return Ok(None);
        }
        let found = api
            .get_opt(name)
            .await
            .during(|| format!("read Secret {name}"))?;
        Ok(found.map(|secret| {
            let data = secret.data.unwrap_or_default();
            let content = SecretContent {
                type_: secret.type_.unwrap_or_default(),
                data: data
                    .into_iter()
                    .map(|(key, value)| (key, value.0))
                    .collect(),
            };
            (name.to_owned(), content)
        }))
    }

    async fn config_map(&self, name: &str) -> Result<Option<(String, ConfigMapContent)>, Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        if !can_exist(name) {
            return Ok(None);
        }
        let found = api
            .get_opt(name)
            .await
            .during(|| format!("read ConfigMap {name}"))?;
        Ok(found.map(|config_map| {
            let binary = config_map.binary_data.unwrap_or_default();
            let text = config_map.data.unwrap_or_default();
            let content = ConfigMapContent {
                data: binary
                    .into_iter()
                    .map(|(key, value)| (key, value.0))
                    .chain(
                        text.into_iter()
                            .map(|(key, value)| (key, value.into_bytes())),
                    )
                    .collect(),
            };
            (name.to_owned(), content)
        }))
    }
}

/// Names reach a URL, so one that no object can have is not asked for.
fn can_exist(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        && !name.starts_with(['-', '.'])
}
