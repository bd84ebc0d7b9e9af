//! Every way to an Engine, and what is said when there is none.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use docker::{Address, Endpoint, Engine, Environment};
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::ring};

use crate::fixture::{Container, engine, engine_with_image, run};

/// An environment with nothing but an address.
fn at(address: &str) -> Environment {
    Environment {
        docker_host: Some(address.to_owned()),
        docker_config: "/nonexistent".into(),
        ..Environment::default()
    }
}

async fn connect(environment: &Environment) -> Result<Engine, docker::Error> {
    Engine::connect(Endpoint::resolve(environment).unwrap()).await
}

/// Bytes both ways, commands included.
async fn assert_works(engine: &Engine) {
    let container = Container::start(engine, "exec sleep 1000").await;
    let command = docker::Command::new(["wc", "-c"]);
    let input = crate::fixture::stream_of(vec![7; 1_000_000]);
    let output = engine
        .exec(&container.name, &command, Some(input))
        .await
        .unwrap();
    assert_eq!(output.stdout_text().trim(), "1000000");
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_said_at_once_with_the_way_out() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("docker.sock");
    let no_socket = format!("unix://{}", socket.display());
    let closed = format!("tcp://127.0.0.1:{}", free_port());
    for address in [no_socket.as_str(), closed.as_str()] {
        let started = Instant::now();
        let error = connect(&at(address)).await.unwrap_err();
        assert!(error.is_unreachable(), "{error}");
        let expected = format!(
            "failed to reach the Docker Engine: no Docker Engine answers at {address}: is Docker running?"
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert!(std::error::Error::source(&error).is_some());
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn what_is_no_engine_is_not_taken_for_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(stream.write_all(b"SSH-2.0-OpenSSH\r\n").await);
        }
    });
    let error = connect(&at(&address)).await.unwrap_err();
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn a_context_leads_to_its_engine() {
    let there = engine_with_image().await;
    let folder = TempDir::new().unwrap();
    let config = folder.path().display().to_string();
    let host = format!("host={}", there.endpoint());
    run(
        "docker",
        &[
            "--config",
            &config,
            "context",
            "create",
            "elsewhere",
            "--docker",
            &host,
        ],
    );
    run(
        "env",
        &[
            "-u",
            "DOCKER_HOST",
            "docker",
            "--config",
            &config,
            "context",
            "use",
            "elsewhere",
        ],
    );
    let environment = Environment {
        docker_config: folder.path().to_owned(),
        ..Environment::default()
    };
    let engine = connect(&environment).await.unwrap();
    assert_eq!(engine.endpoint().to_string(), there.endpoint().to_string());
    let facts = engine.facts().await.unwrap();
    assert_eq!(facts.name, there.facts().await.unwrap().name);
}

/// What TLS needs on both sides, made with openssl.
struct Certificates {
    folder: TempDir,
}

impl Certificates {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let key = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ];
        for authority in ["ca", "other-ca"] {
            let (certificate, secret) = (
                file(&format!("{authority}.pem")),
                file(&format!("{authority}.key")),
            );
            let subject = format!("/CN={authority}");
            let ends = [
                "-x509",
                "-subj",
                &subject,
                "-keyout",
                &secret,
                "-out",
                &certificate,
            ];
            run("openssl", &[&["req"], &key[..], &ends[..]].concat());
        }
        for (name, authority, usage) in [
            ("server", "ca", "serverAuth"),
            ("client", "ca", "clientAuth"),
            ("stranger", "other-ca", "clientAuth"),
        ] {
            let usage = format!("extendedKeyUsage={usage}");
            let (ca, ca_key) = (
                file(&format!("{authority}.pem")),
                file(&format!("{authority}.key")),
            );
            let (certificate, secret) =
                (file(&format!("{name}.pem")), file(&format!("{name}.key")));
            let subject = format!("/CN={name}");
            let ends = [
                "-x509",
                "-CA",
                &ca,
                "-CAkey",
                &ca_key,
                "-subj",
                &subject,
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-addext",
                &usage,
                "-addext",
                "basicConstraints=critical,CA:false",
                "-keyout",
                &secret,
                "-out",
                &certificate,
            ];
            run("openssl", &[&["req"], &key[..], &ends[..]].concat());
        }
        Self { folder }
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).unwrap()
    }

    fn certificate(&self, name: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(&self.read(&format!("{name}.pem"))).unwrap()
    }

    /// A folder such as `DOCKER_CERT_PATH` names.
    fn for_client(&self, authority: Option<&str>, identity: Option<&str>) -> TempDir {
        let folder = TempDir::new().unwrap();
        let copy = |from: String, to: &str| {
            std::fs::write(folder.path().join(to), self.read(&from)).unwrap();
        };
        if let Some(authority) = authority {
            copy(format!("{authority}.pem"), "ca.pem");
        }
        if let Some(identity) = identity {
            copy(format!("{identity}.pem"), "cert.pem");
            copy(format!("{identity}.key"), "key.pem");
        }
        folder
    }

    /// Puts TLS that wants client certificates in front of the Engine's socket.
    async fn serve(&self, socket: &Path) -> SocketAddr {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate("ca")).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .unwrap();
        let key = PrivateKeyDer::from_pem_slice(&self.read("server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.certificate("server")], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = socket.to_owned();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, socket) = (acceptor.clone(), socket.clone());
                tokio::spawn(async move {
                    let mut outside = acceptor.accept(stream).await?;
                    let mut inside = UnixStream::connect(socket).await?;
                    tokio::io::copy_bidirectional(&mut outside, &mut inside).await
                });
            }
        });
        address
    }
}

