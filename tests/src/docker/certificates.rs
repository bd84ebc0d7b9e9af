//! TLS in front of the engine's socket, with certificates on both sides as Docker's documentation makes them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A listener that is gone with this value.
pub struct EncryptedEngine {
    pub address: SocketAddr,
    folder: TempDir,
    listener: JoinHandle<()>,
}

impl EncryptedEngine {
    /// Listens on a port of this machine and hands every connection to `socket`.
    pub async fn start(socket: &Path) -> Result<Self> {
        let folder = TempDir::new()?;
        make_certificates(folder.path())?;
        let acceptor = TlsAcceptor::from(Arc::new(server_config(folder.path())?));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let socket = socket.to_path_buf();
        let listener = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, socket) = (acceptor.clone(), socket.clone());
                tokio::spawn(async move {
                    let mut outside = acceptor.accept(stream).await?;
                    let mut inside = UnixStream::connect(socket).await?;
                    tokio::io::copy_bidirectional(&mut outside, &mut inside).await
                });
            }
        });
        Ok(Self {
            address,
            folder,
            listener,
        })
    }

    /// A folder such as `DOCKER_CERT_PATH` names: ca.pem, cert.pem, key.pem.
    pub fn certificates(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }
}

impl Drop for EncryptedEngine {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

fn server_config(folder: &Path) -> Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = |name: &str| CertificateDer::from_pem_file(folder.join(name));
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")?)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let key = PrivateKeyDer::from_pem_file(folder.join("server-key.pem"))?;
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier.build()?)
        .with_single_cert(vec![certificate("server.pem")?], key)?)
}

fn make_certificates(folder: &Path) -> Result<()> {
    let request = |name: &str, key: &str, usage: Option<&str>| {
        let mut openssl = Command::new("openssl");
        openssl
            .current_dir(folder)
            .args(["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"]);
        openssl.args([
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-keyout",
            key,
            "-out",
            name,
        ]);
        openssl.args(["-subj", &format!("/CN={name}")]);
        if let Some(usage) = usage {
            openssl.args(["-CA", "ca.pem", "-CAkey", "ca-key.pem"]);
            openssl.args(["-addext", "subjectAltName=IP:127.0.0.1"]);
            openssl.args(["-addext", &format!("extendedKeyUsage={usage}")]);
            openssl.args(["-addext", "basicConstraints=critical,CA:false"]);
        }
        let output = openssl.output().context("failed to run openssl")?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "openssl: {told}");
        Ok(())
    };
    request("ca.pem", "ca-key.pem", None)?;
    request("server.pem", "server-key.pem", Some("serverAuth"))?;
    request("cert.pem", "key.pem", Some("clientAuth"))
}
