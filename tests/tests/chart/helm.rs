//! `helm template` as data.

use std::io::Write;
use std::process::Command;

use anyhow::{Context, Result, bail};
use e2e::settings::{Settings, repository};
use serde::Deserialize;
use serde_json::Value;
use tempfile::NamedTempFile;

/// The values that the first version's users have, credentials included.
pub(crate) const PROTOTYPE: &str = r#"
registries:
  mirrors:
    docker.io:
      endpoint:
        - "https://registry.example.com:5000"
    registry.example.com:
      endpoint:
        - "https://registry.example.com:5000"
      rewrite:
        "^rancher/(.*)": "mirrorproject/rancher-images/$1"
  configs:
    "registry.example.com:5000":
      auth:
        username: made-up-user
        password: made-up-password
      tls:
        ca_file: "/etc/ssl/certs/ca.pem"
        insecure_skip_verify: false
"#;

pub(crate) fn chart() -> String {
    repository().join("charts/berth").display().to_string()
}

/// A values file for as long as the test has it.
pub(crate) fn values_file(values: &str) -> Result<NamedTempFile> {
    let mut file = NamedTempFile::with_suffix(".yaml")?;
    file.write_all(values.as_bytes())?;
    Ok(file)
}

/// Runs helm without a cluster; what it refuses is the error.
pub(crate) fn helm(arguments: &[&str]) -> Result<String> {
    let output = Command::new(Settings::from_env().program("helm")?)
        .args(arguments)
        .env("KUBECONFIG", "/nonexistent")
        .output()
        .context("failed to start helm")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What the chart renders with further arguments: every object, hooks included.
pub(crate) fn template(arguments: &[&str]) -> Result<Rendered> {
    let chart = chart();
    let fixed = ["template", "berth", &chart, "--namespace", "berth-system"];
    objects(&helm(&[&fixed[..], arguments].concat())?)
}

/// The same with a values file of this content.
pub(crate) fn template_with(values: &str, arguments: &[&str]) -> Result<Rendered> {
    let file = values_file(values)?;
    let path = file.path().display().to_string();
    template(&[&["--values", &path], arguments].concat())
}

/// All documents of a stream that are not empty.
pub(crate) fn objects(stream: &str) -> Result<Rendered> {
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(stream) {
        let value = Value::deserialize(document)?;
        if !value.is_null() {
            found.push(value);
        }
    }
    Ok(Rendered(found))
}

pub(crate) struct Rendered(pub(crate) Vec<Value>);

impl Rendered {
    /// The only object of a kind.
    pub(crate) fn only(&self, kind: &str) -> Result<&Value> {
        let found = self.all(kind);
        match found[..] {
            [one] => Ok(one),
            _ => bail!("{} objects of kind {kind}", found.len()),
        }
    }

    pub(crate) fn named(&self, kind: &str, name: &str) -> Result<&Value> {
        let mut found = self.all(kind).into_iter();
        found
            .find(|object| object["metadata"]["name"] == name)
            .with_context(|| format!("no {kind} {name}"))
    }

    pub(crate) fn all(&self, kind: &str) -> Vec<&Value> {
        self.0
            .iter()
            .filter(|object| object["kind"] == kind)
            .collect()
    }
}

/// An object's path in one place and its value, as `/a/b/0`.
pub(crate) fn at<'a>(object: &'a Value, path: &str) -> Result<&'a Value> {
    object.pointer(path).with_context(|| format!("no {path}"))
}

/// The base of a Secret's value.
pub(crate) fn decoded(value: &Value) -> Result<String> {
    let data: k8s_openapi::ByteString = serde_json::from_value(value.clone())?;
    Ok(String::from_utf8(data.0)?)
}
