//! The load balancer as a process of its own, for tests and figures: `load_balancer FILE`.

use std::path::PathBuf;
use std::process::ExitCode;

use provisioner::balancer::serve;

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return ExitCode::from(2);
    };
    match serve(&file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
