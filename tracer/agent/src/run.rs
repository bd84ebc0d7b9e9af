//! Puts the parts together: one watch, a reporter per server, probes.

use anyhow::Context as _;
use daemon::http::{Readiness, serve};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Duration, timeout};

use crate::discover;
use crate::health::Metrics;
use crate::reporter::{Present, Shared};
use crate::servers::Servers;
use crate::settings::Settings;
use crate::watch::{Watch, unreachable_runtime};

/// How long a last report may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// Works until it is told to stop.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let stop = daemon::signals::shutdown().context("failed to prepare for signals")?;
    let registry = Registry::new();
    let metrics = Metrics::new(&registry).context("failed to register metrics")?;
    let readiness = Readiness::default();
    let (stop_probes, stopped) = oneshot::channel::<()>();
    if let Some(address) = settings.http_address.0 {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("failed to listen on {address}; choose another --http-address")
        })?;
        let address = listener
            .local_addr()
            .context("failed to read the address of the probes")?;
        tracing::info!(http.address = %address, "probes and metrics answer");
        tokio::spawn(serve(listener, readiness.clone(), registry, async {
            let _ = stopped.await;
        }));
    }

    let (present, _) = watch::channel(Present {
        active: Vec::new(),
        runtime: unreachable_runtime(),
    });
    let mut senders = Vec::new();
    let mut reporters = Vec::new();
    for target in settings.targets() {
        let (sender, finished) = mpsc::unbounded_channel();
        senders.push(sender);
        let shared = Shared {
            target,
            node_name: settings.node_name.clone(),
            boot_id: boot_id()?,
            interval: settings.report_interval,
            present: present.subscribe(),
            metrics: metrics.clone(),
        };
        reporters.push(tokio::spawn(Servers::new(shared, finished).run()));
    }
    let host_prefix = settings.host_prefix.clone();
    let watch = Watch {
        candidates: discover::candidates(
            settings.runtime,
            settings.socket.as_deref(),
            &host_prefix,
        ),
        host_prefix,
        certs_d: settings.certs_d,
        namespaces: settings.namespaces,
        present,
        finished: senders,
        metrics,
        readiness,
    };
    tokio::select! {
        () = watch.run() => {}
        () = stop => tracing::info!("stopping"),
    }
    // The watch is gone, so each reporter sends what it has and ends.
    let farewell = async {
        for reporter in reporters {
            let _ = reporter.await;
        }
    };
    if timeout(FAREWELL, farewell).await.is_err() {
        tracing::warn!("the last report did not arrive in time");
    }
    drop(stop_probes);
    Ok(())
}

/// One run of an agent, told apart from every other.
fn boot_id() -> anyhow::Result<String> {
    let (high, low) = (getrandom::u64(), getrandom::u64());
    let (high, low) = (
        high.context("failed to draw a boot id")?,
        low.context("failed to draw a boot id")?,
    );
    Ok(format!("{high:016x}{low:016x}"))
}
