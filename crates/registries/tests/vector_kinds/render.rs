//! What k3s writes and logs.

use std::collections::BTreeMap;

use registries::host_directory::written_on_windows;
use registries::render::{
    HOST_CAPABILITIES, HostEntry, Rendering, SERVER_CAPABILITIES, TlsLines, after_start,
    auth_tables, certs_d, check_auth_tables,
};
use registries::{EmbeddedTls, NodeOptions, Registries};
use serde_json::{Map, Value, json};

use super::{Checked, equal, fields, text};

/// The node that a vector describes, and the files it has in certs.d.
pub(crate) fn node(vector: &Value) -> Result<(NodeOptions, BTreeMap<String, String>), String> {
    let mut options = NodeOptions::default();
    let mut existing = BTreeMap::new();
    let none = Map::new();
    for (name, value) in vector["options"].as_object().unwrap_or(&none) {
        match name.as_str() {
            "disable_default_registry_endpoint" => {
                options.disable_default_registry_endpoint = value.as_bool().ok_or("no bool")?;
            }
            "embedded_registry" => options.embedded_registry = value.as_str().map(str::to_owned),
            "embedded_tls" => options.embedded_tls = Some(embedded_tls(value)?),
            "existing_files" => {
                for (path, content) in fields(value, name)? {
                    existing.insert(path.clone(), content.as_str().ok_or("no text")?.to_owned());
                }
            }
            other => return Err(format!("unknown option {other}")),
        }
    }
    if options.embedded_registry.is_some() && options.embedded_tls.is_none() {
        let path = |name: &str| format!("/etc/rancher/k3s/tls/{name}");
        options.embedded_tls = Some(EmbeddedTls {
            ca_file: path("server-ca.crt"),
            cert_file: path("client-k3s-controller.crt"),
            key_file: path("client-k3s-controller.key"),
        });
    }
    Ok((options, existing))
}

fn embedded_tls(value: &Value) -> Result<EmbeddedTls, String> {
    Ok(EmbeddedTls {
        ca_file: text(value, "ca")?.to_owned(),
        cert_file: text(value, "cert")?.to_owned(),
        key_file: text(value, "key")?.to_owned(),
    })
}

pub(crate) fn check(vector: &Value, document: &Registries) -> Checked {
    let expected = &vector["expected"];
    let (options, existing) = node(vector)?;
    let rendering = certs_d(document, &options);
    // Vectors from k3s's own test table know neither logs nor Windows; elsewhere absent means none.
    let is_complete = vector.get("source").is_none();
    if is_complete || expected.get("k3s_log").is_some() {
        let log = expected
            .get("k3s_log")
            .cloned()
            .unwrap_or_else(|| json!([]));
        equal("k3s_log", &json!(rendering.log), &log)?;
    }
    equal("hosts", &hosts(&rendering), &or_empty(expected, "hosts"))?;
    let tree = after_start(&rendering, &existing, options.distribution);
    equal("certs_d", &json!(tree), &or_empty(expected, "certs_d"))?;
    if is_complete || expected.get("windows_dirs").is_some() {
        let directories = windows_directories(&rendering);
        equal(
            "windows_dirs",
            &directories,
            &or_empty(expected, "windows_dirs"),
        )?;
    }

    let tables = auth_tables(document, &options);
    let expected_tables = expected["config_toml_auth"].as_str().unwrap_or_default();
    equal(
        "config_toml_auth",
        &json!(tables.expose()),
        &json!(expected_tables),
    )?;
    match (
        check_auth_tables(document, &options),
        expected.get("config_toml_error"),
    ) {
        (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
        (Ok(()), Some(error)) => Err(format!("config.toml loads, expected {error}")),
        (Err(error), None) => Err(format!("config.toml does not load: {error}")),
    }
}

fn or_empty(expected: &Value, field: &str) -> Value {
    expected.get(field).cloned().unwrap_or_else(|| json!({}))
}

fn hosts(rendering: &Rendering) -> Value {
    let files = rendering.hosts.iter().map(|(key, file)| {
        let mut found = tls(&file.tls);
        found.insert("server".to_owned(), json!(file.server));
        if file.server.is_some() {
            found.insert("capabilities".to_owned(), json!(SERVER_CAPABILITIES));
        }
        let hosts: Vec<Value> = file.hosts.iter().map(host).collect();
        found.insert("hosts".to_owned(), json!(hosts));
        (key.clone(), Value::Object(found))
    });
    Value::Object(files.collect())
}

fn host(host: &HostEntry) -> Value {
    let mut found = tls(&host.tls);
    found.insert("url".to_owned(), json!(host.url));
    found.insert("capabilities".to_owned(), json!(HOST_CAPABILITIES));
    if host.override_path {
        found.insert("override_path".to_owned(), json!(true));
    }
    if !host.rewrite.is_empty() {
        found.insert("rewrite".to_owned(), json!(host.rewrite));
    }
    Value::Object(found)
}

fn tls(tls: &TlsLines) -> Map<String, Value> {
    let mut found = Map::new();
    if let Some(ca) = &tls.ca {
        found.insert("ca".to_owned(), json!([ca]));
    }
    if let Some((certificate, key)) = &tls.client {
        found.insert("client".to_owned(), json!([[certificate, key]]));
    }
    if tls.skip_verify {
        found.insert("skip_verify".to_owned(), json!(true));
    }
    found
}

fn windows_directories(rendering: &Rendering) -> Value {
    let names = rendering
        .hosts
        .keys()
        .map(|key| (key, written_on_windows(key)));
    let differing = names.filter(|(key, name)| *key != name);
    Value::Object(
        differing
            .map(|(key, name)| (key.clone(), json!(name)))
            .collect(),
    )
}
