//! `node-writer`: keeps registries.yaml of its node equal to the mounted revision, and says what it changed without
//! ever showing a secret.
//!
//! ```text
//! settings -> run | once -> converge -> story (log) -> node_files::carry_out
//!                  status -> one line                             |
//!                            termination message <- failure ------'
//! ```

mod contest;
mod converge;
mod failure;
mod report;
mod run;
mod settings;
mod status;
mod story;
mod watch;

use std::process::ExitCode;

use crate::settings::{Command, Settings};

fn main() -> ExitCode {
    let settings = match Settings::from_command_line() {
        Ok(settings) => settings,
        Err(usage) => return usage.explain(),
    };
    let outcome = match settings.command {
        Command::Status => return status::print(&settings),
        Command::Run => run::run(&settings),
        Command::Once => run::once(&settings),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::report(&settings, &failure);
            ExitCode::FAILURE
        }
    }
}
