//! Sets the process up, crypto and logs before anything else, and starts what the command line asks for.

use daemon::{logs, signals};
use kube::Client;

use crate::settings::{Command, Settings};
use crate::{run, uninstall};

/// Libraries that log what the API server sends, Secrets included, when they cannot read it.
pub(crate) const TELL_TALES: [&str; 2] = ["kube_client::client", "kube_runtime::watcher"];

/// Runs until the work is done, or until SIGTERM.
pub(crate) fn start(settings: Settings) -> anyhow::Result<()> {
    // A provider that is there already does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    logs::init(
        settings.shared.log_format,
        safe(settings.shared.log_level.clone()),
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Documents are checked there; each thread has memory of its own.
        .max_blocking_threads(4)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stop = signals::shutdown()?;
        let client = Client::try_default().await?;
        match settings.command {
            Command::Run(run) => run::run(client, settings.shared, *run, stop).await,
            Command::Uninstall(settings_of) => {
                tokio::select! {
                    () = stop => anyhow::bail!("failed to uninstall: told to stop"),
                    done = uninstall::run(client, &settings.shared, &settings_of) => Ok(done?),
                }
            }
        }
    })
}

fn safe(filter: logs::Filter) -> logs::Filter {
    TELL_TALES.into_iter().fold(filter, logs::Filter::silence)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn libraries_that_log_contents_are_silent_at_every_level() {
        let filter = safe("trace,kube_client=trace".parse().unwrap());
        for target in TELL_TALES {
            assert!(!filter.passes(target, Level::ERROR), "{target}");
        }
        assert!(filter.passes("berth_operator::reconcile", Level::TRACE));
    }
}
