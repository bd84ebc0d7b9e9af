//! The examples compose, and say what their comments promise.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::{collections::BTreeMap, fs, path::Path};

use api::RegistryConfig;
use compose::{Composed, ConfigMapContent, Inputs, SecretContent, compose};
use serde::Deserialize;
use serde_json::Value;

/// The manifests of a folder: the one `RegistryConfig`, and what stands beside it.
fn example(folder: &str) -> (RegistryConfig, Inputs) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(folder);
    let mut inputs = Inputs::default();
    let mut found = None;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for document in serde_yaml::Deserializer::from_str(&text) {
            let manifest = Value::deserialize(document).unwrap();
            let name = manifest["metadata"]["name"].as_str().unwrap().to_owned();
            match manifest["kind"].as_str().unwrap() {
                "RegistryConfig" => found = Some(serde_json::from_value(manifest).unwrap()),
                "Secret" => {
                    let type_ = manifest["type"].as_str().unwrap().to_owned();
                    let data = texts(&manifest["stringData"]);
                    inputs.secrets.insert(name, SecretContent { type_, data });
                }
                "ConfigMap" => {
                    let data = texts(&manifest["data"]);
                    inputs.config_maps.insert(name, ConfigMapContent { data });
                }
                kind => panic!("{kind} in an example"),
            }
        }
    }
    (found.unwrap(), inputs)
}

fn texts(map: &Value) -> BTreeMap<String, Vec<u8>> {
    let map = map.as_object().unwrap();
    map.iter()
        .map(|(key, text)| (key.clone(), text.as_str().unwrap().into()))
        .collect()
}

fn composed(folder: &str) -> Composed {
    let (config, inputs) = example(folder);
    compose(&config.spec, &inputs, "/etc/rancher/k3s")
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[test]
fn the_main_example_warns_of_the_one_entry_that_does_nothing() {
    let composed = composed("");
    let warned: Vec<_> = composed
        .warnings
        .iter()
        .map(|warning| warning.code)
        .collect();
    assert_eq!(
        warned,
        ["not-carried-over", "wildcard-key"],
        "{:#?}",
        composed.warnings
    );
    let mirrors: Vec<_> = composed.document.mirrors.keys().collect();
    assert_eq!(
        mirrors,
        ["*.gcr.io", "docker.io", "ghcr.io", "registry.k8s.io"]
    );
    let mirror = composed.document.configs["mirror.example.com:5000"]
        .as_ref()
        .unwrap();
    assert_eq!(mirror.auth.as_ref().unwrap().username.expose(), "puller");
    assert!(
        mirror
            .tls
            .as_ref()
            .unwrap()
            .ca_file
            .starts_with("/etc/rancher/k3s/berth/")
    );
    assert_eq!(composed.files.len(), 2, "document and certificate");
}

#[test]
fn the_encrypted_example_opens_with_the_key_beside_it() {
    let composed = composed("sops");
    assert_eq!(composed.warnings, []);
    let host = composed.document.configs["quay.io"].as_ref().unwrap();
    assert_eq!(
        host.auth.as_ref().unwrap().password.expose(),
        "example-token"
    );
}
