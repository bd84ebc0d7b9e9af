//! One of several replicas works: whoever holds the Lease. It is given back at once when the operator stops.
//!
//! Every write says which version of the Lease it changes, so of two replicas one is refused; `election` decides.

use std::future::Future;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout};

use crate::election::{Candidate, Step, given_back};
use crate::error::describe;
use crate::settings;

/// How soon a replica looks again: while it waits, and after a failure. This is how long a hand-over takes.
const LOOK: Duration = Duration::from_secs(1);
/// Giving the Lease back must not keep the process alive when the server does not answer.
const RELEASE: Duration = Duration::from_secs(5);

/// The part in the election of this process.
pub(crate) struct Leadership {
    held: watch::Receiver<bool>,
    resign: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Leadership {
    /// Takes part from now on.
    pub(crate) fn seek(client: Client, namespace: &str, lease: &settings::Lease) -> Self {
        let (sender, held) = watch::channel(false);
        let (resign, resigned) = oneshot::channel();
        let seat = Seat {
            api: Api::namespaced(client, namespace),
            name: lease.name.clone(),
            candidate: Candidate::new(&lease.identity, Duration::from_secs(lease.seconds)),
        };
        let task = tokio::spawn(seat.run(sender, resigned));
        Self { held, resign, task }
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

    /// Gives the Lease back, if this process holds it.
    pub(crate) async fn give_back(self) {
        // Nobody listens when the election ended before.
        let _ = self.resign.send(());
        if timeout(RELEASE, self.task).await.is_err() {
            tracing::warn!("failed to give the Lease back in time, it ends by itself");
        }
    }
}

struct Seat {
    api: Api<Lease>,
    name: String,
    candidate: Candidate,
}

impl Seat {
    /// Takes the Lease when it is free and keeps it, until it is lost or `resigned` says so.
    async fn run(mut self, held: watch::Sender<bool>, mut resigned: oneshot::Receiver<()>) {
        // When the Lease was last ours for certain.
        let mut ours: Option<Instant> = None;
        let mut failing = false;
        loop {
            let now = Instant::now();
            let left_over = ours.map_or(self.candidate.renewal(), |ours| {
                (ours + self.candidate.confidence()).saturating_duration_since(now)
            });
            let patience = left_over.min(self.candidate.renewal());
            let looked = tokio::select! {
                _ = &mut resigned => break,
                looked = timeout(patience, self.look(now)) => looked,
            };
            let pause = match looked {
                Ok(Ok(true)) => {
                    failing = false;
                    ours = Some(now);
                    held.send_replace(true);
                    self.candidate.renewal()
                }
                Ok(Ok(false)) if ours.is_some() => {
                    tracing::error!("another replica has the Lease");
                    return;
                }
                Ok(Ok(false)) => {
                    failing = false;
                    LOOK
                }
                // Somebody else wrote first: the next look shows who.
                Ok(Err(kube::Error::Api(status))) if status.is_conflict() => LOOK,
                failed => {
                    if !std::mem::replace(&mut failing, true) {
                        let error = failed.map_or_else(
                            |_| "no answer in time".to_owned(),
                            |looked| looked.err().as_ref().map(describe).unwrap_or_default(),
                        );
                        tracing::warn!(lease.name = %self.name, %error, "failed to look after the Lease, trying again");
                    }
                    LOOK
                }
            };
            // A holder that cannot say that it is alive stops before another one starts.
            if ours.is_some_and(|ours| ours.elapsed() >= self.candidate.confidence()) {
                tracing::error!("failed to renew the Lease in time");
                return;
            }
            if timeout(pause, &mut resigned).await.is_ok() {
                break;
            }
        }
        // A request that was cut off may have taken it, so the Lease is asked and not `ours`.
        match self.release().await {
            Ok(true) => tracing::info!("gave the Lease back"),
            Ok(false) => {}
            Err(error) => {
                let error = describe(&error);
                tracing::warn!(%error, "failed to give the Lease back, it ends by itself");
            }
        }
    }

    /// Looks once, takes or renews the Lease if it is to be had, and tells whether it is ours now.
    async fn look(&mut self, now: Instant) -> Result<bool, kube::Error> {
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            return self.create().await;
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let wanted = match self.candidate.step(&spec, now) {
            Step::Wait => return Ok(false),
            Step::Take => self.candidate.taken(&spec, Timestamp::now()),
            Step::Renew => self.candidate.renewed(&spec, Timestamp::now()),
        };
        self.replace(lease, wanted).await.map(|()| true)
    }

    async fn create(&self) -> Result<bool, kube::Error> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(
                self.candidate
                    .taken(&LeaseSpec::default(), Timestamp::now()),
            ),
        };
        self.api.create(&PostParams::default(), &lease).await?;
        Ok(true)
    }

    async fn release(&self) -> Result<bool, kube::Error> {
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            return Ok(false);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        if !self.candidate.holds(&spec) {
            return Ok(false);
        }
        self.replace(lease, given_back(&spec)).await.map(|()| true)
    }

    async fn replace(&self, lease: Lease, spec: LeaseSpec) -> Result<(), kube::Error> {
        let lease = Lease {
            spec: Some(spec),
            ..lease
        };
        let parameters = PostParams::default();
        self.api.replace(&self.name, &parameters, &lease).await?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "leader_tests.rs"]
mod tests;
