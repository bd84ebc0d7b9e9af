//! A configuration of the newest version: what files, flags and the environment together say.

use std::fmt;

use registries::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::duration;
use crate::cluster::{HostAlias, Ulimit};

/// `kind: Simple` of `k3d.io/v1alpha5`. Texts are empty and lists empty where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Simple {
    pub api_version: String,
    pub kind: String,
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: Metadata,
    #[serde(skip_serializing_if = "is_default")]
    pub servers: Option<u32>,
    #[serde(skip_serializing_if = "is_default")]
    pub agents: Option<u32>,
    #[serde(rename = "kubeAPI", skip_serializing_if = "is_default")]
    pub kube_api: KubeApi,
    #[serde(skip_serializing_if = "is_default")]
    pub image: String,
    #[serde(skip_serializing_if = "is_default")]
    pub network: String,
    #[serde(skip_serializing_if = "is_default")]
    pub subnet: String,
    #[serde(with = "secret", skip_serializing_if = "Secret::is_empty")]
    pub token: Secret,
    #[serde(skip_serializing_if = "is_default")]
    pub volumes: Vec<VolumeEntry>,
    #[serde(skip_serializing_if = "is_default")]
    pub ports: Vec<PortEntry>,
    #[serde(skip_serializing_if = "is_default")]
    pub files: Vec<FileEntry>,
    #[serde(skip_serializing_if = "is_default")]
    pub env: Vec<EnvEntry>,
    #[serde(skip_serializing_if = "is_default")]
    pub host_aliases: Vec<HostAlias>,
    #[serde(skip_serializing_if = "is_default")]
    pub registries: Registries,
    #[serde(skip_serializing_if = "is_default")]
    pub options: Options,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KubeApi {
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    #[serde(rename = "hostIP", skip_serializing_if = "is_default")]
    pub host_ip: String,
    #[serde(skip_serializing_if = "is_default")]
    pub host_port: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeEntry {
    pub volume: String,
    #[serde(skip_serializing_if = "is_default")]
    pub node_filters: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PortEntry {
    pub port: String,
    #[serde(skip_serializing_if = "is_default")]
    pub node_filters: Vec<String>,
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileEntry {
    #[serde(skip_serializing_if = "is_default")]
    pub description: String,
    /// A path, or the content itself when it has a line break.
    pub source: String,
    pub destination: String,
    #[serde(skip_serializing_if = "is_default")]
    pub node_filters: Vec<String>,
}

impl fmt::Debug for FileEntry {
    /// Content may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {} for {:?}", self.destination, self.node_filters)
    }
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvEntry {
    pub env_var: String,
    #[serde(skip_serializing_if = "is_default")]
    pub node_filters: Vec<String>,
}

impl fmt::Debug for EnvEntry {
    /// Values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.env_var.split('=').next().unwrap_or_default();
        write!(f, "variable {key} for {:?}", self.node_filters)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArgumentEntry {
    pub arg: String,
    #[serde(skip_serializing_if = "is_default")]
    pub node_filters: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelEntry {
    pub label: String,
    #[serde(skip_serializing_if = "is_default")]
    pub node_filters: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Registries {
    /// An object that says nothing counts as none.
    #[serde(skip_serializing_if = "is_default")]
    pub create: RegistryCreate,
    #[serde(rename = "use", skip_serializing_if = "is_default")]
    pub using: Vec<String>,
    /// A path, or the content itself when it has a line break.
    #[serde(with = "secret", skip_serializing_if = "Secret::is_empty")]
    pub config: Secret,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegistryCreate {
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    #[serde(skip_serializing_if = "is_default")]
    pub host_port: String,
    #[serde(skip_serializing_if = "is_default")]
    pub image: String,
    #[serde(skip_serializing_if = "is_default")]
    pub proxy: Proxy,
    #[serde(skip_serializing_if = "is_default")]
    pub volumes: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub enforce_port_match: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Proxy {
    #[serde(rename = "remoteURL", skip_serializing_if = "is_default")]
    pub remote_url: String,
    #[serde(skip_serializing_if = "is_default")]
    pub username: String,
    #[serde(with = "secret", skip_serializing_if = "Secret::is_empty")]
    pub password: Secret,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    #[serde(skip_serializing_if = "is_default")]
    pub k3d: K3dOptions,
    #[serde(skip_serializing_if = "is_default")]
    pub k3s: K3sOptions,
    #[serde(skip_serializing_if = "is_default")]
    pub kubeconfig: KubeconfigOptions,
    #[serde(skip_serializing_if = "is_default")]
    pub runtime: RuntimeOptions,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct K3dOptions {
    #[serde(skip_serializing_if = "is_default")]
    pub wait: Option<bool>,
    #[serde(with = "timeout", skip_serializing_if = "is_default")]
    pub timeout: Option<Timeout>,
    #[serde(skip_serializing_if = "is_default")]
    pub disable_loadbalancer: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub disable_image_volume: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub disable_rollback: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub loadbalancer: LoadBalancerOptions,
}

/// A duration as it was written, so that a text that is none can be shown with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeout(pub String);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerOptions {
    #[serde(skip_serializing_if = "is_default")]
    pub config_overrides: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct K3sOptions {
    #[serde(skip_serializing_if = "is_default")]
    pub extra_args: Vec<ArgumentEntry>,
    #[serde(skip_serializing_if = "is_default")]
    pub node_labels: Vec<LabelEntry>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KubeconfigOptions {
    #[serde(skip_serializing_if = "is_default")]
    pub update_default_kubeconfig: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub switch_current_context: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RuntimeOptions {
    #[serde(skip_serializing_if = "is_default")]
    pub gpu_request: String,
    #[serde(skip_serializing_if = "is_default")]
    pub servers_memory: String,
    #[serde(skip_serializing_if = "is_default")]
    pub agents_memory: String,
    #[serde(skip_serializing_if = "is_default")]
    pub host_pid_mode: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub labels: Vec<LabelEntry>,
    #[serde(skip_serializing_if = "is_default")]
    pub ulimits: Vec<UlimitEntry>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UlimitEntry {
    pub name: String,
    pub soft: i64,
    pub hard: i64,
}

impl From<UlimitEntry> for Ulimit {
    fn from(entry: UlimitEntry) -> Self {
        Self {
            name: entry.name,
            soft: entry.soft,
            hard: entry.hard,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

mod secret {
    use super::{Deserialize, Deserializer, Secret, Serializer};

    pub(super) fn serialize<S: Serializer>(
        secret: &Secret,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::from)
    }
}

/// A text of Go's form, or a number of nanoseconds.
mod timeout {
    use super::{Deserialize, Deserializer, Serializer, Timeout, duration};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Nanoseconds(i64),
    }

    #[expect(clippy::ref_option, reason = "serde hands out references")]
    pub(super) fn serialize<S: Serializer>(
        timeout: &Option<Timeout>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(timeout.as_ref().map_or("0s", |timeout| timeout.0.as_str()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timeout>, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Text(text) if text.is_empty() => None,
            Written::Text(text) => Some(Timeout(text)),
            Written::Nanoseconds(number) => Some(Timeout(duration::format_nanoseconds(number))),
        })
    }
}
