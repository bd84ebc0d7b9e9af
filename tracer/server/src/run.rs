//! The life of the process: open the history, listen, watch, work, stop.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use daemon::http::{self, Readiness};
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::sync::watch as flag;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::api::{self, Readers, Service};
use crate::correlate::view::View;
use crate::history::Store;
use crate::history::index::Limits;
use crate::identity::{Identities, read_tokens};
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::spans::Spans;
use crate::tls::Pair;
use crate::tracer::Tracer;
use crate::{listen, watch};

/// Works until `stop` ends.
pub async fn run(
    settings: Settings,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let (stopper, stopping) = flag::channel(false);
    let client = client(&settings).await?;
    let tls = match (&settings.tls_cert, &settings.tls_key) {
        (Some(certificate), Some(key)) => Some(Pair::open(certificate, key)?),
        _ => None,
    };
    let tracer = Arc::new(tracer(&settings)?);
    let readiness = Readiness::default();
    let service = Service {
        tracer: Arc::clone(&tracer),
        identities: Arc::new(identities(&settings, client.clone())?),
        legacy_agents: settings.legacy_agents,
        readers: Arc::new(Readers::new(settings.stream_readers as usize)),
        readiness: readiness.clone(),
        body_deadline: settings.body_deadline,
        stopping: stopping.clone(),
    };
    let listener = bind(settings.http_address).await?;
    let metrics = bind(settings.metrics_address).await?;
    tracing::info!(
        http.address = %listener.local_addr()?, metrics.address = %metrics.local_addr()?,
        kubernetes = client.is_some(), "berth-tracer-server starts"
    );
    let config = tls.clone().map(|pair| Arc::new(pair.config()));
    let connections = listen::Terms {
        tls: config,
        routes: api::routes(service),
        connections: settings.connections as usize,
        refused: tracer.metrics.refused.clone(),
        stopping: stopping.clone(),
    };
    let main = tokio::spawn(listen::serve(listener, connections));
    let mut ending = stopping.clone();
    let scraped = tokio::spawn(http::serve(
        metrics,
        readiness.clone(),
        tracer.metrics.registry.clone(),
        async move {
            // An error means that the process ends anyway.
            let _ = ending.wait_for(|stopping| *stopping).await;
        },
    ));
    let mut tasks = JoinSet::new();
    tasks.spawn(clock(Arc::clone(&tracer), settings.stream_interval, tls));
    tasks.spawn(readied(readiness, follow(&settings, &tracer, client)));
    stop.await;
    tracing::info!("berth-tracer-server stops");
    stopper.send_replace(true);
    main.await?;
    scraped.await??;
    tasks.shutdown().await;
    tracer.store.safe().await;
    let last = Arc::clone(&tracer);
    // Sending the last spans blocks.
    tokio::task::spawn_blocking(move || last.end()).await?;
    Ok(())
}

/// Watches pods and Events, and ends when the first lists of pods are there.
fn follow(
    settings: &Settings,
    tracer: &Arc<Tracer>,
    client: Option<Client>,
) -> impl Future<Output = JoinSet<()>> + Send + 'static {
    let mut watches = JoinSet::new();
    let mut lists = Vec::new();
    if let Some(client) = client {
        let mut places: Vec<Option<String>> = settings
            .watch_namespaces
            .0
            .iter()
            .cloned()
            .map(Some)
            .collect();
        if places.is_empty() {
            places.push(None);
        }
        for place in places {
            let (listed, list) = flag::channel(false);
            lists.push(list);
            watches.spawn(watch::pods(
                Arc::clone(tracer),
                client.clone(),
                place.clone(),
                listed,
            ));
            watches.spawn(watch::events(Arc::clone(tracer), client.clone(), place));
        }
    }
    async move {
        for mut list in lists {
            // The sender lives as long as its watch, which never ends.
            let _ = list.wait_for(|listed| *listed).await;
        }
        watches
    }
}

async fn readied(readiness: Readiness, listed: impl Future<Output = JoinSet<()>>) {
    let mut watches = listed.await;
    readiness.set(true);
    while watches.join_next().await.is_some() {}
    std::future::pending::<()>().await;
}

async fn clock(tracer: Arc<Tracer>, batches: Duration, tls: Option<Arc<Pair>>) {
    let ticker = |period| {
        let mut ticker = interval(period);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticker
    };
    let (mut batch, mut second, mut minute) = (
        ticker(batches),
        ticker(Duration::from_secs(1)),
        ticker(Duration::from_secs(60)),
    );
    loop {
        tokio::select! {
            _ = batch.tick() => tracer.hub.tick(Timestamp::now()),
            _ = second.tick() => tracer.tick(Timestamp::now()),
            _ = minute.tick() => {
                tracer.sweep(Timestamp::now());
                if let Some(pair) = &tls {
                    pair.refresh();
                }
            }
        }
    }
}

fn tracer(settings: &Settings) -> anyhow::Result<Tracer> {
    let history = Store::open(settings.history_folder.as_deref())?;
    let mib = settings
        .history_mib
        .unwrap_or(if settings.history_folder.is_some() {
            256
        } else {
            24
        });
    let limits = Limits {
        pulls: settings.history_pulls as usize,
        per_node: settings.history_pulls_per_node as usize,
        age: SignedDuration::try_from(settings.history_ttl)?,
        bytes: mib as usize * (1 << 20),
    };
    let spans = match &settings.otlp_endpoint {
        Some(endpoint) => Some(
            Spans::to(endpoint)
                .with_context(|| format!("failed to prepare spans for {endpoint}"))?,
        ),
        None => None,
    };
    Ok(Tracer::new(
        history,
        limits,
        View::new(&settings.agent_account).with_writers_in(settings.writer_namespace.clone()),
        Metrics::new()?,
        spans,
        Timestamp::now(),
    ))
}

fn identities(settings: &Settings, client: Option<Client>) -> anyhow::Result<Identities> {
    let nodes = match &settings.node_tokens {
        None => HashMap::new(),
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| {
                format!("failed to read the tokens of nodes at {}", path.display())
            })?;
            read_tokens(&text).map_err(|line| {
                anyhow::anyhow!(
                    "failed to read {}: line {line} is not `node token`",
                    path.display()
                )
            })?
        }
    };
    if settings.token_review && client.is_none() {
        anyhow::bail!("failed to set up token reviews: no API server is known; see --kubernetes");
    }
    let shared = settings
        .agent_token
        .clone()
        .filter(|token| !token.expose_secret().is_empty());
    if shared.is_none() && nodes.is_empty() && !settings.token_review {
        tracing::warn!(
            "anyone who reaches this server may report for any node: use --token-review, --node-tokens or --agent-token"
        );
    }
    let mut identities = Identities::default();
    identities.shared = shared;
    identities.nodes = nodes;
    identities.reviewer = client.filter(|_| settings.token_review);
    identities.agent_account.clone_from(&settings.agent_account);
    Ok(identities)
}

async fn client(settings: &Settings) -> anyhow::Result<Option<Client>> {
    if settings.kubernetes == "false" {
        return Ok(None);
    }
    match Client::try_default().await {
        Ok(client) => Ok(Some(client)),
        Err(error) if settings.kubernetes == "auto" => {
            tracing::info!(%error, "no cluster is known: pulls are shown without their pods");
            Ok(None)
        }
        Err(error) => Err(error).context("failed to find the API server"),
    }
}

async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("failed to listen at {address}"))
}
