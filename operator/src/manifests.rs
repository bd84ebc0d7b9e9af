//! `RegistryConfigs` that the chart hands over in a `ConfigMap`: Helm cannot create them together with their CRD.
//!
//! They are applied at the start and whenever the `ConfigMap` changes, under a field manager of their own, and deleted
//! when they leave it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api::RegistryConfig;
use api::names::{self, LABEL_MANIFEST};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::error::{During, Error};

/// Field manager of what the chart asked for.
const FIELD_MANAGER: &str = "berth-chart";
const RETRY: Duration = Duration::from_secs(5);
/// Longest value of a label.
const LABEL_CHARS: usize = 63;

/// Keeps the cluster as the `ConfigMap` says, for ever.
pub(crate) async fn follow(client: Client, namespace: String, name: String, changed: Arc<Notify>) {
    loop {
        match carry_over(&client, &namespace, &name).await {
            Ok(()) => changed.notified().await,
            Err(error) => {
                tracing::warn!(configmap.name = %name, %error, "failed to carry over what the chart asked for");
                // A change is a reason to try earlier; otherwise the pause ends by itself.
                let _ = tokio::time::timeout(RETRY, changed.notified()).await;
            }
        }
    }
}

async fn carry_over(client: &Client, namespace: &str, name: &str) -> Result<(), Error> {
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let found = config_maps.get_opt(name).await;
    // Without its ConfigMap the chart is gone, and what it made was deleted before.
    let Some(config_map) = found.during(|| format!("read ConfigMap {name}"))? else {
        return Ok(());
    };
    let marker = marker(name);
    let api: Api<RegistryConfig> = Api::all(client.clone());
    let mut wanted = BTreeSet::new();
    for (key, text) in config_map.data.iter().flatten() {
        match manifest(text, &marker) {
            Ok((config, manifest)) => {
                apply(&api, &config, &manifest, &marker).await?;
                wanted.insert(config);
            }
            Err(problem) => {
                tracing::error!(configmap.name = %name, configmap.key = %key, problem, "a manifest cannot be used");
                // What a broken manifest named is not known, so nothing is deleted for its sake.
                return Ok(());
            }
        }
    }
    let of_chart = ListParams::default().labels(&format!("{LABEL_MANIFEST}={marker}"));
    let made = api.list_metadata(&of_chart).await;
    for config in made.during(|| "list RegistryConfigs".to_owned())? {
        let config = config.name_any();
        if !wanted.contains(&config) {
            let deleted = api.delete(&config, &DeleteParams::default()).await;
            deleted.during(|| format!("delete RegistryConfig {config}"))?;
            tracing::info!(config.name = %config, "deleted what the chart no longer asks for");
        }
    }
    Ok(())
}

async fn apply(
    api: &Api<RegistryConfig>,
    name: &str,
    manifest: &Value,
    marker: &str,
) -> Result<(), Error> {
    let found = api.get_metadata_opt(name).await;
    let found = found.during(|| format!("read RegistryConfig {name}"))?;
    if found
        .is_some_and(|found| found.labels().get(LABEL_MANIFEST).map(String::as_str) != Some(marker))
    {
        tracing::warn!(
            config.name = %name,
            "the chart asks for a RegistryConfig that somebody else made; delete that one, or rename it in the values"
        );
        return Ok(());
    }
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let applied = api
        .patch_metadata(name, &parameters, &Patch::Apply(manifest))
        .await;
    if let Err(kube::Error::Api(status)) = &applied
        && status.code == 422
        && holds_empty_text(manifest)
    {
        // Kubernetes 1.20 makes null of an empty text, such as a rewrite that leaves nothing, and then refuses it.
        tracing::error!(
            config.name = %name,
            "this API server may not store empty texts: give a document with an empty replacement under `registries` of \
             the values, or in a Secret that registriesFrom names"
        );
    }
    applied
        .map(drop)
        .during(|| format!("apply RegistryConfig {name}"))
}

fn holds_empty_text(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.iter().any(holds_empty_text),
        Value::Object(map) => map.values().any(holds_empty_text),
        _ => false,
    }
}

