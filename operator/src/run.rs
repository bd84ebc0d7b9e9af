//! The life of the process: find the server, wait for the CRD, win the Lease, work, give everything back.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use api::{RegistryConfig, names};
use daemon::http::{self, Readiness};
use futures::FutureExt;
use futures::channel::mpsc;
use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ListParams};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::apply::Writer;
use crate::caches::Caches;
use crate::error::describe;
use crate::leader::Leadership;
use crate::metrics::Metrics;
use crate::reconcile::Reconciler;
use crate::resolve::Reader;
use crate::settings::{Run, Shared};
use crate::{controller, manifests, revision_key};

/// How long to wait before asking again for a server or a CRD that is not there yet.
const PATIENCE: Duration = Duration::from_secs(3);

/// Works until `stop` ends, or fails.
pub(crate) async fn run(
    client: Client,
    shared: Shared,
    settings: Run,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let stop = stop.shared();
    let started = Timestamp::now();
    let metrics = Metrics::new()?;
    let readiness = Readiness::default();
    let listener = TcpListener::bind(settings.http_address).await?;
    tracing::info!(http.address = %listener.local_addr()?, namespace = %shared.namespace, "berth-operator starts");
    let server = tokio::spawn(http::serve(
        listener,
        readiness.clone(),
        metrics.registry.clone(),
        stop.clone(),
    ));
    work(
        client,
        shared,
        settings,
        metrics,
        readiness,
        started,
        stop.clone(),
    )
    .await?;
    tracing::info!("berth-operator stops");
    server.await??;
    Ok(())
}

async fn work(
    client: Client,
    shared: Shared,
    settings: Run,
    metrics: Metrics,
    readiness: Readiness,
    started: Timestamp,
    stop: impl Future<Output = ()> + Clone + Send + Sync + 'static,
) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.clone() => return Ok(()),
        () = wait_for_crd(&client) => readiness.set(true),
    }
    let grace = Duration::from_secs(settings.lease.seconds) / 3;
    if !settings.lease.enabled {
        let work = lead(client, shared, settings, metrics, started, stop.clone());
        return within(grace, stop, work).await;
    }
    let mut leadership = Leadership::seek(client.clone(), &shared.namespace, &settings.lease);
    tokio::select! {
        () = stop.clone() => {
            leadership.give_back().await;
            return Ok(());
        }
        () = leadership.won() => {}
    }
    let lost = leadership.lost().shared();
    let stop_or_lost = futures::future::select(Box::pin(stop), Box::pin(lost.clone()))
        .map(|_| ())
        .shared();
    let work = lead(
        client,
        shared,
        settings,
        metrics,
        started,
        stop_or_lost.clone(),
    );
    let result = within(grace, stop_or_lost, work).await;
    let is_lost = lost.peek().is_some();
    leadership.give_back().await;
    // Another replica works now: starting over is the one way not to work on old knowledge.
    if is_lost {
        anyhow::bail!("failed to keep the Lease");
    }
    result
}

/// Reconciles that are under way when the end comes are finished, but not for longer than others wait for the Lease.
async fn within(
    grace: Duration,
    end: impl Future<Output = ()>,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let overdue = end.then(|()| tokio::time::sleep(grace));
    tokio::select! {
        result = work => result,
        () = overdue => {
            tracing::warn!("work under way was given up: the next leader does it anew");
            Ok(())
        }
    }
}

/// Does the work, as the only one.
async fn lead(
    client: Client,
    shared: Shared,
    settings: Run,
    metrics: Metrics,
    started: Timestamp,
    stop: impl Future<Output = ()> + Clone + Send + Sync + 'static,
) -> anyhow::Result<()> {
    tracing::info!(identity = %settings.lease.identity, "this replica does the work");
    metrics.leads(true);
    let namespace = shared.namespace;
    let key = revision_key::ensure(&client, &namespace, &settings.key_secret).await?;
    let caches = Caches::default();
    let (wake, wakes) = mpsc::unbounded();
    let notify = Arc::new(Notify::new());
    let chart = shared
        .chart_manifests
        .as_deref()
        .map(|name| (name, Arc::clone(&notify)));
    let mut watches = caches.follow(&client, &namespace, chart, &wake);
    tokio::select! {
        () = stop.clone() => return Ok(()),
        () = caches.wait_until_listed() => {}
    }
    if let Some(name) = shared.chart_manifests {
        watches.spawn(manifests::follow(
            client.clone(),
            namespace.clone(),
            name,
            notify,
        ));
    }
    let (configs, store) = caches.configs(&client, wake);
    let reconciler = Arc::new(Reconciler {
        reader: Reader::new(client.clone(), namespace.clone()),
        writer: Writer::new(client, namespace.clone()),
        caches,
        metrics,
        settings,
        namespace,
        key,
        started,
    });
    controller::run(reconciler, configs, store, wakes, stop).await;
    watches.shutdown().await;
    Ok(())
}

async fn wait_for_crd(client: &Client) {
    let api: Api<RegistryConfig> = Api::all(client.clone());
    loop {
        match api.list_metadata(&ListParams::default().limit(1)).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.is_not_found() => tracing::warn!(
                "waiting for the CRD {}: install it with the chart or with kubectl apply -f crds/",
                names::CRD
            ),
            Err(error) => tracing::warn!(error = %describe(&error), "waiting for the API server"),
        }
        tokio::time::sleep(PATIENCE).await;
    }
}
