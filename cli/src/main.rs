//! `berth`: registries.yaml offline.

use std::process::ExitCode;

fn main() -> ExitCode {
    berth_cli::run()
}
