//! Images that are like no others and cannot be made smaller.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, copy};

use anyhow::{Result, bail};
use tokio::process::Command;

use super::ground::Ground;

pub(crate) async fn make(ground: &Ground, name: &str, layers: usize, bytes: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut recipe = String::from("FROM scratch\n");
    for layer in 0..layers {
        let mut source = fs::File::open("/dev/urandom")?.take(bytes);
        let mut file = fs::File::create(folder.path().join(format!("part-{layer}")))?;
        copy(&mut source, &mut file)?;
        writeln!(recipe, "COPY part-{layer} /")?;
    }
    fs::write(folder.path().join("Dockerfile"), recipe)?;
    // The old builder keeps nothing once the image is removed.
    let output = Command::new(&ground.docker)
        .env("DOCKER_BUILDKIT", "0")
        .args(["build", "--quiet", "--tag", name])
        .arg(folder.path())
        .kill_on_drop(true)
        .output()
        .await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("failed to make image {name}: {}", said.trim());
    }
    Ok(())
}
