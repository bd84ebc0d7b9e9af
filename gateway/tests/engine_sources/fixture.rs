//! Engines, images that are made here, and what `docker save` says of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use berth_gateway::content::Blob;
use berth_gateway::names::Digest;
use berth_gateway::sources::{Found, Settings, Sources};
use docker::archive::{Kind, end, entry, padding};
use docker::image::{Archive, Reader};
use docker::{Endpoint, Engine, Environment};
use futures::{StreamExt as _, TryStreamExt as _, stream};

/// An Engine with its sources.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) sources: Sources,
    address: String,
}

impl Host {
    /// The Engine of the environment.
    pub(crate) async fn first() -> Self {
        Self::at(&Environment::of_process(), "docker").await
    }

    /// A newer Engine, by the variable that says where it is.
    pub(crate) async fn newer(variable: &str) -> Self {
        let environment = Environment {
            docker_host: Some(variable_of(variable)),
            ..Environment::default()
        };
        Self::at(&environment, "newer-docker").await
    }

    async fn at(environment: &Environment, component: &str) -> Self {
        let endpoint = Endpoint::resolve(environment).unwrap();
        let address = endpoint.to_string();
        let engine = Engine::connect(endpoint).await.unwrap_or_else(|error| {
            panic!(
                "{component} does not answer: run tests/env/up and source ~/.cache/berth/env, or leave these tests out \
                 with BERTH_SKIP={component}: {error}"
            )
        });
        let sources = Sources::probe(&engine, &Settings::default()).await;
        Self {
            engine,
            sources,
            address,
        }
    }

    /// Runs `docker`, which must succeed.
    #[track_caller]
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        let output = self.try_docker(arguments);
        output.unwrap_or_else(|told| panic!("docker {}: {told}", arguments.join(" ")))
    }

    pub(crate) fn try_docker(&self, arguments: &[&str]) -> Result<String, String> {
        self.docker_with("1", arguments)
    }

    fn docker_with(&self, buildkit: &str, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(variable("DOCKER").unwrap_or_else(|| "docker".to_owned()))
            .args(["--host", &self.address])
            .args(arguments)
            .env("DOCKER_BUILDKIT", buildkit)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() {
            Ok(said)
        } else {
            Err(told)
        }
    }

    /// An image of these layers, loaded.
    pub(crate) async fn load(&self, layers: &[Vec<u8>]) -> Image<'_> {
        let name = unique();
        let archive = image_archive(&name, layers);
        self.load_archive(name, archive).await
    }

    pub(crate) async fn load_archive(&self, name: String, archive: Vec<u8>) -> Image<'_> {
        let pieces: Vec<_> = archive
            .chunks(1 << 16)
            .map(|piece| Ok(piece.to_vec().into()))
            .collect();
        self.engine
            .load(stream::iter(pieces).boxed())
            .await
            .unwrap();
        Image { host: self, name }
    }

    /// An image that the Engine builds from a folder with a Dockerfile, with `BuildKit` or in the old way.
    pub(crate) fn build(&self, folder: &Path, with_buildkit: bool) -> Image<'_> {
        let name = unique();
        let buildkit = if with_buildkit { "1" } else { "0" };
        let arguments = [
            "build",
            "--quiet",
            "--no-cache",
            "--tag",
            &name,
            &folder.display().to_string(),
        ];
        if let Err(told) = self.docker_with(buildkit, &arguments) {
            panic!("docker {}: {told}", arguments.join(" "));
        }
        Image { host: self, name }
    }

    pub(crate) async fn find(&self, name: &str) -> Option<Found> {
        let image = self
            .engine
            .image(name)
            .await
            .unwrap()
            .expect("the Engine has the image");
        self.sources.find(&image).await.unwrap()
    }
}

/// An image that is removed in the end.
pub(crate) struct Image<'a> {
    pub(crate) host: &'a Host,
    pub(crate) name: String,
}

