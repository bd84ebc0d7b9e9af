//! Engines, and images that are loaded into them.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use berth_gateway::names::Digest;
use docker::archive::{Kind, end, entry, padding};
use docker::models::ImageInspect;
use docker::{Endpoint, Engine, Environment};
use futures::{StreamExt as _, stream};

/// An Engine.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    address: String,
}

/// An image in it, removed in the end.
pub(crate) struct Image {
    pub(crate) name: String,
    address: String,
}

impl Host {
    /// The Engine of the environment.
    pub(crate) async fn first() -> Self {
        Self::at(&Environment::of_process(), "docker").await
    }

    /// A newer Engine, by the variable that says where it is.
    pub(crate) async fn newer(variable: &str) -> Self {
        let host = std::env::var_os(variable).unwrap_or_else(|| {
            panic!("{variable} is not set: run tests/env/up and source ~/.cache/berth/env, or leave these tests out with BERTH_SKIP=newer-docker")
        });
        let environment = Environment {
            docker_host: Some(host.into_string().unwrap()),
            ..Environment::default()
        };
        Self::at(&environment, "newer-docker").await
    }

    async fn at(environment: &Environment, component: &str) -> Self {
        let endpoint = Endpoint::resolve(environment).unwrap();
        let address = endpoint.to_string();
        let engine = Engine::connect(endpoint).await.unwrap_or_else(|error| {
            panic!("{component} does not answer: run tests/env/up and source ~/.cache/berth/env, or leave these tests out with BERTH_SKIP={component}: {error}")
        });
        Self { engine, address }
    }

    pub(crate) async fn inspect(&self, name: &str) -> ImageInspect {
        self.engine
            .image(name)
            .await
            .unwrap()
            .expect("the image is there")
    }

    /// Loads an image of these layers.
    pub(crate) async fn load(&self, layers: &[Vec<u8>]) -> Image {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("berth-gateway-export-{}-{count}:1", std::process::id());
        let pieces = vec![Ok(archive(&name, layers).into())];
        self.engine
            .load(stream::iter(pieces).boxed())
            .await
            .unwrap();
        Image {
            name,
            address: self.address.clone(),
        }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // By another process: connections of the test's own runtime stand still here.
        let docker = std::env::var_os("DOCKER").unwrap_or_else(|| "docker".into());
        let removed = Command::new(docker)
            .args(["--host", &self.address, "rmi", "--force", &self.name])
            .output();
        assert!(std::thread::panicking() || removed.is_ok_and(|done| done.status.success()));
    }
}

/// A layer of a file that no other seed makes, and that does not compress.
pub(crate) fn layer(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()
    };
    let content: Vec<u8> = (0..100_000).flat_map(|_| next()).collect();
    let mut archive = Vec::new();
    add(&mut archive, &format!("file-{seed}"), &content);
    archive.extend(end());
    archive
}

/// What `docker load` takes.
fn archive(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let arch = std::env::consts::ARCH
        .replace("x86_64", "amd64")
        .replace("aarch64", "arm64");
    let config = serde_json::json!({
        "architecture": arch, "os": "linux", "config": {"Cmd": ["/none"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let files: Vec<_> = (0..layers.len())
        .map(|at| format!("{at}/layer.tar"))
        .collect();
    let saved = serde_json::json!([{"Config": "config.json", "RepoTags": [name], "Layers": files}]);
    let mut archive = Vec::new();
    add(&mut archive, "config.json", config.to_string().as_bytes());
    for (file, layer) in files.iter().zip(layers) {
        add(&mut archive, file, layer);
    }
    add(&mut archive, "manifest.json", saved.to_string().as_bytes());
    archive.extend(end());
    archive
}

fn add(archive: &mut Vec<u8>, path: &str, content: &[u8]) {
    let size = content.len() as u64;
    archive.extend(entry(path, Kind::File, 0o644, size));
    archive.extend(content);
    archive.resize(archive.len() + padding(size), 0);
}
