//! From settings to a gateway that answers, and back.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use daemon::http::Readiness;
use daemon::{logs, signals};
use tokio::net::TcpListener;

use crate::access::{Access, Peers, Push, Users};
use crate::http::Gateway;
use crate::metrics::Metrics;
use crate::mirror::{EngineMirror, MirrorSettings};
use crate::serve;
use crate::settings::{Clients, PushMode, Settings};
use crate::store::Store;

/// How often uploads are looked for that nobody goes on with.
const PURGE_EVERY: Duration = Duration::from_secs(300);

/// Runs until SIGTERM.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    // A provider that is there already does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    logs::init(settings.log_format, settings.log_level.clone())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(64)
        .enable_all()
        .build()?;
    runtime.block_on(answer_until_stopped(settings))
}

async fn answer_until_stopped(settings: Settings) -> anyhow::Result<()> {
    let stop = signals::shutdown()?;
    let tls = match (&settings.tls_cert, &settings.tls_key) {
        (Some(certificate), Some(key)) => Some(serve::acceptor(certificate, key)?),
        _ => None,
    };
    let gateway = Arc::new(gateway(&settings).await?);
    let address = settings.address();
    let listener = listen(address)
        .await
        .with_context(|| format!("failed to listen at {address}"))?;
    tracing::info!(address = %listener.local_addr()?, tls = tls.is_some(), "the registry answers");
    gateway.readiness.set(true);
    let purging = tokio::spawn(purge(gateway.store.clone()));
    let leaving = gateway.clone();
    let stop = async move {
        stop.await;
        leaving.readiness.set(false);
        tracing::info!("told to stop; answers that were begun are finished");
    };
    serve::serve(gateway, listener, tls, settings.patience(), stop).await;
    purging.abort();
    Ok(())
}

/// Everything that answers are made of. Nothing of it waits for the Engine.
async fn gateway(settings: &Settings) -> anyhow::Result<Gateway> {
    let registries = settings.registries().map_err(|error| anyhow!(error))?;
    let push = match (settings.push, &settings.htpasswd) {
        (PushMode::Off, _) => Push::Off,
        (PushMode::Local, _) => Push::Local,
        (PushMode::Htpasswd, file) => Push::Users(users(file.as_deref()).await?),
    };
    let access = Access {
        push,
        clients_are_local: settings.clients == Clients::Local,
        peers: Peers::OfInterfaces,
    };
    let store = Store::open(&settings.store, settings.store_limits()).await?;
    // Registries that are asked directly are behind the same proxy as Amazon's services.
    let aws = ecr::Environment::of_process();
    let mirror = MirrorSettings {
        proxy: aws.https_proxy.clone(),
        no_proxy: aws.no_proxy.clone(),
        ..settings.mirror()
    };
    let docker = docker::Environment::of_process();
    let credentials = ecr::Sources::new(aws, docker.clone());
    let mirror = EngineMirror::new(mirror, store.clone(), docker, credentials)?;
    Ok(Gateway {
        store,
        mirror: Arc::new(mirror),
        access,
        registries,
        limits: settings.limits(),
        metrics: Metrics::new()?,
        readiness: Readiness::default(),
    })
}

async fn users(file: Option<&Path>) -> anyhow::Result<Users> {
    let file = file.context("--push htpasswd needs --htpasswd")?;
    let text = tokio::fs::read_to_string(file)
        .await
        .with_context(|| format!("failed to read the htpasswd file {}", file.display()))?;
    Users::parse(&text).with_context(|| format!("failed to use {}", file.display()))
}

/// Everywhere means IPv4 as well, also where the system has no IPv6.
async fn listen(address: std::net::SocketAddr) -> std::io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(_) if address.is_ipv6() && address.ip().is_unspecified() => {
            TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

async fn purge(store: Store) {
    loop {
        tokio::time::sleep(PURGE_EVERY).await;
        let dropped = store.purge_uploads().await;
        if dropped > 0 {
            tracing::info!(dropped, "uploads that nobody went on with were dropped");
        }
    }
}
