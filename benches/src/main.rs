//! Measures what docs/performance.md states, each figure beside its peer or limit in the same run.

mod agent;
mod balancer;
mod clusters;
mod document;
mod gateway;
mod node_writer;
mod operator;
mod samples;
mod tracer;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "berth-bench", about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Parse, lint and render a file of 1,000 mirrors.
    Document,
    /// Start of the node-writer to file written, idle memory and size.
    NodeWriter {
        /// The release binary.
        #[arg(
            long,
            default_value = "target/x86_64-unknown-linux-gnu/release/node-writer"
        )]
        binary: PathBuf,
        /// Folder on a disk; the comparison writes there too.
        #[arg(long, default_value = "target")]
        disk: PathBuf,
    },
    /// The peer of the node-writer, as a process.
    #[command(hide = true)]
    BareWrite { root: PathBuf },
    /// Creating, listing and filling clusters; needs Docker and the image that nodes run.
    Clusters(clusters::Arguments),
    /// Connections through the load balancer beside direct ones.
    Balancer,
    /// The load balancer, as a process.
    #[command(hide = true)]
    Balance { file: PathBuf },
    /// The gateway beside docker-registry and `docker save`; needs Docker.
    Gateway(gateway::Arguments),
    /// The tracer's server with 2,000 nodes, 1,000 readers and 100,000 pulls.
    Tracer(tracer::Arguments),
    /// The tracer's agent beside a containerd that is idle, then pulls; needs what tests/env brings up.
    Agent(agent::Arguments),
    /// A change to Secret and DaemonSet, 1,000 resources, memory; needs what tests/env brings up.
    Operator {
        /// The release binary.
        #[arg(
            long,
            default_value = "target/x86_64-unknown-linux-gnu/release/berth-operator"
        )]
        binary: PathBuf,
    },
}

#[expect(clippy::print_stdout, reason = "the table is the result")]
fn main() -> Result<()> {
    let table = match Arguments::parse().command {
        Command::Document => document::measure()?,
        Command::NodeWriter { binary, disk } => node_writer::measure(&binary, &disk)?,
        Command::BareWrite { root } => return node_writer::bare_write(&root),
        Command::Clusters(arguments) => clusters::measure(&arguments)?,
        Command::Balancer => balancer::measure()?,
        Command::Balance { file } => return balancer::balance(&file),
        Command::Gateway(arguments) => gateway::measure(&arguments)?,
        Command::Tracer(arguments) => tracer::measure(&arguments)?,
        Command::Agent(arguments) => agent::measure(&arguments)?,
        Command::Operator { binary } => operator::measure(&binary)?,
    };
    println!("{table}");
    Ok(())
}
