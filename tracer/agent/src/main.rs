//! `berth-tracer-agent`: watches the container runtime of its node and reports what every image pull does.

use std::process::ExitCode;

use tracer_agent::settings::Settings;

fn main() -> ExitCode {
    let settings = match Settings::from_command_line() {
        Ok(settings) => settings,
        Err(usage) => {
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    match start(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(settings: Settings) -> anyhow::Result<()> {
    daemon::logs::init(settings.log_format, settings.log_level.clone())?;
    // One thread is enough, and the smallest.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build()?;
    runtime.block_on(tracer_agent::run::run(settings))
}
