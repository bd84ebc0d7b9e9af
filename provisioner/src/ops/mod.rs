//! The commands: each looks at what is there, plans, and carries the plan out.

mod apply;
mod clusters;
mod connect;
mod nodes;
mod registries;

use std::sync::Arc;
use std::time::Duration;

pub use apply::Applying;
pub use connect::user_files;
use docker::{Engine, Facts};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::lock::Lock;
use crate::names;
use crate::observed::{self, Cluster, Container};
use crate::payload::NetworkFacts;
use crate::plan::{Refusal, Surroundings};
use crate::run::{self, Failure, Reporter, RunSettings, Runner};
use crate::step::{self, Step};

/// Why a command could not be carried out.
#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Engine(#[from] docker::Error),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("No nodes found for given cluster '{name}'; {known}")]
    NoCluster { name: String, known: String },
    #[error("Didn't find container for node '{name}'; {known}")]
    NoNode { name: String, known: String },
    #[error("{0}")]
    Other(String),
}

/// What is about to be done.
#[derive(Debug)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// The network of a cluster that is there already.
    pub network: Option<NetworkFacts>,
    /// Whether a failure is undone.
    pub rolls_back: bool,
    pub timeout: Option<Duration>,
    /// Held while the plan is carried out, so that nobody else makes the same thing.
    #[expect(dead_code, reason = "dropping it gives the lock back")]
    lock: Option<Lock>,
}

impl Plan {
    fn new(steps: Vec<Step>) -> Self {
        Self {
            steps,
            network: None,
            rolls_back: false,
            timeout: None,
            lock: None,
        }
    }

    /// As `--dry-run` prints it.
    pub fn listing(&self) -> String {
        step::listing(&self.steps)
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// How a plan that failed was left.
#[derive(Debug, Error)]
#[error("{failure}")]
pub struct Unfinished {
    #[source]
    pub failure: Failure,
    pub rolled_back: bool,
}

/// An Engine, and what plans and runs take from this machine.
#[derive(Clone)]
pub struct Provisioner {
    pub engine: Engine,
    pub facts: Arc<Facts>,
    pub settings: RunSettings,
    pub around: Surroundings,
    pub reporter: Arc<dyn Reporter>,
    /// Ends what is under way, and begins its roll-back.
    pub cancel: CancellationToken,
}

impl Provisioner {
    /// Carries the plan out, and undoes it when it fails and should be undone.
    pub async fn run(&self, plan: &Plan) -> Result<(), Unfinished> {
        let mut settings = self.settings.clone();
        settings.timeout = plan.timeout;
        let runner = Runner::new(
            &self.engine,
            &self.facts,
            &settings,
            &*self.reporter,
            self.cancel.clone(),
        );
        if let Some(network) = &plan.network {
            runner.knows_network(network.clone());
        }
        let Err(failure) = runner.run(&plan.steps).await else {
            return Ok(());
        };
        if plan.rolls_back {
            Box::pin(runner.roll_back()).await;
        }
        Err(Unfinished {
            failure,
            rolled_back: plan.rolls_back,
        })
    }

    /// Every container of both tools.
    pub async fn containers(&self) -> Result<Vec<Container>, Error> {
        let label = format!("{}={}", names::LABEL_APP, names::APP);
        let found = self.engine.containers(&[&label]).await?;
        Ok(found.into_iter().filter_map(Container::of).collect())
    }

    pub async fn clusters(&self) -> Result<Vec<Cluster>, Error> {
        Ok(observed::clusters(self.containers().await?))
    }

    pub async fn cluster(&self, name: &str) -> Result<Cluster, Error> {
        let mut clusters = self.clusters().await?;
        match clusters.iter().position(|cluster| cluster.name == name) {
            Some(index) => Ok(clusters.swap_remove(index)),
            None => Err(Error::NoCluster {
                name: name.to_owned(),
                known: known(
                    "clusters",
                    clusters.iter().map(|cluster| cluster.name.as_str()),
                ),
            }),
        }
    }

    /// A container by its name, with or without `k3d-`.
    pub async fn node(&self, name: &str) -> Result<Container, Error> {
        let mut containers = self.containers().await?;
        // The exact name is meant before the shortened one.
        let exact = containers.iter().position(|node| node.name == name);
        let meant = || {
            containers
                .iter()
                .position(|node| names::is_meant(name, &node.name))
        };
        match exact.or_else(meant) {
            Some(index) => Ok(containers.swap_remove(index)),
            None => Err(Error::NoNode {
                name: name.to_owned(),
                known: known("nodes", containers.iter().map(|node| node.name.as_str())),
            }),
        }
    }

    /// What is known of the network that a cluster is in.
    pub(crate) async fn network_of(
        &self,
        cluster: &Cluster,
    ) -> Result<Option<NetworkFacts>, Error> {
        let name = cluster.network();
        let found = self.engine.networks_named(&name).await?;
        let external = cluster.network_is_external();
        Ok(found
            .first()
            .map(|network| run::facts_of(network, external)))
    }

    /// So that one name is not made twice at the same time on this machine.
    fn lock(&self, kind: &str, name: &str) -> Result<Lock, Error> {
        let path = self.settings.folders.lock(kind, name);
        let shown = path.display().to_string();
        let lock = Lock::take(path).map_err(|error| {
            Error::Other(format!("failed to lock {shown}: {error}; check its rights"))
        })?;
        lock.ok_or_else(|| {
            Error::Other(format!(
                "{kind} '{name}' is being worked on by another process; wait for it to end"
            ))
        })
    }
}

/// "there are: a, b", for a name that is not among them.
fn known<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    if names.is_empty() {
        format!("there are no {what}")
    } else {
        format!("there are: {}", names.join(", "))
    }
}
