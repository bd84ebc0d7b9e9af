//! An image of one layer of noise.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use docker::archive::{Kind, end, entry, padding};

use super::client;
use super::engine::Engine;

/// How often an image is made anew until its archive begins as it should.
const TRIES: usize = 24;

/// In the Engine until it is dropped.
pub(crate) struct Image<'a> {
    pub(crate) name: String,
    pub(crate) id: String,
    engine: &'a Engine,
}

impl<'a> Image<'a> {
    pub(crate) fn new(engine: &'a Engine, mebibytes: u64) -> Result<Self> {
        let mut image = Self {
            name: format!("berth-bench-gateway-{}-{mebibytes}:1", std::process::id()),
            id: String::new(),
            engine,
        };
        image.make(mebibytes)?;
        Ok(image)
    }

    /// One whose archive has the configuration ahead of the layer, or behind it: entries are sorted by their hashes.
    pub(crate) fn sorted(engine: &'a Engine, mebibytes: u64, config_first: bool) -> Result<Self> {
        let mut image = Self::new(engine, mebibytes)?;
        for _ in 0..TRIES {
            let saved = client::save(&engine.socket, &image.name)?;
            let first = saved.body.split(|byte| *byte == 0).next();
            if first.is_some_and(|name| name.ends_with(b".json")) == config_first {
                return Ok(image);
            }
            image.make(mebibytes)?;
        }
        bail!("no image came out as it was wanted");
    }

    fn make(&mut self, mebibytes: u64) -> Result<()> {
        let mut importing = self
            .engine
            .command()
            .args(["import", "-", &self.name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("failed to run docker")?;
        {
            let mut to = importing.stdin.take().context("no pipe")?;
            let size = mebibytes << 20;
            to.write_all(&entry("noise", Kind::File, 0o644, size))?;
            for block in 0..mebibytes {
                to.write_all(&noise(block))?;
            }
            to.write_all(&vec![0; padding(size)])?;
            to.write_all(&end())?;
        }
        ensure!(importing.wait()?.success(), "docker import failed");
        let before = std::mem::take(&mut self.id);
        if !before.is_empty() {
            self.engine.ask(&["rmi", "--force", &before])?;
        }
        self.id = self
            .engine
            .ask(&["image", "inspect", "--format", "{{.Id}}", &self.name])?;
        Ok(())
    }

    /// The file that the layer is read from, where the Engine keeps it.
    pub(crate) fn file(&self, layer: &str) -> Result<PathBuf> {
        if self.engine.is_containerd {
            let hex = layer.trim_start_matches("sha256:");
            let store = "containerd/daemon/io.containerd.content.v1.content/blobs/sha256";
            return Ok(self.engine.data.join(store).join(hex));
        }
        let folder = self.engine.ask(&[
            "image",
            "inspect",
            "--format",
            "{{.GraphDriver.Data.UpperDir}}",
            &self.name,
        ])?;
        Ok(PathBuf::from(folder).join("noise"))
    }

    /// Without its tag.
    pub(crate) fn repository(&self) -> &str {
        self.name.trim_end_matches(":1")
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        // Without the Engine there is nothing to remove.
        let _ = self
            .engine
            .command()
            .args(["rmi", "--force", &self.name])
            .stdout(Stdio::null())
            .status();
    }
}

/// A MiB that does not compress, another one for each seed.
pub(crate) fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..1 << 17).flat_map(|_| next()).collect()
}
