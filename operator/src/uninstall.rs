//! What happens before the chart is deleted: `RegistryConfigs` go while the operator still puts the nodes' files back.

use std::time::{Duration, Instant};

use api::names::{FINALIZER, LABEL_MANIFEST};
use api::{ConditionType, RegistryConfig};
use jiff::Timestamp;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::error::{During, Error};
use crate::manifests::marker;
use crate::settings::{Shared, Uninstall};

/// Annotation: since when a resource that stays is no longer looked after.
const ANNOTATION_RELEASED: &str = "berth.dev/released";
const POLL: Duration = Duration::from_secs(1);

/// Why something stayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UninstallError {
    #[error(transparent)]
    Api(#[from] Error),
    #[error(
        "failed to uninstall in time; still there: {0}; with deletionPolicy Retain nodes are not waited for"
    )]
    Late(String),
}

/// Whether a running operator shall leave a resource alone; one that starts later takes it up again.
pub(crate) fn is_released(config: &RegistryConfig, started: Timestamp) -> bool {
    let released = config.annotations().get(ANNOTATION_RELEASED);
    released
        .and_then(|time| time.parse::<Timestamp>().ok())
        .is_some_and(|released| released > started)
}

/// Deletes what is to go, releases what is to stay, and waits.
pub(crate) async fn run(
    client: Client,
    shared: &Shared,
    settings: &Uninstall,
) -> Result<(), UninstallError> {
    let api: Api<RegistryConfig> = Api::all(client);
    let deadline = Instant::now() + Duration::from_secs(settings.timeout_seconds);
    let marker = shared.chart_manifests.as_deref().map(marker);
    loop {
        let mut waiting = Vec::new();
        for config in list(&api).await? {
            let made_by_chart =
                marker.is_some() && config.labels().get(LABEL_MANIFEST) == marker.as_ref();
            let goes = made_by_chart || !settings.keep_foreign;
            if goes || config.metadata.deletion_timestamp.is_some() {
                delete(&api, &config).await?;
                waiting.push(explain(&config));
            } else if config.finalizers().iter().any(|held| held == FINALIZER) {
                release(&api, &config).await?;
                waiting.push(explain(&config));
            }
        }
        if waiting.is_empty() {
            tracing::info!("nothing is left to uninstall");
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(UninstallError::Late(waiting.join(", ")));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn list(api: &Api<RegistryConfig>) -> Result<Vec<RegistryConfig>, Error> {
    match api.list(&ListParams::default()).await {
        // The CRD is gone, and every resource with it.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Vec::new()),
        other => Ok(other.during(|| "list RegistryConfigs".to_owned())?.items),
    }
}

async fn delete(api: &Api<RegistryConfig>, config: &RegistryConfig) -> Result<(), Error> {
    if config.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let name = config.name_any();
    tracing::info!(config.name = %name, "deleting the RegistryConfig, and waiting for its nodes");
    match api.delete(&name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other
            .during(|| format!("delete RegistryConfig {name}"))
            .map(|_| ()),
    }
}

async fn release(api: &Api<RegistryConfig>, config: &RegistryConfig) -> Result<(), Error> {
    if is_released(config, Timestamp::UNIX_EPOCH) && !is_stale(config) {
        return Ok(());
    }
    let name = config.name_any();
    tracing::info!(
        config.name = %name,
        "the RegistryConfig was not made by the chart: it stays, and so do the files of its nodes (Retain)"
    );
    let now = Timestamp::now().to_string();
    let patch = json!({"metadata": {"annotations": {ANNOTATION_RELEASED: now}}});
    let patched = api
        .patch_metadata(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    patched
        .during(|| format!("release RegistryConfig {name}"))
        .map(|_| ())
}

/// A mark of an earlier uninstall, which no running operator honours.
fn is_stale(config: &RegistryConfig) -> bool {
    let hour = jiff::SignedDuration::from_hours(1);
    Timestamp::now()
        .saturating_sub(hour)
        .is_ok_and(|hour_ago| !is_released(config, hour_ago))
}

fn explain(config: &RegistryConfig) -> String {
    let name = config.name_any();
    let ready = config
        .status
        .iter()
        .flat_map(|status| &status.conditions)
        .find(|condition| condition.type_ == ConditionType::Ready.as_str());
    match ready {
        Some(ready) => format!("{name} ({}: {})", ready.reason, ready.message),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_resource_is_taken_up_by_an_operator_that_starts_later() {
        let mut config = RegistryConfig::new("a", crate::fixtures::spec());
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(!is_released(&config, Timestamp::UNIX_EPOCH));
        config.annotations_mut().insert(
            ANNOTATION_RELEASED.to_owned(),
            "2026-01-02T00:00:00Z".to_owned(),
        );
        assert!(is_released(&config, time("2026-01-01T00:00:00Z")));
        assert!(!is_released(&config, time("2026-01-03T00:00:00Z")));
    }
}
