//! The load balancer's file: which container port goes to which nodes. Read leniently, written in one fixed form.
//!
//! ```yaml
//! ports:
//!   6443.tcp:
//!   - k3d-demo-server-0
//! settings:
//!   workerConnections: 1024
//!   defaultProxyTimeout: 900   # only where somebody set it
//! ```
//!
//! Every edit leaves alone what it is not about: overrides, the targets of other ports, and keys that we do not know.

mod edit;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_yaml::{Mapping, Value};

pub use read::ConfigError;

/// Where the file lies in the load balancer's container.
pub const PATH: &str = "/etc/confd/values.yaml";

/// The port of the Kubernetes API in every server.
pub const API: Port = Port {
    number: 6443,
    protocol: Protocol::Tcp,
};

const WORKER_CONNECTIONS: u32 = 1024;
const PROXY_TIMEOUT_SECONDS: u64 = 600;

/// What the file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The nodes behind each port, in the order in which they were added.
    pub ports: BTreeMap<Port, Vec<String>>,
    /// Limits.
    pub settings: Settings,
    other: Mapping,
}

/// The limits that the file can set.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Connections at one time, of all ports together.
    pub worker_connections: u32,
    /// Seconds without a byte in either direction after which a connection ends; `None` is the default.
    pub proxy_timeout_seconds: Option<u64>,
    other: Mapping,
}

/// A port of the load balancer's container; its text is `6443.tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The number, the same on the load balancer and on the nodes.
    pub number: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// What can be balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Datagrams, in sessions by the client's address.
    Udp,
}

impl Config {
    /// A new file for these ports, with the default limits.
    pub fn of(ports: impl IntoIterator<Item = (Port, Vec<String>)>) -> Self {
        let mut config = Self {
            ports: BTreeMap::new(),
            settings: Settings::default(),
            other: Mapping::new(),
        };
        for (port, nodes) in ports {
            config.add_port(port, nodes);
        }
        config
    }

    /// The file's text: the same bytes for the same content.
    pub fn to_yaml(&self) -> String {
        let mut ports: Vec<_> = self.ports.iter().collect();
        // By text, as the file has always been sorted, so that a diff of two files shows only what changed.
        ports.sort_by_key(|(port, _)| port.to_string());
        let ports: Mapping = ports
            .into_iter()
            .map(|(port, nodes)| {
                let nodes = nodes.iter().cloned().map(Value::String).collect();
                (Value::String(port.to_string()), Value::Sequence(nodes))
            })
            .collect();
        let mut settings = Mapping::new();
        settings.insert(
            read::WORKER_CONNECTIONS.into(),
            self.settings.worker_connections.into(),
        );
        if let Some(seconds) = self.settings.proxy_timeout_seconds {
            settings.insert(read::PROXY_TIMEOUT.into(), seconds.into());
        }
        settings.extend(self.settings.other.clone());
        let mut document = Mapping::new();
        document.insert(read::PORTS.into(), ports.into());
        document.insert(read::SETTINGS.into(), settings.into());
        document.extend(self.other.clone());
        // Strings, numbers and what was itself read from YAML: there is nothing in it that could fail.
        serde_yaml::to_string(&document).unwrap_or_default()
    }
}

impl Settings {
    /// How long a connection may be silent.
    pub fn proxy_timeout(&self) -> Duration {
        Duration::from_secs(self.proxy_timeout_seconds.unwrap_or(PROXY_TIMEOUT_SECONDS))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            worker_connections: WORKER_CONNECTIONS,
            proxy_timeout_seconds: None,
            other: Mapping::new(),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.number, self.protocol)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A text that is no port of the load balancer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a port such as 6443.tcp or 53.udp")]
pub struct PortError(String);

impl FromStr for Port {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let error = || PortError(text.to_owned());
        let (number, protocol) = text.split_once('.').unwrap_or((text, "tcp"));
        let number: u16 = number.trim().parse().map_err(|_| error())?;
        let protocol = match protocol.trim().to_ascii_lowercase().as_str() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err(error()),
        };
        if number == 0 {
            return Err(error());
        }
        Ok(Self { number, protocol })
    }
}
