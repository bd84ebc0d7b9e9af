//! Which Docker Engine is meant: the same answer that the `docker` command line gives for the same environment.

use std::fmt;
use std::path::{Path, PathBuf};

use registries::Secret;

use crate::context;
use crate::environment::Environment;

/// Where an Engine listens when nothing says otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// An Engine's address with all that is needed to connect to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where to connect to.
    pub address: Address,
    /// What to encrypt a TCP connection with.
    pub tls: Option<Tls>,
    /// What named it.
    pub origin: Origin,
}

/// Where an Engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket on this machine.
    Unix(PathBuf),
    /// A port, here or elsewhere.
    Tcp {
        /// Name or address, IPv6 without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// The Engine of another machine, through its SSH server.
    Ssh {
        /// Who logs in; SSH's own configuration decides when nobody is named.
        user: Option<String>,
        /// Name, address or alias of the SSH configuration.
        host: String,
        /// Port of the SSH server.
        port: Option<u16>,
        /// Socket on that machine, when it is not the usual one.
        socket: Option<String>,
    },
}

/// Certificates of a TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Authorities trusted besides the system's, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// Certificate (PEM) and key (PEM) that this client shows.
    pub identity: Option<(Vec<u8>, Secret)>,
    /// Whether the server must prove who it is.
    pub verify: bool,
}

/// What named the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `DOCKER_HOST`.
    Variable,
    /// A context of the docker command line.
    Context(String),
    /// Nothing.
    Default,
}

/// Why no endpoint can be named.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// An address that is none.
    #[error(
        "failed to read {address:?} of {origin} as a Docker address: expected unix:///path, tcp://host:port or ssh://[user@]host[:port]"
    )]
    Address {
        /// The text.
        address: String,
        /// Where it stands.
        origin: Origin,
    },
    /// Named pipes.
    #[error("failed to use {address:?} of {origin}: named pipes exist on Windows only")]
    NamedPipe {
        /// The text.
        address: String,
        /// Where it stands.
        origin: Origin,
    },
    /// The chosen context is not there.
    #[error(
        "failed to find the Docker context {name:?} below {folder}: `docker context ls` lists what there is, `docker context use default` goes back"
    )]
    NoContext {
        /// Its name.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The chosen context describes something else than Docker.
    #[error("failed to use the Docker context {name:?}: it has no docker endpoint")]
    NoDockerEndpoint {
        /// Its name.
        name: String,
    },
    /// A file that cannot be read.
    #[error("failed to read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that says nothing.
    #[error("failed to read {path} as JSON at line {line}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where reading stopped.
        line: usize,
    },
    /// Half an identity.
    #[error(
        "failed to use the TLS files in {folder}: cert.pem and key.pem belong together, one is missing"
    )]
    HalfIdentity {
        /// The folder.
        folder: PathBuf,
    },
}

impl Endpoint {
    /// `DOCKER_HOST`, else `DOCKER_CONTEXT`, else the current context of the configuration, else the usual socket.
    pub fn resolve(environment: &Environment) -> Result<Self, EndpointError> {
        if let Some(address) = &environment.docker_host {
            return Self::of_variable(address, environment);
        }
        match context::chosen(environment)? {
            Some(name) => context::endpoint(&name, environment),
            None => Self::of_nothing(environment),
        }
    }

    /// A socket on this machine.
    pub fn of_socket(path: impl Into<PathBuf>) -> Self {
        Self {
            address: Address::Unix(path.into()),
            tls: None,
            origin: Origin::Default,
        }
    }

    /// The machine that the Engine runs on, when the address names one: what its published ports are reached at.
    pub fn host(&self) -> Option<&str> {
        match &self.address {
            Address::Unix(_) => None,
            Address::Tcp { host, .. } | Address::Ssh { host, .. } => Some(host),
        }
    }

    /// Whether the Engine sees the files of this machine: it listens on a socket of it.
    pub fn is_local(&self) -> bool {
        matches!(self.address, Address::Unix(_))
    }

    fn of_variable(address: &str, environment: &Environment) -> Result<Self, EndpointError> {
        let tls = environment_tls(environment)?;
        let address = Address::parse(address, tls.is_some(), &Origin::Variable)?;
        Ok(Self::new(address, tls, Origin::Variable))
    }

    fn of_nothing(environment: &Environment) -> Result<Self, EndpointError> {
        let tls = environment_tls(environment)?;
        let address = match tls {
            Some(_) => Address::Tcp {
                host: "localhost".to_owned(),
                port: 2376,
            },
            None => Address::Unix(DEFAULT_SOCKET.into()),
        };
        Ok(Self::new(address, tls, Origin::Default))
    }

