//! One of several replicas works: whoever holds the Lease. It is given back at once when the operator stops.

use std::future::Future;
use std::time::Duration;

use kube::Client;
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::settings::Lease;

/// Giving the Lease back must not keep the process alive when the server does not answer.
const RELEASE: Duration = Duration::from_secs(3);

/// The part in the election of this process.
pub(crate) struct Leadership {
    held: watch::Receiver<bool>,
    task: JoinHandle<Result<LeaseManager, LeaseManagerError>>,
}

impl Leadership {
    /// Takes part from now on.
    pub(crate) async fn seek(
        client: Client,
        namespace: &str,
        lease: &Lease,
    ) -> Result<Self, LeaseManagerError> {
        let manager = LeaseManagerBuilder::new(client, lease.name.clone())
            .with_namespace(namespace)
            .with_identity(lease.identity.clone())
            .with_duration(lease.seconds)
            .with_grace((lease.seconds / 3).max(1))
            .build()
            .await?;
        let (held, task) = manager.watch().await;
        Ok(Self { held, task })
    }

    /// Ends when this process holds the Lease.
    pub(crate) async fn won(&mut self) {
        if self.held.wait_for(|held| *held).await.is_err() {
            // The election is over without us; whoever waits is stopped by the signal.
            std::future::pending::<()>().await;
        }
    }

    /// Ends when this process no longer holds the Lease.
    pub(crate) fn lost(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let mut held = self.held.clone();
        async move {
            // An error means that the election ended, which is a loss as well.
            let _ = held.wait_for(|held| !*held).await;
        }
    }

    /// Gives the Lease back.
    pub(crate) async fn give_back(self) {
        // The manager releases the Lease when nobody listens any more.
        drop(self.held);
        if let Ok(Ok(Ok(_))) = tokio::time::timeout(RELEASE, self.task).await {
            tracing::info!("gave the Lease back");
        } else {
            tracing::warn!("failed to give the Lease back, it ends by itself");
        }
    }
}
