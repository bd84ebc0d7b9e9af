//! An Engine with containerd's image store.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use berth_gateway::names::Digest;
use berth_gateway::sources::{Kind, Settings, Sources};
use serde_json::{Value, json};

use crate::fixture::{Host, Image, add, content, noise, unique, variable_of};

const ENGINE: &str = "BERTH_NEWER_DOCKER_CONTAINERD";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A layer with a file that is only in this layer, of this run.
fn layer(seed: u64) -> Vec<u8> {
    let mut archive = Vec::new();
    let run = u64::from(std::process::id()) << 32;
    add(
        &mut archive,
        &format!("file{seed}"),
        &noise(run | seed, 500_000),
    );
    archive.extend(docker::archive::end());
    archive
}

fn described(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(content).as_str(), "size": content.len()})
}

fn digest_of(descriptor: &Value) -> Digest {
    Digest::parse(descriptor["digest"].as_str().unwrap()).unwrap()
}

/// An OCI layout of an index with this platform and one that is not in it.
fn layout(name: &str, layer: &[u8]) -> (Vec<u8>, Digest, Digest) {
    let mut archive = Vec::new();
    let mut blob = |media_type: &str, content: &[u8]| {
        let described = described(media_type, content);
        add(
            &mut archive,
            &format!("blobs/sha256/{}", digest_of(&described).hex()),
            content,
        );
        described
    };
    let architecture = std::env::consts::ARCH
        .replace("x86_64", "amd64")
        .replace("aarch64", "arm64");
    let platform = json!({"architecture": architecture, "os": "linux"});
    let config = json!({"architecture": architecture, "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(layer).as_str()]}});
    let config = blob(
        "application/vnd.oci.image.config.v1+json",
        config.to_string().as_bytes(),
    );
    let layer = blob("application/vnd.oci.image.layer.v1.tar", layer);
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
    let mut here = blob(MANIFEST, manifest.to_string().as_bytes());
    here["platform"] = platform;
    let mut away = described(MANIFEST, name.as_bytes());
    away["platform"] = json!({"architecture": "riscv64", "os": "linux"});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [here, away]});
    let mut target = blob(INDEX, index.to_string().as_bytes());
    let full_name = format!("docker.io/library/{name}");
    target["annotations"] =
        json!({"io.containerd.image.name": full_name, "org.opencontainers.image.ref.name": "1"});
    let top = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [target]});
    add(&mut archive, "index.json", top.to_string().as_bytes());
    add(
        &mut archive,
        "oci-layout",
        br#"{"imageLayoutVersion":"1.0.0"}"#,
    );
    archive.extend(docker::archive::end());
    (archive, digest_of(&target), digest_of(&away))
}

#[tokio::test]
async fn an_image_of_newer_docker_comes_as_it_was_stored() {
    let host = Host::newer(ENGINE).await;
    assert_eq!(host.sources.kind(), Kind::ContentFiles);
    let image = host.load(&[layer(1), layer(2), layer(1)]).await;
    let found = image.is_served_as_saved().await;
    assert_eq!(found.blobs.len(), 3);
}

#[tokio::test]
async fn an_index_of_newer_docker_comes_whole_with_the_platforms_that_are_there() {
    let host = Host::newer(ENGINE).await;
    let name = unique();
    let (archive, target, absent) = layout(&name, &layer(3));
    let image = host.load_archive(name, archive).await;
    let found = image.is_served_as_saved().await;
    assert_eq!(
        (found.manifest.digest, found.manifest.media_type.as_str()),
        (target, INDEX)
    );
    assert_eq!((found.documents.len(), found.absent), (1, vec![absent]));
}

/// Where the files cannot be read: its socket is beside its data.
#[tokio::test]
async fn an_image_of_newer_docker_comes_through_containerds_socket() {
    let mut host = Host::newer(ENGINE).await;
    let folder = tempfile::tempdir().unwrap();
    let data = variable_of(&format!("{ENGINE}_DATA"));
    let settings = Settings {
        data_root: Some(folder.path().to_path_buf()),
        containerd: Some(
            Path::new(&data)
                .with_file_name("exec")
                .join("containerd/containerd.sock"),
        ),
    };
    host.sources = Sources::probe(&host.engine, &settings).await;
    let name = unique();
    let (archive, target, absent) = layout(&name, &layer(6));
    let image = host.load_archive(name, archive).await;
    let found = image.is_served_as_saved().await;
    assert_eq!(
        (found.manifest.digest, found.absent),
        (target, vec![absent])
    );
}

/// A registry on the host's end of the Engine's cable.
struct Registry {
    process: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Registry {
    fn start() -> Self {
        let host = variable_of(&format!("{ENGINE}_HOST_ADDRESS"));
        let port = std::net::TcpListener::bind((host.as_str(), 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let address = format!("{host}:{port}");
        let folder = tempfile::tempdir().unwrap();
        let settings = json!({"version": 0.1, "http": {"addr": address},
            "storage": {"filesystem": {"rootdirectory": folder.path().join("data")}}});
        let file = folder.path().join("settings.yml");
        std::fs::write(&file, settings.to_string()).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is not installed: run tests/env/up");
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(
                Instant::now() < deadline,
                "docker-registry does not listen at {address}"
            );
            std::thread::yield_now();
        }
        Self {
            process,
            address,
            _folder: folder,
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// containerd does not fetch layers that it has unpacked, even when their blobs are gone.
#[tokio::test]
async fn layers_that_newer_docker_never_fetched_are_named() {
    let host = Host::newer(ENGINE).await;
    let registry = Registry::start();
    let (shared, own) = (layer(4), layer(5));
    let names = [
        ("first", vec![shared.clone()]),
        ("second", vec![shared.clone(), own.clone()]),
    ];
    for (name, layers) in &names {
        let image = host.load(layers).await;
        let remote = format!("{}/{name}:1", registry.address);
        host.docker(&["tag", &image.name, &remote]);
        host.docker(&["push", &remote]);
        host.docker(&["rmi", &remote]);
    }
    let [first, second] = ["first", "second"].map(|name| Image {
        host: &host,
        name: format!("{}/{name}:1", registry.address),
    });
    host.docker(&["pull", &first.name]);
    let whole = first.is_served_as_saved().await;
    assert_eq!(whole.missing, []);
    let container = host.docker(&["create", &first.name, "/nothing"]);
    // Its last name becomes a nameless image, which keeps the content until it is removed itself.
    for name in [first.name.as_str(), whole.manifest.digest.as_str()] {
        host.docker(&["rmi", "--force", name]);
    }
    host.docker(&["pull", &second.name]);
    let found = host.find(&second.name).await;
    host.docker(&["rm", &container]);
    let found = found.expect("its manifest is there");
    assert!(!found.missing.is_empty());
    for digest in &found.missing {
        assert!(!found.blobs.contains_key(digest));
    }
    for blob in found.blobs.values() {
        assert!(
            blob.digest
                .is_of(&content(blob, 0..blob.size).await.unwrap())
        );
    }
}
