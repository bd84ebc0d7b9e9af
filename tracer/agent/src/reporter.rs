//! Keeps one server up to date: differences as they come, a heartbeat when nothing comes, everything after a failure.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracer_model::{ReportedPull, Runtime};

use crate::health::Metrics;
use crate::outbox::{Outbox, Outcome, Urgency, back_off};
use crate::post::{Answer, Poster, Target};

/// What changes its phase is told as soon as that.
const SOONEST: Duration = Duration::from_millis(200);
/// Between two reports when nothing happens; the second part is left to chance, so that agents spread.
const HEARTBEAT_SECONDS: f64 = 10.0;
const HEARTBEAT_SPREAD_SECONDS: f64 = 5.0;

/// The node as it is now.
#[derive(Clone, Debug)]
pub struct Present {
    /// Pulls that go on.
    pub active: Vec<ReportedPull>,
    /// The runtime.
    pub runtime: Runtime,
}

/// What reporters to the servers of one name have in common.
#[derive(Clone)]
pub struct Shared {
    /// Where to.
    pub target: Target,
    /// Kubernetes node.
    pub node_name: String,
    /// Of this run.
    pub boot_id: String,
    /// Between two reports while pulls move.
    pub interval: Duration,
    /// The node as it is now.
    pub present: watch::Receiver<Present>,
    /// What is counted.
    pub metrics: Metrics,
}

/// Keeps one server up to date.
pub struct Reporter {
    shared: Shared,
    /// Where the server is, when its name does not say it all.
    address: watch::Receiver<Option<SocketAddr>>,
    finished: mpsc::UnboundedReceiver<ReportedPull>,
}

impl Reporter {
    /// Tells what `shared` shows, and the pulls that ended.
    pub fn new(
        shared: Shared,
        address: watch::Receiver<Option<SocketAddr>>,
        finished: mpsc::UnboundedReceiver<ReportedPull>,
    ) -> Self {
        Self {
            shared,
            address,
            finished,
        }
    }

    /// Reports until the node is watched no more, and once more then; or until nobody tells it of ended pulls.
    pub async fn run(mut self) {
        let mut outbox = Outbox::new(&self.shared.node_name, &self.shared.boot_id);
        let mut poster = Poster::new(self.shared.target.clone());
        let mut failures = 0_u32;
        let mut last = Instant::now();
        loop {
            if self.address.has_changed().unwrap_or_default() {
                // Whoever is there now has not failed yet.
                failures = 0;
            }
            poster.go_to(*self.address.borrow_and_update());
            let is_over = self.collect(&mut outbox).await;
            let present = self.shared.present.borrow_and_update().clone();
            let urgency = outbox.urgency(&present.active, &present.runtime);
            let due = last + self.wait(failures, urgency);
            if !is_over && Instant::now() < due {
                self.sleep(due, failures, &mut outbox).await;
                continue;
            }
            let prepared = outbox.prepare(&present.active, &present.runtime, Timestamp::now());
            let outcome = self.send(&mut poster, &prepared.report, failures).await;
            let given_up = outbox.settle(prepared, outcome);
            self.shared
                .metrics
                .reported(outcome, given_up, outbox.waiting());
            last = Instant::now();
            failures = match outcome {
                Outcome::Acknowledged => 0,
                // A server that starts asks everybody once; one that keeps asking is given time.
                Outcome::Resync | Outcome::Lost | Outcome::Refused => failures.saturating_add(1),
            };
            if is_over {
                return;
            }
        }
    }

    /// Takes the pulls that ended; says whether nothing more can come.
    async fn collect(&mut self, outbox: &mut Outbox) -> bool {
        let is_over = self.shared.present.has_changed().is_err();
        if is_over {
            // Those that are on their way still come.
            while let Some(pull) = self.finished.recv().await {
                self.keep(pull, outbox);
            }
        }
        while let Ok(pull) = self.finished.try_recv() {
            self.keep(pull, outbox);
        }
        is_over || self.finished.is_closed()
    }

    fn keep(&self, pull: ReportedPull, outbox: &mut Outbox) {
        let lost = outbox.finished(pull);
        self.shared.metrics.lost(lost, outbox.waiting());
    }

    fn wait(&self, failures: u32, urgency: Urgency) -> Duration {
        let chance = chance();
        if failures > 0 {
            return unsigned(back_off(failures, chance));
        }
        match urgency {
            Urgency::Change => SOONEST.min(self.shared.interval),
            Urgency::Progress => self.shared.interval,
            Urgency::Heartbeat => {
                Duration::from_secs_f64(HEARTBEAT_SECONDS + HEARTBEAT_SPREAD_SECONDS * chance)
            }
        }
    }

    async fn sleep(&mut self, due: Instant, failures: u32, outbox: &mut Outbox) {
        let sleep = tokio::time::sleep_until(due);
        // After a failure news do not shorten the wait, but the end does.
        tokio::select! {
            () = sleep => {}
            _ = self.shared.present.changed(), if failures == 0 => {}
            // One whose sender is gone never changes again.
            Ok(()) = self.address.changed() => self.address.mark_changed(),
            pull = self.finished.recv() => match pull {
                Some(pull) => self.keep(pull, outbox),
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            },
        }
    }

    async fn send(
        &self,
        poster: &mut Poster,
        report: &tracer_model::Report,
        failures: u32,
    ) -> Outcome {
        let (outcome, problem) = match poster.post(report).await {
            Ok(Answer::Taken) => (Outcome::Acknowledged, None),
            Ok(Answer::Resync) => (Outcome::Resync, None),
            Ok(Answer::Refused(code)) => (Outcome::Refused, Some(format!("it answered {code}"))),
            Ok(Answer::Unwilling(code)) => (Outcome::Lost, Some(format!("it answered {code}"))),
            Err(error) => (Outcome::Lost, Some(error.to_string())),
        };
        match problem {
            // Once per outage: the same line every half minute from every node helps nobody.
            Some(problem) if failures == 0 => {
                tracing::warn!(server.url = %self.shared.target.url, problem, "failed to report; pulls that end are kept until the server is back");
            }
            Some(problem) => tracing::debug!(problem, failures, "failed to report again"),
            None if failures > 0 => {
                tracing::info!(server.url = %self.shared.target.url, "reports arrive again");
            }
            None => {}
        }
        outcome
    }
}

/// Between 0 and 1.
fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

fn unsigned(duration: SignedDuration) -> Duration {
    duration.unsigned_abs()
}
