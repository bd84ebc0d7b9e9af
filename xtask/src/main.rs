//! `cargo xtask generate [--check]`: writes, or compares, everything in this repository that is generated.

mod drift;
mod generated;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write every generated file.
    Generate {
        /// Write nothing; fail when a file is not what would be written.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let Task::Generate { check } = Arguments::parse().task;
    let files = generated::all()?;
    let root = drift::root()?;
    if !check {
        drift::write(&root, &files)?;
        return Ok(ExitCode::SUCCESS);
    }
    let stale = drift::stale(&root, &files)?;
    drift::report(&stale)?;
    Ok(if stale.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
