//! Reads the file as people and other tools may have written it; what cannot be meant is refused with its place.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};

use super::{Config, Port, PortError, Settings};

pub(super) const PORTS: &str = "ports";
pub(super) const SETTINGS: &str = "settings";
pub(super) const WORKER_CONNECTIONS: &str = "workerConnections";
pub(super) const PROXY_TIMEOUT: &str = "defaultProxyTimeout";

/// Why a file or an override was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not a YAML document.
    #[error("failed to read the load balancer's file as YAML")]
    Yaml(#[source] serde_yaml::Error),
    /// A value of the wrong kind.
    #[error("{place} must be {expected}")]
    Kind {
        /// The path of the key.
        place: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A key below `ports` that is no port.
    #[error("below ports: {0}")]
    Port(#[from] PortError),
    /// An override that names none of the settings.
    #[error(
        "\"{0}\" overrides nothing: write settings.workerConnections=N or settings.defaultProxyTimeout=SECONDS"
    )]
    Override(String),
}

impl Config {
    /// Reads the file: absent and null parts have their defaults, one node may stand alone, numbers may be quoted.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut other = match serde_yaml::from_str(text).map_err(ConfigError::Yaml)? {
            Value::Null => Mapping::new(),
            Value::Mapping(document) => document,
            _ => return Err(kind("the document", "a mapping with ports and settings")),
        };
        Ok(Self {
            ports: ports(other.shift_remove(PORTS))?,
            settings: settings(other.shift_remove(SETTINGS))?,
            other,
        })
    }
}

impl Settings {
    /// Sets one of them from `settings.<key>=<value>`.
    pub(super) fn set(&mut self, assignment: &str) -> Result<(), ConfigError> {
        let unknown = || ConfigError::Override(assignment.to_owned());
        let (path, value) = assignment.split_once('=').ok_or_else(unknown)?;
        let value = Value::String(value.trim().to_owned());
        match path.trim().strip_prefix("settings.") {
            Some(WORKER_CONNECTIONS) => self.worker_connections = connections(&value)?,
            Some(PROXY_TIMEOUT) => self.proxy_timeout_seconds = Some(seconds(&value)?),
            _ => return Err(unknown()),
        }
        Ok(())
    }
}

fn ports(value: Option<Value>) -> Result<BTreeMap<Port, Vec<String>>, ConfigError> {
    let mapping = match value {
        None | Some(Value::Null) => Mapping::new(),
        Some(Value::Mapping(mapping)) => mapping,
        Some(_) => return Err(kind(PORTS, "a mapping from ports to nodes")),
    };
    let mut ports = BTreeMap::new();
    for (key, value) in mapping {
        let key =
            scalar(&key).ok_or_else(|| kind("a key below ports", "a port such as 6443.tcp"))?;
        let found = nodes(value).ok_or_else(|| kind(&format!("ports.{key}"), "a list of nodes"))?;
        // `80.tcp` and `80` are the same port.
        let all: &mut Vec<String> = ports.entry(key.parse()?).or_default();
        for node in found {
            if !all.contains(&node) {
                all.push(node);
            }
        }
    }
    Ok(ports)
}

fn nodes(value: Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Sequence(nodes) => nodes.iter().map(node).collect(),
        single => node(&single).map(|node| vec![node]),
    }
}

fn node(value: &Value) -> Option<String> {
    scalar(value).filter(|name| !name.is_empty())
}

fn settings(value: Option<Value>) -> Result<Settings, ConfigError> {
    let mut other = match value {
        None | Some(Value::Null) => Mapping::new(),
        Some(Value::Mapping(mapping)) => mapping,
        Some(_) => return Err(kind(SETTINGS, "a mapping")),
    };
    let mut settings = Settings::default();
    if let Some(value) = present(other.shift_remove(WORKER_CONNECTIONS)) {
        settings.worker_connections = connections(&value)?;
    }
    if let Some(value) = present(other.shift_remove(PROXY_TIMEOUT)) {
        settings.proxy_timeout_seconds = Some(seconds(&value)?);
    }
    settings.other = other;
    Ok(settings)
}

fn present(value: Option<Value>) -> Option<Value> {
    value.filter(|value| !value.is_null())
}

fn connections(value: &Value) -> Result<u32, ConfigError> {
    number(value).ok_or_else(|| {
        let place = format!("{SETTINGS}.{WORKER_CONNECTIONS}");
        kind(&place, "a number of connections from 1 on")
    })
}

fn seconds(value: &Value) -> Result<u64, ConfigError> {
    number(value).map(u64::from).ok_or_else(|| {
        let place = format!("{SETTINGS}.{PROXY_TIMEOUT}");
        kind(&place, "a number of seconds from 1 on")
    })
}

fn number(value: &Value) -> Option<u32> {
    scalar(value)?
        .trim()
        .parse()
        .ok()
        .filter(|number| *number > 0)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn kind(place: &str, expected: &'static str) -> ConfigError {
    ConfigError::Kind {
        place: place.to_owned(),
        expected,
    }
}
