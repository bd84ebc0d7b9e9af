//! Debian's docker-registry behind a slow line, with images that are made of noise.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::process::{Server, free_ports};
use crate::settings::Settings;
use crate::wait::eventually;

/// A registry; gone when dropped.
pub struct Registry {
    /// Where the slow line begins.
    pub address: String,
    line: JoinHandle<()>,
    _server: Server,
    storage: TempDir,
}

/// What an image comes to.
pub struct Image {
    /// Bytes of its layers.
    pub total: u64,
    /// Of its manifest.
    pub digest: String,
}

impl Registry {
    /// Every connection gets so many bytes a second.
    pub async fn start(settings: &Settings, bytes_per_second: u32) -> Result<Self> {
        let storage = tempfile::Builder::new()
            .prefix("berth-registry-")
            .tempdir_in("/tmp")?;
        let [port] = free_ports()?;
        let upstream = format!("127.0.0.1:{port}");
        let config = json!({
            "version": "0.1", "log": {"level": "error", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": storage.path().join("data")}}, "http": {"addr": upstream},
        });
        let file = storage.path().join("config.yml");
        std::fs::write(&file, config.to_string())?;
        let server = Server::start(
            &settings.program("docker-registry")?,
            ["serve".as_ref(), file.as_os_str()],
            storage.path().join("log"),
        )?;
        eventually("docker-registry", Duration::from_secs(20), || {
            TcpStream::connect(&upstream)
        })
        .await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let line = tokio::spawn(slow_line(listener, upstream, bytes_per_second));
        Ok(Self {
            address,
            line,
            _server: server,
            storage,
        })
    }

    /// Puts an image with layers of these sizes where the registry keeps it.
    pub fn holds(&self, repository: &str, tag: &str, layers: &[usize]) -> Result<Image> {
        let layers: Vec<Vec<u8>> = layers.iter().map(|size| layer(repository, *size)).collect();
        let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/none"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = config.to_string().into_bytes();
        let kind = |name: &str| format!("application/vnd.oci.image.{name}");
        let descriptors: Vec<Value> = layers
            .iter()
            .map(|layer| descriptor(&kind("layer.v1.tar"), layer))
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind("manifest.v1+json"),
            "config": descriptor(&kind("config.v1+json"), &config), "layers": descriptors,
        });
        let manifest = manifest.to_string().into_bytes();
        for blob in layers.iter().chain([&config]) {
            self.keep(repository, &format!("_layers/{}", slashed(blob)), blob)?;
        }
        for place in [
            format!("_manifests/revisions/{}", slashed(&manifest)),
            format!("_manifests/tags/{tag}/current"),
            format!("_manifests/tags/{tag}/index/{}", slashed(&manifest)),
        ] {
            self.keep(repository, &place, &manifest)?;
        }
        Ok(Image {
            total: layers.iter().map(|layer| layer.len() as u64).sum(),
            digest: digest(&manifest),
        })
    }

    fn keep(&self, repository: &str, place: &str, blob: &[u8]) -> Result<()> {
        let root = self.storage.path().join("data/docker/registry/v2");
        let digest = digest(blob);
        let hex = digest.trim_start_matches("sha256:");
        let (first, _) = hex.split_at(2);
        write(&root.join(format!("blobs/sha256/{first}/{hex}/data")), blob)?;
        let folder: PathBuf = root.join("repositories").join(repository).join(place);
        write(&folder.join("link"), digest.as_bytes())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.line.abort();
    }
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    std::fs::create_dir_all(path.parent().context("no folder")?)?;
    Ok(std::fs::write(path, content)?)
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(blob), "size": blob.len()})
}

fn digest(bytes: &[u8]) -> String {
    let hex: Vec<String> = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{}", hex.concat())
}

fn slashed(blob: &[u8]) -> String {
    digest(blob).replace(':', "/")
}

/// A tar of one file; name and size say what its noise is.
fn layer(name: &str, size: usize) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, &format!("noise-{size}"));
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\u{0}00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = header.to_vec();
    let mut state = name.bytes().fold(size as u64 | 1, |state, byte| {
        state.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)
    }) | 1;
    while tar.len() < 512 + size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        tar.extend(state.to_le_bytes());
    }
    tar.truncate(512 + size);
    tar.resize((512 + size).next_multiple_of(512) + 1024, 0);
    tar
}

async fn slow_line(listener: TcpListener, upstream: String, bytes_per_second: u32) {
    while let Ok((client, _)) = listener.accept().await {
        let upstream = upstream.clone();
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(upstream).await else {
                return;
            };
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let up = tokio::spawn(async move {
                let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
            });
            let mut buffer = vec![0; 64 << 10];
            while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                if to_client.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
                let share = u32::try_from(read).unwrap_or(u32::MAX);
                let pause = Duration::from_secs(1) * share / bytes_per_second;
                tokio::time::sleep(pause).await;
            }
            up.abort();
        });
    }
}
