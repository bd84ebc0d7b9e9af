//! The Engine of the environment, and an image with a shell that is made here.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use docker::models::{ContainerCreateBody, HostConfig};
use docker::{Endpoint, Engine, Environment};
use futures::{StreamExt as _, stream};

pub(crate) const IMAGE: &str = "berth-docker-test:1";

/// Connects to the Engine of the environment.
pub(crate) async fn engine() -> Engine {
    connect(&Environment::of_process(), "docker").await
}

/// Connects, with the image at hand.
pub(crate) async fn engine_with_image() -> Engine {
    with_image(engine().await).await
}

/// Connects to the Podman of the environment, with the image at hand.
#[expect(
    clippy::disallowed_methods,
    reason = "where Podman is stands in the environment only"
)]
pub(crate) async fn podman_with_image() -> Engine {
    let environment = Environment {
        docker_host: Some(
            std::env::var("BERTH_PODMAN_HOST")
                .unwrap_or_else(|_| "unix:///run/podman/podman.sock".into()),
        ),
        ..Environment::default()
    };
    with_image(connect(&environment, "podman").await).await
}

async fn connect(environment: &Environment, component: &str) -> Engine {
    let endpoint = Endpoint::resolve(environment).unwrap();
    match Engine::connect(endpoint).await {
        Ok(engine) => engine,
        Err(error) => panic!(
            "{component} does not answer: run tests/env/up and source ~/.cache/berth/env, or leave these tests out \
             with BERTH_SKIP={component}: {error}"
        ),
    }
}

async fn with_image(engine: Engine) -> Engine {
    if engine.image(IMAGE).await.unwrap().is_none() {
        let archive = image_archive(IMAGE, &[busybox_layer()]);
        engine.load(stream_of(archive)).await.unwrap();
    }
    engine
}

/// What there is only for one test.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("berth-docker-{name}-{}-{count}", std::process::id())
}

pub(crate) fn stream_of(bytes: impl Into<Bytes>) -> docker::ByteStream {
    let bytes = bytes.into();
    let pieces: Vec<_> = bytes
        .chunks(64 * 1024)
        .map(|piece| Ok(bytes.slice_ref(piece)))
        .collect();
    stream::iter(pieces).boxed()
}

/// A container's body that runs a shell script.
pub(crate) fn shell(script: &str, label: &str) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(IMAGE.into()),
        cmd: Some(["sh", "-c", script].map(String::from).into()),
        labels: Some([("berth-docker-test".to_owned(), label.to_owned())].into()),
        host_config: Some(HostConfig {
            init: Some(true),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// A container that is removed when the test ends, however it ends.
pub(crate) struct Container {
    pub(crate) name: String,
    /// Where `docker` finds it, when that is not where the environment says.
    socket: Option<String>,
}

impl Container {
    pub(crate) async fn create(engine: &Engine, body: ContainerCreateBody) -> Self {
        let name = unique("container");
        engine.create(&name, body).await.unwrap();
        Self {
            name,
            socket: Some(engine.endpoint().to_string()).filter(|host| host.starts_with("unix://")),
        }
    }

    pub(crate) async fn start(engine: &Engine, script: &str) -> Self {
        let container = Self::create(engine, shell(script, "")).await;
        engine.start(&container.name).await.unwrap();
        container
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let socket: Vec<_> = self
            .socket
            .iter()
            .flat_map(|socket| ["--host", socket])
            .collect();
        let remove = ["rm", "--force", "--volumes", &self.name];
        run("docker", &[&socket[..], &remove].concat());
    }
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

/// A layer with a static busybox, its names, and the folders that a container needs.
pub(crate) fn busybox_layer() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in ["bin", "etc", "tmp", "var/run", "root"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    std::fs::copy(busybox(), root.join("bin/busybox")).unwrap();
    for name in [
        "sh", "cat", "sleep", "ls", "stat", "head", "yes", "wc", "true", "hostname",
    ] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    std::fs::write(root.join("etc/release"), "of the image\n").unwrap();
    std::os::unix::fs::symlink("../etc/release", root.join("var/release")).unwrap();
    run("chmod", &["1777", &root.join("tmp").display().to_string()]);
    tar_of(root)
}

/// The content of a folder as an archive that is the same every time.
pub(crate) fn tar_of(folder: &Path) -> Vec<u8> {
    let folder = folder.display().to_string();
    run(
        "tar",
        &[
            "--sort=name",
            "--mtime=@0",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "-C",
            &folder,
            "-cf",
            "-",
            ".",
        ],
    )
}

/// The archive of an image, in the format that every Engine loads.
pub(crate) fn image_archive(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, content: &[u8]| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    let mut diff_ids = Vec::new();
    let mut names = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        let file = format!("{index}/layer.tar");
        write(&file, layer);
        let sum = run(
            "sha256sum",
            &[&folder.path().join(&file).display().to_string()],
        );
        let sum = String::from_utf8(sum).unwrap();
        diff_ids.push(format!("sha256:{}", &sum[..64]));
        names.push(file);
    }
    let config = serde_json::json!({
        "architecture": std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64"),
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    write("config.json", config.to_string().as_bytes());
    let manifest =
        serde_json::json!([{"Config": "config.json", "RepoTags": [name], "Layers": names}]);
    write("manifest.json", manifest.to_string().as_bytes());
    tar_of(folder.path())
}

fn busybox() -> &'static str {
    ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("no static busybox: run tests/env/up, which installs busybox-static")
}
