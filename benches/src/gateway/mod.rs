//! The gateway beside Debian's docker-registry and beside `docker save`, on one Engine and one image, in turn.
//!
//! ```text
//! engine     an Engine, by its socket and its command line
//! image      an image of noise in it
//! client     one request, its times and its bytes
//! process    a server and what it uses
//! disk       files that no memory holds
//! pull       what a client does to have an image
//! rows       first answers, exports, warm answers, throughput, memory
//! table      what was measured, beside what was to be reached
//! ```

mod client;
mod disk;
mod engine;
mod image;
mod process;
mod pull;
mod rows;
mod table;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use self::engine::Engine;

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
    /// The socket of an Engine with a graph driver.
    #[arg(
        long,
        env = "DOCKER_HOST",
        default_value = "unix:///var/run/docker.sock"
    )]
    engine: String,
    /// The socket of an Engine with containerd's store, for the rows that are about it.
    #[arg(long, env = "BERTH_NEWER_DOCKER_CONTAINERD")]
    containerd_engine: Option<String>,
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
    /// Only these.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "first,exports,warm,throughput,memory"
    )]
    rows: Vec<Rows>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rows {
    /// First answers out of the Engine's own content.
    First,
    /// First answers through the socket only.
    Exports,
    /// HEAD of what is known.
    Warm,
    /// A blob of the store.
    Throughput,
    /// Eight clients and a large image.
    Memory,
}

pub(crate) fn measure(arguments: &Arguments) -> Result<String> {
    if arguments.runs == 0 {
        bail!("--runs 0 measures nothing");
    }
    let graph = Engine::new(&arguments.docker, &arguments.engine)?;
    let containerd = arguments.containerd_engine.as_deref();
    let containerd = containerd
        .map(|host| Engine::new(&arguments.docker, host))
        .transpose()?;
    let engines = || [Some(&graph), containerd.as_ref()].into_iter().flatten();
    let mut rows = Vec::new();
    for group in &arguments.rows {
        match group {
            Rows::First => {
                for engine in engines() {
                    rows.extend(rows::first(arguments, engine)?);
                }
            }
            Rows::Exports => {
                for engine in engines() {
                    rows.extend(rows::exports(arguments, engine)?);
                }
            }
            Rows::Warm => rows.extend(rows::warm(arguments, &graph)?),
            Rows::Throughput => rows.extend(rows::throughput(arguments, &graph)?),
            Rows::Memory => rows.extend(rows::memory(arguments, &graph)?),
        }
    }
    Ok(table::markdown(&rows))
}
