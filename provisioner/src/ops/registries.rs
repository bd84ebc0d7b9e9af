//! Registries: create, delete, and what they mean for clusters.

use super::{Error, Plan, Provisioner, known};
use crate::cluster::{ClusterSpec, RegistrySpec, Role};
use crate::names;
use crate::observed::Container;
use crate::plan::{self, ClusterRegistries, Refusal};

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

    pub async fn registries(&self) -> Result<Vec<Container>, Error> {
        let mut containers = self.containers().await?;
        containers.retain(|container| container.role == Role::Registry);
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }

    pub async fn plan_delete_registries(&self, names: &[String]) -> Result<Plan, Error> {
        let registries = self.registries().await?;
        let mut steps = Vec::new();
        for name in names {
            steps.extend(plan::remove_registry(find(&registries, name)?));
        }
        Ok(Plan::new(steps))
    }

    pub(super) async fn cluster_registries(
        &self,
        spec: &ClusterSpec,
        containers: &[Container],
    ) -> Result<ClusterRegistries, Error> {
        let registries: Vec<Container> = containers
            .iter()
            .filter(|container| container.role == Role::Registry)
            .cloned()
            .collect();
        let mut used = Vec::new();
        for name in &spec.registries.using {
            used.push(find(&registries, name)?.name.clone());
        }
        Ok(ClusterRegistries {
            used,
            ..ClusterRegistries::default()
        })
    }
}

/// By the exact name before the shortened one.
fn find<'a>(registries: &'a [Container], name: &str) -> Result<&'a Container, Refusal> {
    let exact = registries.iter().find(|registry| registry.name == name);
    let meant = || {
        registries
            .iter()
            .find(|registry| names::is_meant(name, &registry.name))
    };
    exact.or_else(meant).ok_or_else(|| Refusal::NoSuchRegistry {
        name: name.to_owned(),
        known: known(
            "registries",
            registries.iter().map(|registry| registry.name.as_str()),
        ),
    })
}
