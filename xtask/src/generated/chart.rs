//! charts/berth: values schema, README and the copies of the CRDs.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::chart_values::Values;
use super::{File, crds};
use crate::drift;

const FOLDER: &str = "charts/berth";

pub(crate) fn files() -> Result<Vec<File>> {
    let path = drift::root()?.join(FOLDER).join("values.yaml");
    let values = std::fs::read_to_string(&path)
        .with_context(|| format!("failed to read {}", path.display()))?;
    let file = |name: &str, content: String| File {
        path: format!("{FOLDER}/{name}"),
        content,
    };
    let mut files = vec![
        file("values.schema.json", values_schema()?),
        file("README.md", readme(&values)?),
    ];
    // Helm reads only what stands in the chart's own folder.
    for crd in crds::files()? {
        let name = crd.path.replace("crds/", "files/");
        files.push(file(&name, crd.content));
    }
    Ok(files)
}

/// Schema of the chart's values, for Helm: draft 7, nothing required, because Helm lays values over the defaults.
fn values_schema() -> Result<String> {
    let generator = SchemaSettings::draft07()
        .with(|s| s.inline_subschemas = true)
        .into_generator();
    let mut schema = serde_json::to_value(generator.into_root_schema_for::<Values>())?;
    drop_required(&mut schema);
    schema.sort_all_objects();
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}

/// README of the chart: one table of all values with their defaults.
fn readme(values: &str) -> Result<String> {
    let schema: Value = serde_json::from_str(&values_schema()?)?;
    let mut defaults: Value =
        serde_yaml::from_str(values).context("failed to read charts/berth/values.yaml")?;
    defaults.sort_all_objects();
    let mut rows = String::new();
    table_rows(&schema, Some(&defaults), "", &mut rows);
    Ok(format!(
        "# berth\n\nInstalls the operator, its RBAC and the RegistryConfig CRD.\n\n\
         ```sh\nhelm install berth charts/berth --namespace berth-system --create-namespace --wait\n```\n\n\
         A values file that holds a k3s `registries.yaml` under `registries:` is taken as it is: it becomes a Secret and\n\
         a RegistryConfig that names it.\n\n\
         | value | default | meaning |\n|---|---|---|\n{rows}"
    ))
}

fn table_rows(schema: &Value, defaults: Option<&Value>, prefix: &str, rows: &mut String) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    for (name, property) in properties {
        let path = format!("{prefix}{name}");
        let default = defaults.and_then(|d| d.get(name));
        if property.get("properties").is_some() && default.is_some() {
            table_rows(property, default, &format!("{path}."), rows);
            continue;
        }
        let meaning = property
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let shown = default.map_or_else(String::new, |d| format!("`{d}`"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            rows,
            "| `{path}` | {shown} | {} |",
            meaning.replace('\n', " ")
        );
    }
}

fn drop_required(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("required");
            map.values_mut().for_each(drop_required);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_required),
        _ => {}
    }
}
