//! `berth-gateway`: an OCI registry that answers from the host's Docker Engine.

use std::process::ExitCode;

use berth_gateway::run;
use berth_gateway::settings::Settings;

fn main() -> ExitCode {
    let settings = Settings::read(std::env::args()).unwrap_or_else(|error| error.exit());
    match run::run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "berth-gateway failed");
            ExitCode::FAILURE
        }
    }
}
