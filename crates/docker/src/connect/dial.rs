//! Opens connections.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::ssh::{SshCommand, SshStream};
use super::tls;
use super::wire::Wire;
use crate::endpoint::{Address, Endpoint};

/// How long connecting may take, names and handshakes included.
const LIMIT: Duration = Duration::from_secs(20);

/// Opens connections to one endpoint.
#[derive(Clone)]
pub(crate) struct Dialer(Target);

#[derive(Clone)]
enum Target {
    Unix(PathBuf),
    Tcp {
        host: String,
        port: u16,
        tls: Option<(TlsConnector, ServerName<'static>)>,
    },
    Ssh(SshCommand),
}

impl Dialer {
    pub(crate) fn new(endpoint: &Endpoint) -> io::Result<Self> {
        let target = match &endpoint.address {
            Address::Unix(path) => Target::Unix(path.clone()),
            Address::Tcp { host, port } => Target::Tcp {
                host: host.clone(),
                port: *port,
                tls: match &endpoint.tls {
                    Some(tls) => Some((tls::connector(tls)?, server_name(host)?)),
                    None => None,
                },
            },
            Address::Ssh {
                user,
                host,
                port,
                socket,
            } => Target::Ssh(SshCommand::new(
                user.as_deref(),
                host,
                *port,
                socket.as_deref(),
            )),
        };
        Ok(Self(target))
    }
}

impl Target {
    async fn open(self) -> io::Result<Wire> {
        match self {
            Self::Unix(path) => Ok(Wire::new(UnixStream::connect(path).await?)),
            Self::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), port)).await?;
                stream.set_nodelay(true)?;
                match tls {
                    Some((connector, name)) => {
                        Ok(Wire::new(connector.connect(name, stream).await?))
                    }
                    None => Ok(Wire::new(stream)),
                }
            }
            Self::Ssh(command) => Ok(Wire::new(SshStream::start(&command)?)),
        }
    }
}

fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

impl tower_service::Service<http::Uri> for Dialer {
    type Response = TokioIo<Wire>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Wire>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let target = self.0.clone();
        Box::pin(async move {
            let opened = tokio::time::timeout(LIMIT, target.open()).await;
            let wire = opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            Ok(TokioIo::new(wire))
        })
    }
}
