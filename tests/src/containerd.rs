//! Debian's containerd with its CRI plugin, which pulls when it is asked as a kubelet asks.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use containerd_client::services::v1::InfoRequest;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::tonic::client::Grpc;
use containerd_client::tonic::codegen::http::uri::PathAndQuery;
use containerd_client::tonic::transport::{Channel, Endpoint};
use containerd_client::tonic::{Request, Status};
use jiff::Timestamp;
use tempfile::TempDir;
use tonic_prost::ProstCodec;

use crate::process::Server;
use crate::settings::Settings;
use crate::wait::eventually;

/// One that runs; it and its mounts are gone when it is dropped.
pub struct Containerd {
    pub socket: PathBuf,
    server: Server,
    home: TempDir,
}

impl Containerd {
    /// Listens at `socket`, asks the registries that `certs_d` names, and keeps images in a folder of its own.
    pub async fn start(settings: &Settings, socket: &Path, certs_d: &Path) -> Result<Self> {
        // On a disk: overlay mounts do not stack on memory everywhere.
        let home = tempfile::Builder::new()
            .prefix("berth-containerd-")
            .tempdir_in("/tmp")?;
        std::fs::create_dir_all(socket.parent().context("no folder")?)?;
        std::fs::create_dir_all(certs_d)?;
        let config = home.path().join("config.toml");
        std::fs::write(&config, configuration(home.path(), socket, certs_d))?;
        let mut server = Server::start(
            &settings.program("containerd")?,
            ["--config".as_ref(), config.as_os_str()],
            home.path().join("log"),
        )?;
        eventually("containerd", Duration::from_secs(40), || {
            let alive = server.check();
            async move {
                alive?;
                let _: Nothing = call(socket, "ListImages", Nothing {}).await?;
                Ok::<_, anyhow::Error>(())
            }
        })
        .await?;
        Ok(Self {
            socket: socket.to_path_buf(),
            server,
            home,
        })
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.server.kill();
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

/// `PullImage`, as a kubelet calls it; the answer is the image's id.
pub async fn pull(socket: &Path, image: &str) -> Result<String, Status> {
    let request = PullImageRequest {
        image: Some(ImageSpec {
            image: image.to_owned(),
        }),
    };
    let answer: PullImageResponse = call(socket, "PullImage", request).await?;
    Ok(answer.image_ref)
}

/// When the blob's last byte was there.
pub async fn arrived(socket: &Path, digest: &str) -> Result<Timestamp> {
    let mut client = ContentClient::new(channel(socket).await?);
    let mut request = Request::new(InfoRequest {
        digest: digest.to_owned(),
    });
    let namespace = "k8s.io".parse()?;
    request
        .metadata_mut()
        .insert("containerd-namespace", namespace);
    let info = client.info(request).await?.into_inner().info;
    let at = info
        .and_then(|info| info.created_at)
        .context("the blob has no time")?;
    Ok(Timestamp::new(at.seconds, at.nanos)?)
}

fn configuration(home: &Path, socket: &Path, certs_d: &Path) -> String {
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    let (home, socket, certs_d) = (home.display(), socket.display(), certs_d.display());
    format!(
        "version = 2\nroot = \"{home}/root\"\nstate = \"{home}/state\"\n[grpc]\naddress = \"{socket}\"\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\npath = \"{home}/opt\"\n\
         [{cri}]\nstream_server_address = \"127.0.0.1\"\nstream_server_port = \"0\"\n\
         [{cri}.cni]\nconf_dir = \"{home}/cni\"\nbin_dir = \"{home}/cni\"\n\
         [{cri}.registry]\nconfig_path = \"{certs_d}\"\n",
    )
}

async fn call<I, O>(socket: &Path, method: &str, message: I) -> Result<O, Status>
where
    I: prost::Message + Default + 'static,
    O: prost::Message + Default + 'static,
{
    let mut client = Grpc::new(channel(socket).await?);
    client.ready().await.map_err(|error| unavailable(&error))?;
    let method: PathAndQuery = format!("/runtime.v1.ImageService/{method}")
        .parse()
        .map_err(|error| unavailable(&error))?;
    let codec: ProstCodec<I, O> = ProstCodec::default();
    let answer = client.unary(Request::new(message), method, codec).await?;
    Ok(answer.into_inner())
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
        .map_err(|error| unavailable(&error))
}

fn unavailable(error: &dyn std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
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
