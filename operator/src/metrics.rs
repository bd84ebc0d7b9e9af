//! `berth_*` metrics; every label takes its values from a closed set.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use api::{ConditionType, NodeCounts, Reason, RegistryConfigStatus};
use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::error::REASONS;

/// States of nodes, as in `status.nodes`.
const STATES: [&str; 5] = ["desired", "updated", "ready", "restart_pending", "failed"];

/// All metrics of the operator.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    reconciles: Histogram,
    errors: IntCounterVec,
    configs: IntGaugeVec,
    nodes: IntGaugeVec,
    leader: IntGauge,
    known: Mutex<BTreeMap<String, (Reason, NodeCounts)>>,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let reconciles = Histogram::with_opts(
            HistogramOpts::new("berth_reconcile_seconds", "Time that one reconcile took").buckets(
                vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0],
            ),
        )?;
        let errors = IntCounterVec::new(
            Opts::new(
                "berth_reconcile_errors_total",
                "Reconciles that failed and are repeated",
            ),
            &["reason"],
        )?;
        let configs = IntGaugeVec::new(
            Opts::new(
                "berth_registry_configs",
                "RegistryConfigs by the reason of their Ready condition",
            ),
            &["reason"],
        )?;
        let nodes = IntGaugeVec::new(
            Opts::new("berth_nodes", "Nodes by state, over all RegistryConfigs"),
            &["state"],
        )?;
        let leader = IntGauge::new("berth_leader", "1 while this replica does the work")?;
        registry.register(Box::new(reconciles.clone()))?;
        registry.register(Box::new(errors.clone()))?;
        registry.register(Box::new(configs.clone()))?;
        registry.register(Box::new(nodes.clone()))?;
        registry.register(Box::new(leader.clone()))?;
        registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        // A series that appears with its first event cannot be alerted on.
        for reason in REASONS {
            errors.with_label_values(&[reason]);
        }
        let metrics = Self {
            registry,
            reconciles,
            errors,
            configs,
            nodes,
            leader,
            known: Mutex::default(),
        };
        metrics.show(&BTreeMap::new());
        Ok(metrics)
    }

    pub(crate) fn reconciled(&self, took: Duration) {
        self.reconciles.observe(took.as_secs_f64());
    }

    pub(crate) fn failed(&self, reason: &'static str) {
        self.errors.with_label_values(&[reason]).inc();
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Remembers the status of one `RegistryConfig`, or that it is gone.
    pub(crate) fn status(&self, name: &str, status: Option<&RegistryConfigStatus>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let new = status.map(|status| (ready_reason(status), status.nodes.unwrap_or_default()));
        let old = match new {
            Some(new) => known.insert(name.to_owned(), new),
            None => known.remove(name),
        };
        if old != new {
            self.show(&known);
        }
    }

    fn show(&self, known: &BTreeMap<String, (Reason, NodeCounts)>) {
        for reason in Reason::ALL {
            let count = known.values().filter(|(known, _)| *known == reason).count();
            self.configs
                .with_label_values(&[reason.as_str()])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut sums = [0_i64; STATES.len()];
        for (_, counts) in known.values() {
            let counts = [
                counts.desired,
                counts.updated,
                counts.ready,
                counts.restart_pending,
                counts.failed,
            ];
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += i64::from(count);
            }
        }
        for (state, sum) in STATES.iter().zip(sums) {
            self.nodes.with_label_values(&[*state]).set(sum);
        }
    }
}

fn ready_reason(status: &RegistryConfigStatus) -> Reason {
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::Ready.as_str());
    ready
        .and_then(|ready| {
            Reason::ALL
                .into_iter()
                .find(|reason| reason.as_str() == ready.reason)
        })
        .unwrap_or(Reason::Pending)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(metrics: &Metrics) -> String {
        prometheus::TextEncoder::new()
            .encode_to_string(&metrics.registry.gather())
            .unwrap()
    }

    #[test]
    fn a_resource_counts_where_it_is_and_no_longer_when_it_is_gone() {
        let metrics = Metrics::new().unwrap();
        let status = RegistryConfigStatus {
            nodes: Some(NodeCounts {
                desired: 3,
                ..NodeCounts::default()
            }),
            ..RegistryConfigStatus::default()
        };
        metrics.status("one", Some(&status));
        metrics.status("one", Some(&status));
        let shown = text(&metrics);
        assert!(shown.contains("berth_registry_configs{reason=\"Pending\"} 1"));
        assert!(shown.contains("berth_nodes{state=\"desired\"} 3"));
        metrics.status("one", None);
        assert!(text(&metrics).contains("berth_nodes{state=\"desired\"} 0"));
    }

    #[test]
    fn every_reason_of_a_failure_has_its_series_from_the_start() {
        let shown = text(&Metrics::new().unwrap());
        for reason in REASONS {
            assert!(shown.contains(&format!(
                "berth_reconcile_errors_total{{reason=\"{reason}\"}} 0"
            )));
        }
    }
}