/// The value that marks what a `ConfigMap` made.
pub(crate) fn marker(config_map: &str) -> String {
    config_map.chars().take(LABEL_CHARS).collect()
}

/// Name and content of a manifest, marked as the chart's.
fn manifest(text: &str, marker: &str) -> Result<(String, Value), &'static str> {
    // Bounded against aliases and nesting. Its words may quote the document, so they are not told.
    let options = serde_saphyr::options! { with_snippet: false };
    let mut manifest: Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|_| "it is not YAML, or has nesting or aliases without end")?;
    let version = format!("{}/{}", names::GROUP, names::VERSION);
    if manifest["kind"] != names::KIND || manifest["apiVersion"] != version.as_str() {
        return Err("it is not a RegistryConfig of berth.dev/v1alpha1");
    }
    let name = manifest["metadata"]["name"]
        .as_str()
        .ok_or("it has no metadata.name")?
        .to_owned();
    if !manifest["metadata"]["labels"].is_object() {
        manifest["metadata"]["labels"] = json!({});
    }
    manifest["metadata"]["labels"][LABEL_MANIFEST] = json!(marker);
    Ok((name, manifest))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn a_manifest_is_marked_and_nothing_else_changes() {
        let text = "apiVersion: berth.dev/v1alpha1\nkind: RegistryConfig\nmetadata: {name: a}\nspec: {nodeSelector: {}}\n";
        let (name, manifest) = manifest(text, "berth-manifests").unwrap();
        assert_eq!(name, "a");
        assert_eq!(
            manifest,
            json!({
                "apiVersion": "berth.dev/v1alpha1",
                "kind": "RegistryConfig",
                "metadata": {"name": "a", "labels": {"berth.dev/manifest": "berth-manifests"}},
                "spec": {"nodeSelector": {}},
            })
        );
    }

    #[test]
    fn words_are_what_helm_means_by_them() {
        let spec = |text: &str| {
            let text = format!(
                "apiVersion: berth.dev/v1alpha1\nkind: RegistryConfig\nmetadata: {{name: a}}\nspec: {{x: {text}}}\n"
            );
            manifest(&text, "m").unwrap().1["spec"]["x"].clone()
        };
        // Helm quotes whatever YAML 1.1 would not read as text, and leaves true, false, null and numbers bare.
        for (bare, value) in [
            ("true", json!(true)),
            ("false", json!(false)),
            ("null", json!(null)),
            ("10", json!(10)),
            ("50%", json!("50%")),
            ("25.5", json!(25.5)),
            ("2001-01-01", json!("2001-01-01")),
            ("v1.33.3", json!("v1.33.3")),
        ] {
            assert_eq!(spec(bare), value, "{bare}");
        }
        for word in [
            "yes", "no", "on", "off", "y", "n", "True", "~", "0x1F", "1_000", "0o17", "1e3",
            "12:30", "010", ".inf", "",
        ] {
            for quote in ['"', '\''] {
                assert_eq!(spec(&format!("{quote}{word}{quote}")), json!(word));
            }
        }
    }

    #[test]
    fn a_manifest_without_end_is_refused() {
        let mut bomb = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            writeln!(bomb, "b{level}: &a{level} [{before}]").unwrap();
        }
        // Written out it would have a hundred thousand million values.
        assert!(manifest(&bomb, "m").is_err());
        assert!(manifest(&"[".repeat(100_000), "m").is_err());
    }

    #[test]
    fn empty_texts_are_found_wherever_they_stand() {
        assert!(holds_empty_text(
            &json!({"a": [{"rewrite": {"^x": ""}}], "b": 1})
        ));
        assert!(!holds_empty_text(
            &json!({"a": {}, "b": [], "c": null, "": "x"})
        ));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "[",
            "kind: Secret",
            "apiVersion: berth.dev/v1alpha1\nkind: RegistryConfig\n",
        ] {
            assert!(manifest(text, "m").is_err(), "{text}");
        }
    }
}
