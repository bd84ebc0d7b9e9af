//! Carries steps out, and undoes them in reverse when one fails or the user has had enough.

mod access;
mod balancer_images;
mod files;
mod networks;
mod nodes;
mod perform;
mod ready;
mod report;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use docker::{Engine, Facts};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub use access::access;
pub use networks::facts_of;
pub use report::{Event, Reporter};

use crate::kubeconfig::{Folders, Store};
use crate::payload::NetworkFacts;
use crate::step::{Effect, Step, undo};

/// Why a step could not be carried out.
#[derive(Debug, Error)]
pub enum Failure {
    #[error(transparent)]
    Engine(#[from] docker::Error),
    #[error("{0}")]
    Other(String),
    #[error("stopped by the user")]
    Cancelled,
    #[error("not done within {} s; give more time with --timeout", .0.as_secs())]
    TimedOut(Duration),
}

/// What the runner takes from the command line and the environment.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// Steps at the same time.
    pub parallel: usize,
    pub fixes: crate::entrypoint::Fixes,
    /// Where kubeconfigs and files of nodes stand.
    pub folders: Folders,
    /// The default kubeconfigs, in the order of `$KUBECONFIG`.
    pub kubeconfigs: Store,
    /// The program whose image load balancers run: this one.
    pub program: PathBuf,
    /// How often a node may end and start again while it is waited for.
    pub restarts: usize,
    pub timeout: Option<Duration>,
    /// Where the credentials of `docker login` are found.
    pub environment: docker::Environment,
}

/// Carries out one plan.
pub struct Runner<'a> {
    pub engine: &'a Engine,
    pub facts: &'a Facts,
    pub settings: &'a RunSettings,
    pub reporter: &'a dyn Reporter,
    pub cancel: CancellationToken,
    /// Ends every wait: the user has had enough, or another step failed.
    pub(crate) halt: CancellationToken,
    network: Mutex<Option<NetworkFacts>>,
    done: Mutex<Vec<(Step, Effect)>>,
}

impl<'a> Runner<'a> {
    pub fn new(
        engine: &'a Engine,
        facts: &'a Facts,
        settings: &'a RunSettings,
        reporter: &'a dyn Reporter,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            engine,
            facts,
            settings,
            reporter,
            halt: cancel.child_token(),
            cancel,
            network: Mutex::new(None),
            done: Mutex::new(Vec::new()),
        }
    }

    /// What is known of the network of a cluster that is there already.
    pub fn knows_network(&self, network: NetworkFacts) {
        *self.network.lock().unwrap_or_else(PoisonError::into_inner) = Some(network);
    }

    pub(crate) fn network(&self) -> Option<NetworkFacts> {
        let network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        network.clone()
    }

    /// All steps in order. What was done before a failure stays until [`Runner::roll_back`].
    pub async fn run(&self, steps: &[Step]) -> Result<(), Failure> {
        let work = async {
            for step in steps {
                self.run_step(step).await?;
            }
            Ok(())
        };
        let Some(limit) = self.settings.timeout else {
            return work.await;
        };
        tokio::pin!(work);
        tokio::select! {
            result = &mut work => result,
            () = tokio::time::sleep(limit) => {
                // What is under way ends by itself, so that nothing is made that nobody knows of.
                self.halt.cancel();
                match work.await {
                    Err(Failure::Cancelled) | Ok(()) => Err(Failure::TimedOut(limit)),
                    Err(failure) => Err(failure),
                }
            }
        }
    }

    fn run_step<'b>(&'b self, step: &'b Step) -> BoxFuture<'b, Result<(), Failure>> {
        Box::pin(async move {
            if self.halt.is_cancelled() {
                return Err(Failure::Cancelled);
            }
            if let Step::Together(steps) = step {
                return self.run_together(steps).await;
            }
            self.reporter.debug(step.describe());
            let effect = self.perform(step).await?;
            self.done
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((step.clone(), effect));
            Ok(())
        })
    }

    /// After a failure nothing new begins, waits end, and what is under way comes to its end.
    async fn run_together(&self, steps: &[Step]) -> Result<(), Failure> {
        let all: Vec<_> = steps.iter().map(|step| self.run_step(step)).collect();
        let mut results = stream::iter(all).buffer_unordered(self.settings.parallel.max(1));
        let mut first = None;
        while let Some(result) = results.next().await {
            if let Err(failure) = result {
                self.halt.cancel();
                first.get_or_insert(failure);
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Takes back what was done, the newest first. What cannot be taken back is told.
    pub async fn roll_back(&self) {
        let done = std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner));
        for (step, effect) in done.into_iter().rev() {
            let Some(step) = undo(&step, effect) else {
                continue;
            };
            self.reporter
                .debug(format!("roll back: {}", step.describe()));
            if let Err(failure) = self.perform(&step).await {
                let what = step.describe();
                self.reporter.warn(format!("failed to {what}: {failure}"));
            }
        }
    }
}
