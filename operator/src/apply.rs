//! All writes: server-side apply under one field manager, and only what would change something.

use api::names::FIELD_MANAGER;
use api::{RegistryConfig, RegistryConfigStatus};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::build::ANNOTATION_APPLIED;
use crate::error::{During, Error};

/// Where objects are written.
#[derive(Clone)]
pub(crate) struct Writer {
    client: Client,
    namespace: String,
}

impl Writer {
    pub(crate) fn new(client: Client, namespace: String) -> Self {
        Self { client, namespace }
    }

    /// The Secret of a revision. It is immutable, so whoever knows that it exists need not call this.
    pub(crate) async fn secret(&self, secret: &Secret) -> Result<(), Error> {
        let name = secret.name_any();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        api.patch_metadata(&name, &parameters(), &Patch::Apply(secret))
            .await
            .during(|| format!("apply Secret {name}"))?;
        tracing::info!(secret.name = %name, "applied the Secret of a revision");
        Ok(())
    }

    /// A `DaemonSet`, unless the server has it already as it should be.
    pub(crate) async fn daemon_set(
        &self,
        desired: DaemonSet,
        actual: Option<&DaemonSet>,
    ) -> Result<bool, Error> {
        let name = desired.name_any();
        let api: Api<DaemonSet> = Api::namespaced(self.client.clone(), &self.namespace);
        let operation = || format!("apply DaemonSet {name}");
        let desired = stamped(&desired)
            .map_err(kube::Error::SerdeError)
            .during(operation)?;
        if let Some(actual) = actual {
            let actual = serde_json::to_value(actual)
                .map_err(kube::Error::SerdeError)
                .during(operation)?;
            if covers(&actual, &desired) {
                return Ok(false);
            }
        }
        api.patch_metadata(&name, &parameters(), &Patch::Apply(&desired))
            .await
            .during(operation)?;
        tracing::info!(daemonset.name = %name, "applied a DaemonSet");
        Ok(true)
    }

    /// The status of a `RegistryConfig`.
    pub(crate) async fn status(
        &self,
        name: &str,
        status: &RegistryConfigStatus,
    ) -> Result<(), Error> {
        let api: Api<RegistryConfig> = Api::all(self.client.clone());
        let patch = json!({
            "apiVersion": RegistryConfig::api_version(&()),
            "kind": RegistryConfig::kind(&()),
            "metadata": {"name": name},
            "status": status,
        });
        api.patch_status(name, &parameters(), &Patch::Apply(patch))
            .await
            .during(|| format!("patch the status of RegistryConfig {name}"))?;
        Ok(())
    }

    /// The finalizers of a `RegistryConfig`, if nobody changed it since it was read.
    pub(crate) async fn finalizers(
        &self,
        config: &RegistryConfig,
        finalizers: &[String],
    ) -> Result<(), Error> {
        let name = config.name_any();
        let api: Api<RegistryConfig> = Api::all(self.client.clone());
        let patch = json!({"metadata": {
            "resourceVersion": config.resource_version(),
            "finalizers": finalizers,
        }});
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        api.patch_metadata(&name, &parameters, &Patch::Merge(patch))
            .await
            .during(|| format!("patch the finalizers of RegistryConfig {name}"))?;
        Ok(())
    }

    /// Deletes the Secret of a revision that nobody names any more.
    pub(crate) async fn prune(&self, name: &str) -> Result<(), Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        match api.delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            other => other.during(|| format!("delete Secret {name}"))?,
        };
        tracing::info!(secret.name = %name, "deleted the Secret of an old revision");
        Ok(())
    }

    /// Deletes a `DaemonSet`; its pods go with it.
    pub(crate) async fn delete_daemon_set(&self, name: &str) -> Result<(), Error> {
        let api: Api<DaemonSet> = Api::namespaced(self.client.clone(), &self.namespace);
        match api.delete(name, &DeleteParams::background()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            other => other.during(|| format!("delete DaemonSet {name}"))?,
        };
        tracing::info!(daemonset.name = %name, "deleted a DaemonSet");
        Ok(())
    }

    /// An Event. It is told, not owed: one that cannot be written is logged and forgotten.
    pub(crate) async fn event(&self, event: &Event) {
        let namespace = event.metadata.namespace.as_deref().unwrap_or("default");
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let posted = api.create(&PostParams::default(), event).await;
        // One with a name of its own was told before.
        if matches!(&posted, Err(kube::Error::Api(status)) if status.is_already_exists()) {
            return;
        }
        if let Err(error) = posted.during(|| "create an Event".to_owned()) {
            tracing::warn!(%error, "an Event was lost");
        }
    }
}

fn parameters() -> PatchParams {
    PatchParams::apply(FIELD_MANAGER).force()
}

/// The object as JSON, with a hash of itself: what we no longer set cannot be seen by comparing what we set.
fn stamped(desired: &DaemonSet) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(desired)?;
    let digest = Sha256::digest(value.to_string().as_bytes());
    let mut start = [0; 8];
    start.copy_from_slice(&digest[..8]);
    let stamp = format!("{:016x}", u64::from_be_bytes(start));
    value["metadata"]["annotations"][ANNOTATION_APPLIED] = Value::String(stamp);
    Ok(value)
}

/// Whether everything that is desired is there; the server's defaults may stand beside it.
fn covers(actual: &Value, desired: &Value) -> bool {
    match (actual, desired) {
        (Value::Object(actual), Value::Object(desired)) => desired.iter().all(|(key, desired)| {
            actual
                .get(key)
                .map_or(is_empty(desired), |actual| covers(actual, desired))
        }),
        (Value::Array(actual), Value::Array(desired)) => {
            actual.len() == desired.len()
                && actual
                    .iter()
                    .zip(desired)
                    .all(|(actual, desired)| covers(actual, desired))
        }
        (actual, desired) => actual == desired,
    }
}

/// The server leaves zero values out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Object(map) => map.values().all(is_empty),
        Value::Array(list) => list.is_empty(),
        Value::Bool(true) => false,
    }
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
