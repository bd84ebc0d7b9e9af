//! What is counted, for Prometheus. Labels are from closed sets.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::store::Store;

/// The counters of the gateway.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: Histogram,
    received: IntCounter,
    connections: IntGauge,
    blobs: IntGauge,
    bytes: IntGauge,
    arriving: IntGauge,
}

impl Metrics {
    /// Registers every counter.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| IntGauge::new(name, help);
        let seconds = HistogramOpts::new(
            "berth_gateway_answer_seconds",
            "Time until an answer's headers",
        )
        .buckets(vec![0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0]);
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new(
                    "berth_gateway_requests_total",
                    "Requests by resource, method and status",
                ),
                &["resource", "method", "status"],
            )?,
            seconds: Histogram::with_opts(seconds)?,
            received: IntCounter::new(
                "berth_gateway_received_bytes_total",
                "Bytes of pushed blobs",
            )?,
            connections: gauge("berth_gateway_connections", "Open connections")?,
            blobs: gauge("berth_gateway_store_blobs", "Blobs in the store")?,
            bytes: gauge("berth_gateway_store_bytes", "Bytes of blobs in the store")?,
            arriving: gauge(
                "berth_gateway_store_arriving_bytes",
                "Bytes of blobs that are not whole yet",
            )?,
            registry,
        };
        metrics
            .registry
            .register(Box::new(metrics.requests.clone()))?;
        metrics
            .registry
            .register(Box::new(metrics.seconds.clone()))?;
        metrics
            .registry
            .register(Box::new(metrics.received.clone()))?;
        for gauge in [
            &metrics.connections,
            &metrics.blobs,
            &metrics.bytes,
            &metrics.arriving,
        ] {
            metrics.registry.register(Box::new(gauge.clone()))?;
        }
        let process = prometheus::process_collector::ProcessCollector::for_self();
        metrics.registry.register(Box::new(process))?;
        Ok(metrics)
    }

    /// Where others register what they count.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn answered(
        &self,
        resource: &str,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let method = match *method {
            Method::GET
            | Method::HEAD
            | Method::PUT
            | Method::POST
            | Method::PATCH
            | Method::DELETE => method.as_str(),
            _ => "other",
        };
        self.requests
            .with_label_values(&[resource, method, status.as_str()])
            .inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received.inc_by(bytes as u64);
    }

    pub(crate) fn connections(&self) -> &IntGauge {
        &self.connections
    }

    pub(crate) fn text(&self, store: &Store) -> String {
        let usage = store.usage();
        let shown = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.blobs.set(shown(usage.blobs));
        self.bytes.set(shown(usage.bytes));
        self.arriving.set(shown(usage.arriving));
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "failed to write the metrics as text");
                String::new()
            })
    }
}
