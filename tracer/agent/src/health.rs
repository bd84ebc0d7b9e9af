//! What the agent counts about itself.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use tracer_model::{ReportedPull, RuntimeState};

use crate::outbox::Outcome;

/// Counters and gauges; clones share them.
#[derive(Clone)]
pub struct Metrics {
    runtime: IntGaugeVec,
    active: IntGauge,
    finished: IntCounterVec,
    looks: IntCounter,
    reports: IntCounterVec,
    buffered: IntGauge,
    lost: IntCounter,
}

impl Metrics {
    /// Registers everything, so that each line is there from the beginning.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let name = |name: &str| format!("berth_tracer_agent_{name}");
        let metrics = Self {
            runtime: IntGaugeVec::new(
                Opts::new(
                    name("runtime"),
                    "1 for the state that the container runtime is in.",
                ),
                &["state"],
            )?,
            active: IntGauge::new(name("pulls_active"), "Pulls that go on.")?,
            finished: IntCounterVec::new(
                Opts::new(
                    name("pulls_total"),
                    "Pulls that ended, by what became of them.",
                ),
                &["phase"],
            )?,
            looks: IntCounter::new(name("looks_total"), "How often the runtime was looked at.")?,
            reports: IntCounterVec::new(
                Opts::new(name("reports_total"), "Reports, by what became of them."),
                &["result"],
            )?,
            buffered: IntGauge::new(
                name("finished_buffered"),
                "Ended pulls that no server has acknowledged yet.",
            )?,
            lost: IntCounter::new(
                name("finished_lost_total"),
                "Ended pulls given up because the buffer was full or the server refused them.",
            )?,
        };
        registry.register(Box::new(metrics.runtime.clone()))?;
        registry.register(Box::new(metrics.active.clone()))?;
        registry.register(Box::new(metrics.finished.clone()))?;
        registry.register(Box::new(metrics.looks.clone()))?;
        registry.register(Box::new(metrics.reports.clone()))?;
        registry.register(Box::new(metrics.buffered.clone()))?;
        registry.register(Box::new(metrics.lost.clone()))?;
        metrics.runtime(RuntimeState::Unreachable);
        Ok(metrics)
    }

    /// The runtime is in this state now.
    pub fn runtime(&self, state: RuntimeState) {
        for other in RuntimeState::ALL {
            let gauge = self.runtime.with_label_values(&[other.as_str()]);
            gauge.set(i64::from(*other == state));
        }
    }

    /// One look was made.
    pub fn looked(&self, active: usize) {
        self.looks.inc();
        self.active.set(i64::try_from(active).unwrap_or(i64::MAX));
    }

    /// A pull ended.
    pub fn ended(&self, pull: &ReportedPull) {
        self.finished
            .with_label_values(&[pull.phase.as_str()])
            .inc();
    }

    /// A report was sent.
    pub fn reported(&self, outcome: Outcome, lost: u64, waiting: usize) {
        let result = match outcome {
            Outcome::Acknowledged => "acknowledged",
            Outcome::Resync => "resync",
            Outcome::Lost => "lost",
            Outcome::Refused => "refused",
        };
        self.reports.with_label_values(&[result]).inc();
        self.lost(lost, waiting);
    }

    /// Ended pulls were given up, and so many wait.
    pub fn lost(&self, lost: u64, waiting: usize) {
        self.lost.inc_by(lost);
        self.buffered
            .set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}
