//! What a real Engine saves, read, rewritten and imported into a real containerd.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use docker::image::{Format, Layout, Reader};
use docker::{Digest, Engine};
use tempfile::TempDir;

use crate::fixture::{engine, image_archive, run, stream_of, tar_of, unique};

/// An image of several layers in the Engine, removed in the end.
struct Image {
    name: String,
    layers: Vec<Vec<u8>>,
}

impl Image {
    /// Layers with the same content are the same in every image.
    async fn load(engine: &Engine, layers: &[&str]) -> Self {
        let layer = |content: &&str| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("name"), content).unwrap();
            std::fs::write(folder.path().join(content), content.repeat(100_000)).unwrap();
            tar_of(folder.path())
        };
        let name = format!("{}:1", unique("saved"));
        let layers: Vec<_> = layers.iter().map(layer).collect();
        let archive = image_archive(&name, &layers);
        engine.load(stream_of(archive)).await.unwrap();
        Self { name, layers }
    }

    fn full_name(&self) -> String {
        format!("docker.io/library/{}", self.name)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        run("docker", &["rmi", &self.name]);
    }
}

#[tokio::test]
async fn an_image_is_read_while_the_engine_saves_it() {
    let engine = engine().await;
    let image = Image::load(&engine, &["a", "b", "c", "a"]).await;
    let layers = engine.layers(&image.name).await.unwrap().unwrap();
    let mut reader = Reader::new(engine.save(&[&image.name])).with_layers(&layers);
    let mut passed = BTreeMap::new();
    while let Some(blob) = reader.next().await.unwrap() {
        // Known ahead of its content, whatever the format.
        let digest = blob.digest.clone().unwrap();
        let mut content = Vec::new();
        while let Some(chunk) = reader.chunk().await.unwrap() {
            content.extend(chunk);
        }
        passed.insert(digest, content);
    }
    let archive = reader.finish().await.unwrap();
    assert_eq!(archive.images.len(), 1);
    assert_eq!(archive.images[0].manifests[0].layers.len(), 4);
    if archive.format == Format::Legacy {
        assert_eq!(archive.images[0].names, [image.name.as_str()]);
        let expected: BTreeMap<_, _> = image
            .layers
            .iter()
            .map(|layer| (Digest::of(layer), layer.clone()))
            .collect();
        assert!(passed == expected);
        let id = engine
            .image(&image.name)
            .await
            .unwrap()
            .unwrap()
            .id
            .unwrap();
        assert_eq!(archive.images[0].manifests[0].config.digest.as_str(), id);
    }
}

#[tokio::test]
async fn the_same_image_gives_the_same_manifest_each_time() {
    let engine = engine().await;
    let image = Image::load(&engine, &["a", "d"]).await;
    let mut digests = BTreeSet::new();
    for _ in 0..2 {
        let archive = Reader::new(engine.save(&[&image.name]))
            .finish()
            .await
            .unwrap();
        digests.insert(archive.images[0].target.digest.clone());
    }
    assert_eq!(digests.len(), 1);
}

#[tokio::test]
async fn a_strict_reader_of_layouts_takes_what_comes_out() {
    let engine = engine().await;
    let image = Image::load(&engine, &["a", "e"]).await;
    let layers = engine.layers(&image.name).await.unwrap().unwrap();
    let layout = Layout::new(engine.save(&[&image.name]), BTreeSet::new()).with_layers(&layers);
    let folder = tempfile::tempdir().unwrap();
    let file = write(layout, folder.path()).await;
    let target = format!("dir:{}", folder.path().join("copy").display());
    // It verifies every digest on the way.
    run(
        "skopeo",
        &[
            "--insecure-policy",
            "copy",
            &format!("oci-archive:{file}"),
            &target,
        ],
    );
}

#[tokio::test]
async fn containerd_imports_an_image_without_the_layers_that_it_has() {
    let engine = engine().await;
    let containerd = Containerd::start();
    let first = Image::load(&engine, &["a", "f"]).await;
    let second = Image::load(&engine, &["a", "f", "g"]).await;

    // Nobody announced the layers of this one.
    let whole = containerd
        .import(Layout::new(engine.save(&[&first.name]), BTreeSet::new()))
        .await;
    containerd.assert_complete(&first.full_name());

    let layers = engine.layers(&second.name).await.unwrap().unwrap();
    let has = containerd.digests();
    assert!(layers[..2].iter().all(|layer| has.contains(layer)));
    let rest = containerd
        .import(Layout::new(engine.save(&[&second.name]), has).with_layers(&layers))
        .await;
    containerd.assert_complete(&second.full_name());
    assert!(rest < whole, "{rest} bytes for one layer, {whole} for two");
}

async fn write(mut layout: Layout, folder: &Path) -> String {
    let file = folder.join("layout.tar");
    let mut bytes = Vec::new();
    while let Some(chunk) = layout.chunk().await.unwrap() {
        bytes.extend(chunk);
    }
    std::fs::write(&file, bytes).unwrap();
    file.display().to_string()
}

/// A containerd with a folder of its own.
struct Containerd {
    folder: TempDir,
    child: Child,
}

impl Containerd {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
            path("root"),
            path("state"),
            path("socket"),
        );
        std::fs::write(path("config.toml"), config).unwrap();
        let child = Command::new("containerd")
            .args(["--config", &path("config.toml")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("no containerd: run tests/env/up, which installs it");
        let containerd = Self { folder, child };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !containerd.ctr(&["version"]).status().unwrap().success() {
            assert!(Instant::now() < deadline, "containerd does not answer");
        }
        containerd
    }

    fn ctr(&self, arguments: &[&str]) -> Command {
        let socket = self.folder.path().join("socket").display().to_string();
        let mut command = Command::new("ctr");
        command
            .args(["--address", &socket, "--namespace", "test"])
            .args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn output(&self, arguments: &[&str]) -> String {
        let output = self
            .ctr(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ctr {arguments:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Gives how many bytes went in.
    async fn import(&self, layout: Layout) -> u64 {
        let file = write(layout, self.folder.path()).await;
        self.output(&["images", "import", "--no-unpack", "--all-platforms", &file]);
        std::fs::metadata(file).unwrap().len()
    }

    fn digests(&self) -> BTreeSet<Digest> {
        let listed = self.output(&["content", "ls", "--quiet"]);
        listed.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// All that the image names is there.
    #[track_caller]
    fn assert_complete(&self, name: &str) {
        let checked = self.output(&["images", "check", &format!("name=={name}")]);
        assert!(checked.contains(" complete "), "{checked}");
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
