//! A containerd of its own for each test, with the CRI plugin on, asked to pull as a kubelet asks.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use containerd_client::tonic::client::Grpc;
use containerd_client::tonic::codegen::http::uri::PathAndQuery;
use containerd_client::tonic::transport::{Channel, Endpoint};
use containerd_client::tonic::{Request, Status};
use tonic_prost::ProstCodec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// The package of this Debian.
    Debian,
    /// The one in the root of the newer Docker Engine.
    Newer,
}

pub(crate) struct Containerd {
    process: Option<Child>,
    version: Version,
    home: tempfile::TempDir,
}

impl Containerd {
    /// One that is not started yet.
    pub(crate) fn prepare(version: Version, registry: &str) -> Self {
        let home = tempfile::Builder::new()
            .prefix("tracer-")
            .tempdir()
            .unwrap();
        let path = |name: &str| home.path().join(name).display().to_string();
        let hosts = home.path().join("certs.d").join(registry);
        std::fs::create_dir_all(&hosts).unwrap();
        let server = format!("server = \"http://{registry}\"\n");
        std::fs::write(hosts.join("hosts.toml"), server).unwrap();
        let config = format!(
            "version = 2\nroot = \"{}\"\nstate = \"{}\"\noom_score = 0\n[grpc]\naddress = \"{}\"\n\
             [plugins.\"io.containerd.internal.v1.opt\"]\npath = \"{}\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\"]\nstream_server_address = \"127.0.0.1\"\nstream_server_port = \"0\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".cni]\nconf_dir = \"{}\"\nbin_dir = \"{}\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"{}\"\n",
            path("root"),
            path("state"),
            path("run/containerd.sock"),
            path("opt"),
            path("cni"),
            path("cni"),
            path("certs.d"),
        );
        std::fs::create_dir_all(home.path().join("run")).unwrap();
        std::fs::write(home.path().join("config.toml"), config).unwrap();
        Self {
            process: None,
            version,
            home,
        }
    }

    pub(crate) async fn start(version: Version, registry: &str) -> Self {
        let mut containerd = Self::prepare(version, registry);
        containerd.begin().await;
        containerd
    }

    /// Starts it, and waits until it pulls.
    pub(crate) async fn begin(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.home.path().join("log"))
            .unwrap();
        let process = self
            .command()
            .arg("--config")
            .arg(self.home.path().join("config.toml"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("containerd, installed by tests/env/up");
        self.process = Some(process);
        let deadline = Instant::now() + Duration::from_secs(40);
        while self.list_images().await.is_err() {
            assert!(
                Instant::now() < deadline,
                "containerd does not answer:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn command(&self) -> Command {
        if self.version == Version::Debian {
            return Command::new("containerd");
        }
        let cache = variable("BERTH_CACHE")
            .unwrap_or_else(|| format!("{}/.cache/berth", variable("HOME").unwrap_or_default()));
        let root = PathBuf::from(cache).join("newer-docker-root");
        let program = root.join("usr/bin/containerd");
        assert!(
            program.exists(),
            "no newer containerd in {}; run tests/env/up, or leave it out with BERTH_SKIP=newer-docker",
            root.display()
        );
        // It is linked with the libraries of its own Debian.
        let mut command = Command::new(root.join("usr/lib64/ld-linux-x86-64.so.2"));
        command
            .arg("--library-path")
            .arg(root.join("usr/lib/x86_64-linux-gnu"))
            .arg(program);
        command
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.home.path().join("run/containerd.sock")
    }

    pub(crate) fn certs_d(&self) -> PathBuf {
        self.home.path().join("certs.d")
    }

    /// As a power failure would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Stops it without ending it, or lets it go on.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.process.as_ref().expect("it runs").id().to_string();
        let status = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// `PullImage`, as a kubelet calls it; says how long it took.
    pub(crate) async fn pull(&self, image: &str) -> Result<Duration, Status> {
        let began = Instant::now();
        let request = PullImageRequest {
            image: Some(ImageSpec {
                image: image.to_owned(),
            }),
        };
        let _: PullImageResponse = self.call("PullImage", request).await?;
        Ok(began.elapsed())
    }

    async fn list_images(&self) -> Result<(), Status> {
        let _: Nothing = self.call("ListImages", Nothing {}).await?;
        Ok(())
    }

    async fn call<I, O>(&self, method: &str, message: I) -> Result<O, Status>
    where
        I: prost::Message + Default + 'static,
        O: prost::Message + Default + 'static,
    {
        let mut client = Grpc::new(channel(&self.socket()).await?);
        client
            .ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let path: PathAndQuery = format!("/runtime.v1.ImageService/{method}")
            .parse()
            .unwrap();
        let codec: ProstCodec<I, O> = ProstCodec::default();
        Ok(client
            .unary(Request::new(message), path, codec)
            .await?
            .into_inner())
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let end = log.len().saturating_sub(4000);
            eprintln!(
                "containerd said at last:\n{}",
                log.get(end..).unwrap_or(&log)
            );
        }
        // A killed containerd leaves the mounts of layers that it was unpacking.
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let home = self.home.path().display().to_string();
        for place in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
            if place.starts_with(&home) {
                let _ = Command::new("umount").args(["-l", place]).status();
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests have no settings")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn channel(socket: &Path) -> Result<Channel, Status> {
    let path = socket.to_owned();
    Endpoint::from_static("http://localhost")
        .connect_with_connector(tower::service_fn(move |_| {
            let path = path.clone();
            async move {
                let stream = tokio::net::UnixStream::connect(path).await?;
                Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
            }
        }))
        .await
        .map_err(|error| Status::unavailable(error.to_string()))
}

/// Of the CRI, what a pull needs.
#[derive(Clone, PartialEq, prost::Message)]
struct PullImageRequest {
    #[prost(message, optional, tag = "1")]
    image: Option<ImageSpec>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ImageSpec {
    #[prost(string, tag = "1")]
    image: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PullImageResponse {
    #[prost(string, tag = "1")]
    image_ref: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Nothing {}
