//! Sets the process up, crypto and logs before anything else.

use daemon::{logs, signals};

use crate::run;
use crate::settings::Settings;

/// Libraries that log what the API server sends.
const TELL_TALES: [&str; 2] = ["kube_client::client", "kube_runtime::watcher"];

/// Runs until SIGTERM.
pub fn start(settings: Settings) -> anyhow::Result<()> {
    // A provider that is there already does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let filter = TELL_TALES
        .into_iter()
        .fold(settings.log_level.clone(), logs::Filter::silence);
    logs::init(settings.log_format, filter)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Lists are read and written there; each thread has memory of its own.
        .max_blocking_threads(4)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stop = signals::shutdown()?;
        run::run(settings, stop).await
    })
}
