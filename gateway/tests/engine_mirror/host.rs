//! An Engine, and images that are made for one test.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// An Engine of the environment.
pub(crate) struct Host {
    /// Its socket.
    pub(crate) address: String,
    /// The address of this machine at which the Engine takes registries without TLS.
    pub(crate) registries: String,
}

/// A name that is removed from the Engine at the end.
pub(crate) struct Named<'a> {
    host: &'a Host,
    pub(crate) name: String,
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        drop(self.host.docker(&["rmi", "--force", &self.name]));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the Engines are stands in the environment only"
)]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run tests/env/up and source ~/.cache/berth/env, or leave these tests out with BERTH_SKIP")
    })
}

impl Host {
    /// Docker 20.10.
    pub(crate) fn first() -> Self {
        Self {
            address: variable("DOCKER_HOST"),
            registries: "127.0.0.1".to_owned(),
        }
    }

    /// A newer Engine with a graph driver.
    pub(crate) fn newer_graph() -> Self {
        Self {
            address: variable("BERTH_NEWER_DOCKER_GRAPH"),
            registries: variable("BERTH_NEWER_DOCKER_GRAPH_HOST_ADDRESS"),
        }
    }

    /// A newer Engine with containerd's store.
    pub(crate) fn newer_containerd() -> Self {
        Self {
            address: variable("BERTH_NEWER_DOCKER_CONTAINERD"),
            registries: variable("BERTH_NEWER_DOCKER_CONTAINERD_HOST_ADDRESS"),
        }
    }

    pub(crate) fn docker(&self, arguments: &[&str]) -> Result<String, String> {
        self.docker_with(Path::new("/nonexistent"), arguments)
    }

    /// `docker` with a configuration of its own.
    pub(crate) fn docker_with(&self, config: &Path, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(variable("DOCKER"))
            .args(arguments)
            .env("DOCKER_HOST", &self.address)
            .env("DOCKER_CONFIG", config)
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// An image with one layer, in which a file holds `content`.
    pub(crate) fn image(&self, name: &str, content: &[u8]) -> Named<'_> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("content"), content).unwrap();
        let archive = folder.path().join("layer.tar");
        let made = Command::new("tar")
            .arg("-C")
            .arg(folder.path())
            .args(["--mtime=@0", "-cf"])
            .arg(&archive)
            .arg("content")
            .status();
        assert!(made.unwrap().success());
        self.docker(&["import", &archive.display().to_string(), name])
            .unwrap();
        self.named(name)
    }

    /// A name that somebody else gives.
    pub(crate) fn named(&self, name: &str) -> Named<'_> {
        let name = name.to_owned();
        Named { host: self, name }
    }

    /// Another name for an image.
    pub(crate) fn tagged(&self, image: &str, name: &str) -> Named<'_> {
        self.docker(&["tag", image, name]).unwrap();
        self.named(name)
    }

    pub(crate) fn inspect(&self, name: &str) -> Option<Value> {
        let text = self.docker(&["image", "inspect", name]).ok()?;
        let all: Value = serde_json::from_str(&text).unwrap();
        all.get(0).cloned()
    }
}

/// What there is only for one test.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("berth-mirror-{name}-{}-{count}", std::process::id())
}
