//! An image of one layer of noise.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use docker::archive::{Kind, end, entry, padding};

use super::Arguments;

/// In the Engine until it is dropped.
pub(crate) struct Image {
    pub(crate) name: String,
    docker: PathBuf,
}

impl Image {
    pub(crate) fn new(arguments: &Arguments, mebibytes: u64) -> Result<Self> {
        let image = Self {
            name: format!("berth-bench-gateway-{}-{mebibytes}:1", std::process::id()),
            docker: arguments.docker.clone(),
        };
        let mut importing = Command::new(&arguments.docker)
            .args(["import", "-", &image.name])
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
        Ok(image)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let mut removing = Command::new(&self.docker);
        // Without the Engine there is nothing to remove.
        let _ = removing
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