    /// TLS belongs to TCP only: the variables may stay set while a socket is used.
    pub(crate) fn new(address: Address, tls: Option<Tls>, origin: Origin) -> Self {
        let tls = tls.filter(|_| matches!(address, Address::Tcp { .. }));
        Self {
            address,
            tls,
            origin,
        }
    }
}

impl Address {
    pub(crate) fn parse(text: &str, tls: bool, origin: &Origin) -> Result<Self, EndpointError> {
        let text = text.trim();
        let wrong = || EndpointError::Address {
            address: without_password(text),
            origin: origin.clone(),
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        match scheme {
            "unix" if rest.is_empty() => Ok(Self::Unix(DEFAULT_SOCKET.into())),
            "unix" => Ok(Self::Unix(rest.into())),
            "tcp" => {
                let authority = rest.trim_end_matches('/');
                let (host, port) = host_and_port(authority).ok_or_else(wrong)?;
                let usual = if tls { 2376 } else { 2375 };
                Ok(Self::Tcp {
                    host,
                    port: port.unwrap_or(usual),
                })
            }
            "ssh" => parse_ssh(rest).ok_or_else(wrong),
            "npipe" => Err(EndpointError::NamedPipe {
                address: text.to_owned(),
                origin: origin.clone(),
            }),
            _ => Err(wrong()),
        }
    }
}

/// Whatever stands between the scheme and an `@` may be a password.
fn without_password(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://***@{rest}"),
        (None, Some((_, rest))) => format!("***@{rest}"),
        _ => text.to_owned(),
    }
}

/// A password in the address is refused, as `docker` does: SSH would not use it, and every listing of processes show it.
fn parse_ssh(rest: &str) -> Option<Address> {
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, path.trim_end_matches('/')),
        None => (rest, ""),
    };
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if user.is_some_and(|user| user.is_empty() || user.contains(':') || user.starts_with('-')) {
        return None;
    }
    let (host, port) = host_and_port(host)?;
    // The name becomes an argument of ssh, which must not take it for an option.
    if host.starts_with('-') {
        return None;
    }
    Some(Address::Ssh {
        user: user.map(str::to_owned),
        host,
        port,
        socket: (!path.is_empty()).then(|| format!("/{path}")),
    })
}

fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            match rest {
                "" => (host, None),
                _ => (host, Some(rest.strip_prefix(':')?)),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let unusual = |c: char| c.is_whitespace() || c.is_control() || "/?#@[]\"'\\".contains(c);
    if host.is_empty() || host.contains(unusual) {
        return None;
    }
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
        None => None,
    };
    Some((host.to_owned(), port))
}

/// What `DOCKER_TLS`, `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` ask for.
fn environment_tls(environment: &Environment) -> Result<Option<Tls>, EndpointError> {
    if !environment.docker_tls && !environment.docker_tls_verify {
        return Ok(None);
    }
    let folder = environment
        .docker_cert_path
        .as_deref()
        .unwrap_or(&environment.docker_config);
    Tls::of_folder(folder, environment.docker_tls_verify).map(Some)
}

impl Tls {
    /// Reads `ca.pem`, `cert.pem` and `key.pem`, each if it is there.
    pub(crate) fn of_folder(folder: &Path, verify: bool) -> Result<Self, EndpointError> {
        let identity = match (
            read_if_there(&folder.join("cert.pem"))?,
            read_if_there(&folder.join("key.pem"))?,
        ) {
            (Some(certificate), Some(key)) => {
                let key = String::from_utf8_lossy(&key).into_owned();
                Some((certificate, Secret::from(key)))
            }
            (None, None) => None,
            _ => {
                return Err(EndpointError::HalfIdentity {
                    folder: folder.to_owned(),
                });
            }
        };
        Ok(Self {
            authorities: read_if_there(&folder.join("ca.pem"))?,
            identity,
            verify,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.authorities.is_none() && self.identity.is_none()
    }
}

/// The content of a file, or nothing when there is none.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, EndpointError> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(source)
            if matches!(
                source.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(source) => Err(EndpointError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(formatter)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix://{}", path.display()),
            Self::Tcp { host, port } => write!(formatter, "tcp://{}:{port}", bracketed(host)),
            Self::Ssh {
                user,
                host,
                port,
                socket,
            } => {
                formatter.write_str("ssh://")?;
                if let Some(user) = user {
                    write!(formatter, "{user}@")?;
                }
                formatter.write_str(&bracketed(host))?;
                if let Some(port) = port {
                    write!(formatter, ":{port}")?;
                }
                formatter.write_str(socket.as_deref().unwrap_or_default())
            }
        }
    }
}

/// A host as URLs write it.
pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => formatter.write_str("DOCKER_HOST"),
            Self::Context(name) => write!(formatter, "the Docker context {name:?}"),
            Self::Default => formatter.write_str("Docker's defaults"),
        }
    }
}

#[cfg(test)]
mod tests;
