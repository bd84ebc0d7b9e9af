//! Manifests for the API server: RegistryConfigs and what they name.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use serde_json::Value;

use super::source::Source;

/// RegistryConfigs, Secrets and ConfigMaps that the files hold.
#[derive(Default)]
pub(crate) struct Manifests {
    pub registry_configs: Vec<Manifest>,
    pub secrets: BTreeMap<String, compose::SecretContent>,
    pub config_maps: BTreeMap<String, compose::ConfigMapContent>,
}

/// A RegistryConfig and the file it stands in.
pub(crate) struct Manifest {
    pub label: String,
    pub resource: api::RegistryConfig,
    /// Fields that the API server would drop or refuse.
    pub unknown_fields: Vec<String>,
}

impl Manifests {
    /// Adds every document of a file; kinds that Berth does not read are left alone.
    pub(crate) fn add(&mut self, source: &Source) -> Result<()> {
        for document in documents_of(source)? {
            match document.get("kind").and_then(Value::as_str) {
                Some("RegistryConfig") => self.add_registry_config(source, document)?,
                Some("Secret") => self.add_secret(source, &document)?,
                Some("ConfigMap") => self.add_config_map(source, &document)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The RegistryConfig that the caller named, or the only one.
    pub(crate) fn select(&self, name: Option<&str>) -> Result<&Manifest> {
        let found: Vec<&Manifest> = self
            .registry_configs
            .iter()
            .filter(|manifest| {
                name.is_none_or(|name| manifest.resource.metadata.name.as_deref() == Some(name))
            })
            .collect();
        match (found.as_slice(), name) {
            ([manifest], _) => Ok(manifest),
            ([], Some(name)) => bail!("no RegistryConfig is named {name}: give its manifest too"),
            ([], None) => bail!("the manifests hold no RegistryConfig: give one too"),
            (several, _) => bail!(
                "the manifests hold {} RegistryConfigs: choose one with --name",
                several.len()
            ),
        }
    }

    fn add_registry_config(&mut self, source: &Source, document: Value) -> Result<()> {
        let unknown_fields = unknown_fields(&document)?;
        // serde's error may repeat a value, and a value may be a password: only its place is told.
        let resource = serde_json::from_value(document).map_err(|error| {
            let kind = kind_of(&error);
            anyhow::anyhow!(
                "{}: the RegistryConfig has {kind}: compare it with the reference",
                source.label
            )
        })?;
        self.registry_configs.push(Manifest {
            label: source.label.clone(),
            resource,
            unknown_fields,
        });
        Ok(())
    }

    fn add_secret(&mut self, source: &Source, document: &Value) -> Result<()> {
        let name = name_of(source, document)?;
        let type_ = document
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or("Opaque")
            .to_owned();
        let mut data = decoded(document.get("data"))
            .with_context(|| format!("{}: Secret {name}", source.label))?;
        data.extend(texts(document.get("stringData")));
        self.secrets
            .insert(name, compose::SecretContent { type_, data });
        Ok(())
    }

    fn add_config_map(&mut self, source: &Source, document: &Value) -> Result<()> {
        let name = name_of(source, document)?;
        let mut data = decoded(document.get("binaryData"))
            .with_context(|| format!("{}: ConfigMap {name}", source.label))?;
        data.extend(texts(document.get("data")));
        self.config_maps
            .insert(name, compose::ConfigMapContent { data });
        Ok(())
    }
}

/// A registries.yaml has neither `apiVersion` nor `kind`; a manifest has both, at the margin.
pub(crate) fn looks_like_manifest(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    if text.trim_start().starts_with('{') {
        return serde_json::from_str::<Value>(&text)
            .is_ok_and(|value| value.get("kind").is_some() && value.get("apiVersion").is_some());
    }
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    has("apiVersion:") && has("kind:")
}

/// Paths of the fields of a RegistryConfig that its schema does not know.
fn unknown_fields(document: &Value) -> Result<Vec<String>> {
    let [crd, _] = api::crds().context("failed to generate the schema")?;
    let schema = crd
        .document
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
        .context("the schema has no spec")?;
    let mut unknown = Vec::new();
    collect_unknown(
        document.get("spec").unwrap_or(&Value::Null),
        schema,
        "spec",
        &mut unknown,
    );
    Ok(unknown)
}

fn collect_unknown(value: &Value, schema: &Value, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let additional = schema.get("additionalProperties");
            for (name, field) in fields {
                let known = properties.and_then(|properties| properties.get(name));
                if let Some(known) = known.or(additional) {
                    let place = format!("{path}.{}", registries::redact_key(name));
                    collect_unknown(field, known, &place, unknown);
                } else if properties.is_some() {
                    // A value that lost its key stands where a key should: only a word is shown.
                    unknown.push(format!("{path}.{}", registries::redact_unknown_key(name)));
                }
            }
        }
        Value::Array(items) => {
            let every = schema.get("items").unwrap_or(&Value::Null);
            for (index, item) in items.iter().enumerate() {
                collect_unknown(item, every, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

/// What serde found wrong, in fixed words: its own may repeat a value up to any length.
fn kind_of(error: &serde_json::Error) -> &'static str {
    const KINDS: [(&str, &str); 5] = [
        ("missing field", "a required field missing"),
        (
            "unknown variant",
            "a word where one of a few others is taken",
        ),
        ("unknown field", "an unknown field"),
        ("invalid type", "a value of the wrong type"),
        ("invalid value", "a value that is not taken"),
    ];
    let text = error.to_string();
    let known = KINDS.iter().find(|(start, _)| text.starts_with(start));
    known.map_or("a field of the wrong type", |(_, kind)| kind)
}

fn documents_of(source: &Source) -> Result<Vec<Value>> {
    let text = std::str::from_utf8(&source.content)
        .with_context(|| format!("{} is not UTF-8", source.label))?;
    // Bounded against aliases and nesting; its words may quote the document, so only the place is told.
    let options = serde_saphyr::options! { with_snippet: false };
    let values: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
            let place = error.location().map_or_else(String::new, |at| {
                format!(" at line {}, column {}", at.line(), at.column())
            });
            anyhow::anyhow!(
                "{} is not readable as YAML{place}: mend the syntax there, a key that stands twice, or nesting \
                 and aliases without end",
                source.label
            )
        })?;
    let mut documents = Vec::new();
    for value in values {
        match value {
            Value::Null => {}
            Value::Object(ref list) if list.get("kind").and_then(Value::as_str) == Some("List") => {
                documents.extend(
                    list.get("items")
                        .and_then(Value::as_array)
                        .cloned()
                        .unwrap_or_default(),
                );
            }
            other => documents.push(other),
        }
    }
    Ok(documents)
}

fn name_of(source: &Source, document: &Value) -> Result<String> {
    document
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .with_context(|| format!("{}: a manifest has no metadata.name", source.label))
}

fn decoded(field: Option<&Value>) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut data = BTreeMap::new();
    for (key, value) in field.and_then(Value::as_object).into_iter().flatten() {
        let bytes = value
            .as_str()
            .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok())
            .with_context(|| {
                format!(
                    "key {key} is not base64: use stringData (data of a ConfigMap) for plain text"
                )
            })?;
        data.insert(key.clone(), bytes);
    }
    Ok(data)
}

fn texts(field: Option<&Value>) -> BTreeMap<String, Vec<u8>> {
    let fields = field.and_then(Value::as_object).into_iter().flatten();
    fields
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.as_bytes().to_vec())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_named_unless_they_may_be_values() {
        let document = serde_json::json!({"spec": {
            "nodeSelector": {"matchLabels": {"a": "b"}},
            "regstries": {},
            "registries": {"configs": {"mirror:5000": {"auth": {"user:hunter2": null, "passwd": "x"}}}},
        }});
        let mut unknown = unknown_fields(&document).unwrap();
        unknown.sort();
        assert_eq!(
            unknown,
            [
                "spec.registries.configs.mirror:5000.auth.<REDACTED>",
                "spec.registries.configs.mirror:5000.auth.passwd",
                "spec.regstries",
            ]
        );
    }
}