impl Image<'_> {
    pub(crate) async fn found(&self) -> Found {
        self.host
            .find(&self.name)
            .await
            .expect("a source has the image")
    }

    /// What `docker save` gives, read to its end.
    pub(crate) async fn saved(&self) -> Archive {
        Reader::new(self.host.engine.save(&[&self.name]))
            .finish()
            .await
            .unwrap()
    }

    /// Everything that is found is what `docker save` says, and every blob reads as its digest says.
    pub(crate) async fn is_served_as_saved(&self) -> Found {
        let (found, saved) = (self.found().await, self.saved().await);
        let target = &saved.images[0].target;
        assert_eq!(found.manifest.digest.as_str(), target.digest.as_str());
        assert_eq!(found.manifest.media_type, target.media_type);
        assert_eq!(found.missing, []);
        let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
        for manifest in &saved.images[0].manifests {
            expected.insert(manifest.config.digest.as_str(), manifest.config.size);
            let layers = manifest.layers.iter().map(|layer| &layer.descriptor);
            expected.extend(layers.map(|layer| (layer.digest.as_str(), layer.size)));
        }
        let sizes: BTreeMap<&str, u64> = found
            .blobs
            .iter()
            .map(|(digest, blob)| (digest.as_str(), blob.size))
            .collect();
        assert_eq!(sizes, expected);
        for (digest, blob) in &found.blobs {
            let content = content(blob, 0..blob.size).await.unwrap();
            assert!(digest.is_of(&content), "{digest}");
            let middle = blob.size / 3..blob.size - blob.size / 4;
            let part = &content
                [usize::try_from(middle.start).unwrap()..usize::try_from(middle.end).unwrap()];
            assert!(
                super::fixture::content(blob, middle).await.unwrap() == part,
                "a part of {digest}"
            );
        }
        found
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        // Tests that remove images themselves leave nothing to remove.
        let _ = self.host.try_docker(&["rmi", "--force", &self.name]);
    }
}

pub(crate) async fn content(blob: &Blob, range: std::ops::Range<u64>) -> std::io::Result<Vec<u8>> {
    let pieces: Vec<bytes::Bytes> = blob.bytes.read(range).try_collect().await?;
    Ok(pieces.concat())
}

/// A name that there is only once.
pub(crate) fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("berth-sources-test-{}-{count}:1", std::process::id())
}

pub(crate) fn variable_of(name: &str) -> String {
    variable(name).unwrap_or_else(|| {
        panic!("{name} is not set: run tests/env/up and source ~/.cache/berth/env")
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the engines are stands in the environment only"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Runs a program that must succeed.
#[track_caller]
pub(crate) fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {}: {told}",
        arguments.join(" ")
    );
    output.stdout
}

/// The archive of an image, in the format that every Engine loads.
pub(crate) fn image_archive(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| Digest::of(layer).to_string())
        .collect();
    let config = serde_json::json!({
        "architecture": std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64"),
        "os": "linux", "config": {"Cmd": ["/bin/busybox"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let files: Vec<String> = (0..layers.len())
        .map(|at| format!("{at}/layer.tar"))
        .collect();
    let manifest =
        serde_json::json!([{"Config": "config.json", "RepoTags": [name], "Layers": files}]);
    let mut archive = Vec::new();
    add(&mut archive, "config.json", config.to_string().as_bytes());
    for (file, layer) in files.iter().zip(layers) {
        add(&mut archive, file, layer);
    }
    add(
        &mut archive,
        "manifest.json",
        manifest.to_string().as_bytes(),
    );
    archive.extend(end());
    archive
}

/// Adds a file to an archive.
pub(crate) fn add(archive: &mut Vec<u8>, path: &str, content: &[u8]) {
    archive.extend(entry(path, Kind::File, 0o644, content.len() as u64));
    archive.extend(content);
    archive.resize(archive.len() + padding(content.len() as u64), 0);
}

/// Bytes that do not compress, another row for each seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes: Vec<u8> = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend(next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
