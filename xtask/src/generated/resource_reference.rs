//! docs/reference/registryconfig.md, from the schema of the resource.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::File;

pub(crate) fn files() -> Result<Vec<File>> {
    let [crd, _] = api::crds()?;
    let schema = crd
        .document
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties")
        .context("the definition has no schema")?;
    let mut content = String::from(
        "# RegistryConfig\n\nGroup `berth.dev`, version `v1alpha1`, cluster-scoped, short name `regcfg`. Secrets and\n\
         ConfigMaps are looked up in the operator's namespace.\n",
    );
    for part in ["spec", "status"] {
        write!(
            content,
            "\n## {part}\n\n| field | type | meaning |\n|---|---|---|\n"
        )?;
        rows(&schema[part], part, &mut content)?;
    }
    Ok(vec![File {
        path: "docs/reference/registryconfig.md".to_owned(),
        content,
    }])
}

fn rows(schema: &Value, path: &str, content: &mut String) -> Result<()> {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let meaning = field["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ")
            .replace('|', "\\|");
        writeln!(content, "| `{path}` | {} | {meaning} |", kind(field))?;
        // A LabelSelector is Kubernetes' own and needs no second description.
        if name == "nodeSelector" {
            continue;
        }
        rows(field, &path, content)?;
        if field["items"].is_object() {
            rows(&field["items"], &format!("{path}[]"), content)?;
        }
        if field["additionalProperties"].is_object() {
            rows(
                &field["additionalProperties"],
                &format!("{path}.<key>"),
                content,
            )?;
        }
    }
    Ok(())
}

/// Type, bounds and default in a few words.
fn kind(field: &Value) -> String {
    let mut text = if field["x-kubernetes-int-or-string"] == true {
        "integer or string".to_owned()
    } else {
        field["type"].as_str().unwrap_or("any").to_owned()
    };
    for (bound, word) in [
        ("maxItems", "at most"),
        ("maxProperties", "at most"),
        ("maxLength", "length at most"),
        ("minimum", "from"),
        ("maximum", "to"),
    ] {
        if let Some(number) = field[bound].as_i64() {
            text = format!("{text}, {word} {number}");
        }
    }
    let values: Vec<&str> = field["enum"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !values.is_empty() {
        text = values.join(", ");
    }
    if !field["default"].is_null() && !field["default"].is_object() {
        text = format!("{text}; default {}", field["default"]);
    }
    text
}
