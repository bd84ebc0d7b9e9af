//! The way into a cluster: its kubeconfig, read from a server and put into the user's files.

use std::time::{Duration, Instant};

use docker::Engine;

use super::{Failure, Runner};
use crate::kubeconfig::{ClusterKubeconfig, MergeOptions};
use crate::lock::Lock;
use crate::names;
use crate::observed::Container;
use crate::step::Effect;

/// A server that has not written it by then has other troubles.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// The kubeconfig of a cluster, as it works from outside. The server need not run.
pub async fn access(
    engine: &Engine,
    cluster: &str,
    server: &str,
) -> Result<ClusterKubeconfig, Failure> {
    let path = names::KUBECONFIG_PATH;
    let other = |text: String| Failure::Other(text);
    let container = Container::of(engine.inspect(server).await?)
        .ok_or_else(|| other(format!("container {server} is not one of ours")))?;
    let label = |key: &str| container.label(key).unwrap_or_default();
    let host = match label(names::LABEL_API_HOST) {
        "" => "0.0.0.0",
        host => host,
    };
    let port = label(names::LABEL_API_PORT).parse().map_err(|_| {
        let key = names::LABEL_API_PORT;
        other(format!(
            "{server} has no port in its label {key}; create the cluster anew"
        ))
    })?;
    let text = engine.get_file(server, path).await?.ok_or_else(|| {
        other(format!(
            "{server} has no {path} yet; start the cluster and try again"
        ))
    })?;
    let text = String::from_utf8_lossy(&text);
    let origin = format!("{path} of {server}");
    ClusterKubeconfig::of_node(&text, cluster, host, port, &origin)
        .map_err(|error| other(error.to_string()))
}

impl Runner<'_> {
    /// The cluster is there and works: a kubeconfig that cannot be written is no reason to take it down.
    pub(super) async fn merge_kubeconfig(
        &self,
        cluster: &str,
        server: &str,
        switch: bool,
    ) -> Effect {
        match self.merge(cluster, server, switch).await {
            Ok(()) => Effect::Made,
            Err(failure) => {
                self.reporter.warn(failure.to_string());
                Effect::Found
            }
        }
    }

    async fn merge(&self, cluster: &str, server: &str, switch: bool) -> Result<(), Failure> {
        self.wait_for_kubeconfig(server).await?;
        let kubeconfig = access(self.engine, cluster, server).await?;
        let store = self.settings.kubeconfigs.clone();
        let options = MergeOptions {
            switch,
            ..MergeOptions::default()
        };
        // Another program may hold the lock for a while.
        let merged = tokio::task::spawn_blocking(move || store.merge(&kubeconfig, options)).await;
        match merged {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Failure::Other(error.to_string())),
            Err(error) => Err(Failure::Other(error.to_string())),
        }
    }

    /// k3s writes it early; whoever did not wait for the cluster waits for this at least.
    async fn wait_for_kubeconfig(&self, server: &str) -> Result<(), Failure> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if self
                .engine
                .get_file(server, names::KUBECONFIG_PATH)
                .await?
                .is_some()
            {
                return Ok(());
            }
            let container = Container::of(self.engine.inspect(server).await?);
            if !container.is_some_and(|container| container.is_running()) {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.halt.cancelled() => return Err(Failure::Cancelled),
            }
        }
        Ok(())
    }

    pub(super) async fn remove_kubeconfig(&self, cluster: &str) {
        let store = self.settings.kubeconfigs.clone();
        let folders = self.settings.folders.clone();
        let cluster = cluster.to_owned();
        // What a creation that was killed left; one that is under way keeps it.
        drop(Lock::take(folders.lock("cluster", &cluster)));
        let removed = tokio::task::spawn_blocking(move || {
            let entries = store.remove(&cluster).map(drop);
            entries.and(folders.remove_cluster_files(&cluster).map(drop))
        });
        match removed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.reporter.warn(error.to_string()),
            Err(error) => self.reporter.warn(error.to_string()),
        }
    }
}
