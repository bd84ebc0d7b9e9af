//! Debian's docker-registry, and a slow line to it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::images::{Blob, Image};

pub(crate) struct Registry {
    process: Child,
    storage: tempfile::TempDir,
    /// Where the slow line begins.
    pub(crate) address: String,
    /// Bytes after which the line is cut, once; none when negative.
    cut: Arc<AtomicI64>,
}

impl Registry {
    /// Every connection gets so many bytes a second.
    pub(crate) async fn start(bytes_per_second: usize) -> Self {
        let storage = tempfile::tempdir().unwrap();
        let upstream = free_port();
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\nhttp: {{addr: '{upstream}'}}\n",
            storage.path().join("data").display()
        );
        let path = storage.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
        let process = Command::new("docker-registry")
            .args([Path::new("serve"), &path])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry of Debian's package of that name");
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&upstream).await.is_err() {
            assert!(Instant::now() < deadline, "docker-registry does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let cut = Arc::new(AtomicI64::new(-1));
        tokio::spawn(slow_line(
            listener,
            upstream,
            bytes_per_second,
            Arc::clone(&cut),
        ));
        Self {
            process,
            storage,
            address,
            cut,
        }
    }

    /// Puts an image where the registry keeps it.
    pub(crate) fn holds(&self, repository: &str, tag: &str, image: &Image) -> String {
        let layers = image.layers.iter().map(|layer| &layer.blob);
        for blob in layers.chain([&image.config]) {
            self.write_blob(blob);
            self.link(
                repository,
                &format!("_layers/{}", path_of(&blob.digest)),
                &blob.digest,
            );
        }
        for blob in [&image.manifest, &image.index] {
            self.write_blob(blob);
            let revision = format!("_manifests/revisions/{}", path_of(&blob.digest));
            self.link(repository, &revision, &blob.digest);
        }
        let tagged = format!("_manifests/tags/{tag}");
        self.link(
            repository,
            &format!("{tagged}/current"),
            &image.index.digest,
        );
        let index = format!("{tagged}/index/{}", path_of(&image.index.digest));
        self.link(repository, &index, &image.index.digest);
        format!("{}/{repository}:{tag}", self.address)
    }

    /// Makes a blob of an image go.
    pub(crate) fn loses(&self, blob: &Blob) {
        std::fs::remove_file(self.data(&blob.digest)).unwrap();
    }

    /// Makes the end of a blob wrong.
    pub(crate) fn spoils(&self, blob: &Blob) {
        let mut bytes = blob.bytes.clone();
        let last = bytes.len() - 1;
        bytes[last] ^= 0xff;
        std::fs::write(self.data(&blob.digest), bytes).unwrap();
    }

    /// Cuts a connection after so many bytes from now.
    pub(crate) fn cuts_once_after(&self, bytes: i64) {
        self.cut.store(bytes, Ordering::SeqCst);
    }

    fn root(&self) -> PathBuf {
        self.storage.path().join("data/docker/registry/v2")
    }

    fn data(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        self.root()
            .join(format!("blobs/sha256/{}/{hex}/data", &hex[..2]))
    }

    fn write_blob(&self, blob: &Blob) {
        let path = self.data(&blob.digest);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &blob.bytes).unwrap();
    }

    fn link(&self, repository: &str, place: &str, digest: &str) {
        let folder = self
            .root()
            .join("repositories")
            .join(repository)
            .join(place);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("link"), digest).unwrap();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn path_of(digest: &str) -> String {
    digest.replace(':', "/")
}

pub(crate) fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

async fn slow_line(listener: TcpListener, upstream: String, rate: usize, cut: Arc<AtomicI64>) {
    while let Ok((client, _)) = listener.accept().await {
        let (upstream, cut) = (upstream.clone(), Arc::clone(&cut));
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(upstream).await else {
                return;
            };
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let up = tokio::spawn(async move {
                let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
            });
            let mut buffer = vec![0; 16 << 10];
            while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                if to_client.write_all(&buffer[..read]).await.is_err() || is_cut(&cut, read) {
                    break;
                }
                let nanoseconds = 1_000_000_000 * read as u64 / rate as u64;
                tokio::time::sleep(Duration::from_nanos(nanoseconds)).await;
            }
            up.abort();
        });
    }
}

fn is_cut(cut: &AtomicI64, read: usize) -> bool {
    let read = i64::try_from(read).unwrap();
    if cut.load(Ordering::SeqCst) < 0 {
        return false;
    }
    // Whoever brings it below zero is the one.
    let before = cut.fetch_sub(read, Ordering::SeqCst);
    before >= 0 && before < read
}
