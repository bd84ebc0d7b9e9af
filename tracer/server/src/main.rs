//! `berth-tracer-server`: takes what agents report, and answers people, pages and Prometheus.

use std::process::ExitCode;

use tracer_server::process;
use tracer_server::settings::Settings;

fn main() -> ExitCode {
    match process::start(Settings::read()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %format!("{error:#}"), "berth-tracer-server failed");
            ExitCode::FAILURE
        }
    }
}
