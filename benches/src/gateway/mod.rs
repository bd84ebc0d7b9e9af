//! The gateway beside Debian's docker-registry and beside `docker save`, on one Engine and one image, in turn.
//!
//! ```text
//! client     one request, its times and its bytes
//! process    a server and what it uses
//! image      an image of noise in the Engine
//! rows       first answers, warm answers, throughput, memory
//! ```

mod client;
mod image;
mod process;
mod rows;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The release binary.
    #[arg(
        long,
        default_value = "target/x86_64-unknown-linux-gnu/release/berth-gateway"
    )]
    pub(crate) binary: PathBuf,
    /// Debian's docker-registry.
    #[arg(long, default_value = "docker-registry")]
    pub(crate) registry: PathBuf,
    /// Docker's command line.
    #[arg(long, env = "DOCKER", default_value = "docker")]
    pub(crate) docker: PathBuf,
    /// Runs of each, in turn.
    #[arg(long, default_value_t = 7)]
    pub(crate) runs: usize,
    /// MiB of the image.
    #[arg(long, default_value_t = 200)]
    pub(crate) mebibytes: u64,
    /// MiB of the image that eight clients pull at once while memory is looked at.
    #[arg(long, default_value_t = 2048)]
    pub(crate) large: u64,
    /// Folder on a disk, for the stores.
    #[arg(long, default_value = "target")]
    pub(crate) disk: PathBuf,
}

pub(crate) fn measure(arguments: &Arguments) -> Result<String> {
    if arguments.runs == 0 {
        bail!("--runs 0 measures nothing");
    }
    let rows = [
        rows::first(arguments)?,
        rows::warm(arguments)?,
        rows::throughput(arguments)?,
        rows::memory(arguments)?,
    ];
    Ok(format!(
        "| what | figure | limit or peer |\n|---|---|---|\n{}",
        rows.concat()
    ))
}