#[tokio::test]
async fn encrypted_connections_prove_both_sides() {
    let local = engine_with_image().await;
    let Address::Unix(socket) = &local.endpoint().address else {
        panic!("these tests put TLS in front of a socket: DOCKER_HOST must name one");
    };
    let certificates = Certificates::new();
    let address = certificates.serve(socket).await;
    let encrypted = |authority: Option<&str>, identity: Option<&str>, verify: bool| {
        let folder = certificates.for_client(authority, identity);
        let environment = Environment {
            docker_tls: true,
            docker_tls_verify: verify,
            docker_cert_path: Some(folder.path().to_owned()),
            ..at(&format!("tcp://{address}"))
        };
        Endpoint::resolve(&environment).unwrap()
    };

    let engine = Engine::connect(encrypted(Some("ca"), Some("client"), true))
        .await
        .unwrap();
    assert_works(&engine).await;

    let unseen = encrypted(Some("other-ca"), Some("client"), false);
    Engine::connect(unseen).await.unwrap();
    for (authority, identity) in [
        (Some("other-ca"), Some("client")),
        (None, Some("client")),
        (Some("ca"), None),
        (Some("ca"), Some("stranger")),
    ] {
        let refused = Engine::connect(encrypted(authority, identity, true)).await;
        assert!(refused.is_err(), "{authority:?} {identity:?}");
    }
    let unknown = Engine::connect(encrypted(Some("other-ca"), Some("client"), true))
        .await
        .unwrap_err();
    let source = std::error::Error::source(&unknown).unwrap().to_string();
    assert!(
        unknown.is_unreachable() && source.contains("certificate"),
        "{unknown}: {source}"
    );
}

/// Set for the process that has this test's `ssh` on its path: `ssh` reads no other configuration than the user's.
const INSIDE: &str = "ssh://";

#[tokio::test]
async fn an_engine_is_reached_through_ssh() {
    let engine = engine_with_image().await;
    if engine.endpoint().to_string().starts_with(INSIDE) {
        assert_works(&engine).await;
        return;
    }
    let server = SshServer::start(&engine.endpoint().to_string());
    let output = server.repeat_test("connections::an_engine_is_reached_through_ssh", server.port);
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}"
    );
}

#[tokio::test]
async fn what_ssh_says_is_passed_on() {
    let environment = Environment::of_process();
    if environment
        .docker_host
        .as_deref()
        .is_some_and(|host| host.starts_with(INSIDE))
    {
        let error = connect(&environment).await.unwrap_err();
        assert!(error.is_unreachable(), "{error:?}");
        assert!(
            error.to_string().contains("does `ssh` to that host work"),
            "{error}"
        );
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("Connection refused"), "{source}");
        return;
    }
    let server = SshServer::start(&engine().await.endpoint().to_string());
    let output = server.repeat_test("connections::what_ssh_says_is_passed_on", free_port());
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}"
    );
}

/// A real sshd with keys of its own.
struct SshServer {
    folder: TempDir,
    child: Child,
    port: u16,
}

impl SshServer {
    fn start(docker_host: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host", "client"] {
            run(
                "ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-f", &file(key)],
            );
        }
        let port = free_port();
        let sshd = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPermitRootLogin yes\nSetEnv DOCKER_HOST={docker_host}\n",
            file("host"),
            file("client.pub"),
        );
        std::fs::write(file("sshd_config"), sshd).unwrap();
        let ssh = format!(
            "IdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\nStrictHostKeyChecking accept-new\nBatchMode yes\n",
            file("client"),
            file("known_hosts"),
        );
        std::fs::write(file("ssh_config"), ssh).unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        let script = format!(
            "#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n",
            file("ssh_config")
        );
        std::fs::write(file("bin/ssh"), script).unwrap();
        run("chmod", &["755", &file("bin/ssh")]);
        // Where sshd goes before it knows who logs in.
        std::fs::create_dir_all("/run/sshd").unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &file("sshd_config")])
            .stderr(Stdio::null())
            .spawn()
            .expect("no sshd: run tests/env/up, which installs openssh-server");
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(
                Instant::now() < deadline,
                "sshd does not listen on port {port}"
            );
            std::thread::yield_now();
        }
        Self {
            folder,
            child,
            port,
        }
    }

    /// Runs a test of this binary again, with this server's `ssh` and an address that leads through it.
    fn repeat_test(&self, test: &str, port: u16) -> std::process::Output {
        let path = format!(
            "{}:{}",
            self.folder.path().join("bin").display(),
            std::env::var_os("PATH").unwrap().to_string_lossy(),
        );
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env("PATH", path)
            .env("DOCKER_HOST", format!("ssh://root@127.0.0.1:{port}"))
            .output()
            .unwrap()
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
