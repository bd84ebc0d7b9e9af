//! What Prometheus asks for. Labels come from closed sets; registries beyond a number become `other`.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};
use tracer_model::{FailureClass, Phase, PullStatus, State};

use crate::rates::number;

/// As the kubelet's `kubelet_image_pull_duration_seconds`.
const SECONDS: [f64; 18] = [
    1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0, 360.0, 480.0, 600.0, 900.0,
    1200.0, 1800.0, 2700.0, 3600.0,
];
/// Of the earlier program.
const EARLIER_SECONDS: [f64; 8] = [1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
const SPEEDS: [f64; 10] = [1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8, 3e8, 1e9, 3e9];
const LAGS: [f64; 8] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Registries that have a label of their own.
const REGISTRIES: usize = 64;

/// Counters of one replica.
#[derive(Debug)]
pub struct Metrics {
    /// What is scraped.
    pub registry: Registry,
    active: IntGaugeVec,
    total: IntCounterVec,
    duration: HistogramVec,
    downloaded: IntCounterVec,
    cached: IntCounter,
    failures: IntCounterVec,
    queue: Histogram,
    throughput: Histogram,
    agents: IntGaugeVec,
    lag: Histogram,
    reports: IntCounterVec,
    readers: IntGauge,
    /// Connections beyond the cap.
    pub refused: IntCounter,
    earlier: Earlier,
    seen: Mutex<HashSet<String>>,
}

/// The names of the program whose dashboards go on working.
#[derive(Debug)]
struct Earlier {
    active: Gauge,
    total: IntCounter,
    duration: Histogram,
    bytes: IntCounter,
    errors: IntCounter,
    reports: IntCounter,
    readers: Gauge,
}

impl Metrics {
    /// Counters at zero.
    #[expect(clippy::too_many_lines, reason = "a list of names")]
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let add = |collector: Box<dyn prometheus::core::Collector>| registry.register(collector);
        add(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        let counters =
            |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntCounterVec> {
                let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
                add(Box::new(counters.clone()))?;
                Ok(counters)
            };
        let gauges = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntGaugeVec> {
            let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
            add(Box::new(gauges.clone()))?;
            Ok(gauges)
        };
        let histogram =
            |name: &str, help: &str, buckets: &[f64]| -> prometheus::Result<Histogram> {
                let histogram =
                    Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?;
                add(Box::new(histogram.clone()))?;
                Ok(histogram)
            };
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::new(name, help)?;
            add(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> prometheus::Result<Gauge> {
            let gauge = Gauge::new(name, help)?;
            add(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let duration = HistogramVec::new(
            HistogramOpts::new(
                "berth_tracer_pull_duration_seconds",
                "How long successful pulls took, by phase and compressed size",
            )
            .buckets(SECONDS.to_vec()),
            &["phase", "image_size_in_bytes"],
        )?;
        add(Box::new(duration.clone()))?;
        let readers = IntGauge::new("berth_tracer_stream_readers", "Readers of the event stream")?;
        add(Box::new(readers.clone()))?;
        let earlier = Earlier {
            active: gauge("pulltrace_pulls_active", "Pulls that go on")?,
            total: counter("pulltrace_pulls_total", "Pulls that ended")?,
            duration: histogram(
                "pulltrace_pull_duration_seconds",
                "How long pulls took",
                &EARLIER_SECONDS,
            )?,
            bytes: counter("pulltrace_pull_bytes_total", "Bytes pulled")?,
            errors: counter("pulltrace_pull_errors_total", "Pulls that failed")?,
            reports: counter("pulltrace_agent_reports_total", "Reports taken")?,
            readers: gauge(
                "pulltrace_sse_clients_active",
                "Readers of the event stream",
            )?,
        };
        Ok(Self {
            active: gauges(
                "berth_tracer_pulls_active",
                "Pulls that go on, by phase",
                &["phase"],
            )?,
            total: counters(
                "berth_tracer_pulls_total",
                "Pulls that ended",
                &["result", "registry"],
            )?,
            duration,
            downloaded: counters(
                "berth_tracer_download_bytes_total",
                "Compressed bytes that pulls fetched",
                &["registry"],
            )?,
            cached: counter(
                "berth_tracer_cached_bytes_total",
                "Compressed bytes that were on the node before",
            )?,
            failures: counters(
                "berth_tracer_failures_total",
                "Pulls that failed, by cause",
                &["reason", "registry"],
            )?,
            queue: histogram(
                "berth_tracer_queue_seconds",
                "Seconds in the kubelet's queue",
                &SECONDS,
            )?,
            throughput: histogram(
                "berth_tracer_pull_throughput_bytes_per_second",
                "Mean speed of downloads",
                &SPEEDS,
            )?,
            agents: gauges(
                "berth_tracer_agents",
                "Agents, by whether they report",
                &["state"],
            )?,
            lag: histogram(
                "berth_tracer_report_lag_seconds",
                "From an agent's clock to this one",
                &LAGS,
            )?,
            reports: counters(
                "berth_tracer_reports_total",
                "Reports, by answer",
                &["code"],
            )?,
            readers,
            refused: counter(
                "berth_tracer_connections_refused_total",
                "Connections beyond the cap, which were told to come later",
            )?,
            earlier,
            seen: Mutex::default(),
            registry,
        })
    }

    /// A report was taken.
    pub fn report(&self, sent: Timestamp, now: Timestamp) {
        self.earlier.reports.inc();
        if sent.as_second() > 0 {
            self.lag
                .observe(now.duration_since(sent).as_secs_f64().max(0.0));
        }
    }

    /// A report was answered.
    pub fn answered(&self, code: u16) {
        self.reports.with_label_values(&[&code.to_string()]).inc();
    }

    /// A pull ended.
    pub fn finished(&self, pull: &PullStatus) {
        let registry = self.label(&pull.registry);
        self.total
            .with_label_values(&[pull.phase.as_str(), &registry])
            .inc();
        self.earlier.total.inc();
        let fetched = pull
            .downloaded_bytes
            .saturating_sub(pull.cached_bytes)
            .saturating_sub(pull.shared_bytes);
        self.downloaded
            .with_label_values(&[&registry])
            .inc_by(fetched);
        self.cached.inc_by(pull.cached_bytes);
        self.earlier.bytes.inc_by(fetched);
        if pull.state == State::Failed {
            self.fail(pull, &registry);
            return;
        }
        self.observe(pull, fetched);
    }

    /// An Event changed what is known of a pull that ended.
    pub fn amended(&self, before: Option<FailureClass>, pull: &PullStatus) {
        if let Some(seconds) = pull.queue_seconds {
            self.queue.observe(seconds);
        }
        let after = pull.failure.as_ref().map(|failure| failure.class);
        // Causes are counted when they are known; counters do not fall, so an unknown one stays counted as such.
        if after.is_some_and(|class| class != FailureClass::Unknown) && before != after {
            let registry = self.label(&pull.registry);
            let reason = after.unwrap_or(FailureClass::Unknown).as_str();
            self.failures.with_label_values(&[reason, &registry]).inc();
        }
    }

    /// What is at this moment.
    pub fn present(&self, phases: &HashMap<Phase, i64>, connected: i64, lost: i64) {
        for phase in Phase::ALL.iter().filter(|phase| !phase.is_final()) {
            let count = phases.get(phase).copied().unwrap_or_default();
            self.active.with_label_values(&[phase.as_str()]).set(count);
        }
        let all: i64 = phases.values().sum();
        self.earlier.active.set(number(all.unsigned_abs()));
        self.agents.with_label_values(&["connected"]).set(connected);
        self.agents.with_label_values(&["lost"]).set(lost);
    }

    /// How many read the stream.
    pub fn readers(&self, count: usize) {
        self.readers.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.earlier.readers.set(number(count as u64));
    }

    fn fail(&self, pull: &PullStatus, registry: &str) {
        self.earlier.errors.inc();
        let class = pull
            .failure
            .as_ref()
            .map_or(FailureClass::Unknown, |failure| failure.class);
        self.failures
            .with_label_values(&[class.as_str(), registry])
            .inc();
    }

    fn observe(&self, pull: &PullStatus, fetched: u64) {
        let Some(end) = pull.completed_at else { return };
        let size = size_label(pull.total_bytes);
        let whole = end.duration_since(pull.started_at).as_secs_f64().max(0.0);
        self.earlier.duration.observe(whole);
        self.duration
            .with_label_values(&["total", size])
            .observe(whole);
        if let Some(downloaded) = pull.downloaded_at {
            let download = downloaded
                .duration_since(pull.started_at)
                .as_secs_f64()
                .max(0.0);
            let unpack = end.duration_since(downloaded).as_secs_f64().max(0.0);
            self.duration
                .with_label_values(&["download", size])
                .observe(download);
            self.duration
                .with_label_values(&["unpack", size])
                .observe(unpack);
            if download > 0.0 && fetched > 0 {
                self.throughput.observe(number(fetched) / download);
            }
        }
    }

    fn label(&self, registry: &str) -> String {
        if registry.is_empty() {
            return "unknown".to_owned();
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(registry) {
            return registry.to_owned();
        }
        if seen.len() >= REGISTRIES {
            return "other".to_owned();
        }
        seen.insert(registry.to_owned());
        registry.to_owned()
    }
}

/// The kubelet's label of an image's size.
pub fn size_label(bytes: u64) -> &'static str {
    const MB: u64 = 1024 * 1024;
    match bytes / MB {
        0..10 => "0-10MB",
        10..100 => "10MB-100MB",
        100..500 => "100MB-500MB",
        500..1024 => "500MB-1GB",
        1024..5120 => "1GB-5GB",
        5120..10240 => "5GB-10GB",
        10240..20480 => "10GB-20GB",
        20480..30720 => "20GB-30GB",
        30720..40960 => "30GB-40GB",
        40960..61440 => "40GB-60GB",
        61440..102_400 => "60GB-100GB",
        _ => "GT100GB",
    }
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;
    use crate::fixtures::finished;

    #[test]
    fn names_of_the_earlier_program_are_there_and_registries_are_bounded() {
        let metrics = Metrics::new().unwrap();
        for number in 0..100 {
            metrics.finished(&finished(
                "a",
                &format!("{number}"),
                &format!("r{number}.test/a:1"),
                3,
            ));
        }
        metrics.report(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        metrics.present(&HashMap::new(), 1, 0);
        metrics.readers(3);
        let text = TextEncoder::new()
            .encode_to_string(&metrics.registry.gather())
            .unwrap();
        for line in [
            "pulltrace_pulls_active 0",
            "pulltrace_pulls_total 100",
            "pulltrace_pull_duration_seconds_bucket{le=\"5\"} 100",
            "pulltrace_pull_bytes_total 10000",
            "pulltrace_pull_errors_total 0",
            "pulltrace_agent_reports_total 1",
            "pulltrace_sse_clients_active 3",
            "berth_tracer_pulls_total{registry=\"other\",result=\"done\"} 36",
            "berth_tracer_pull_duration_seconds_bucket{image_size_in_bytes=\"0-10MB\",phase=\"total\",le=\"3600\"} 100",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn sizes_have_the_kubelets_labels() {
        for (bytes, label) in [
            (0, "0-10MB"),
            (10 << 20, "10MB-100MB"),
            (1 << 30, "1GB-5GB"),
            (u64::MAX, "GT100GB"),
        ] {
            assert_eq!(size_label(bytes), label);
        }
    }
}
