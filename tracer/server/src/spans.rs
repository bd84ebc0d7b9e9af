//! Pulls that ended, as spans for a collector; nothing of this runs unless an endpoint is named.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer as _, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracer_model::{PullStatus, State};

/// Sends spans in batches, in the background.
#[derive(Debug)]
pub struct Spans {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Spans {
    /// Sends to an OTLP collector that speaks gRPC: `http://collector:4317`.
    pub fn to(endpoint: &str) -> Result<Self, opentelemetry_otlp::ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(Duration::from_secs(10))
            .build()?;
        let resource = Resource::builder_empty()
            .with_attribute(KeyValue::new("service.name", "berth-tracer-server"))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self {
            tracer: provider.tracer("berth-tracer"),
            provider,
        })
    }

    /// Sends a pull: one span, with its download and its unpacking below it.
    pub fn export(&self, pull: &PullStatus) {
        let end = pull.completed_at.unwrap_or(pull.started_at);
        let mut span = self
            .tracer
            .span_builder("image pull")
            .with_kind(SpanKind::Internal)
            .with_start_time(system(pull.started_at))
            .with_attributes(attributes(pull))
            .start(&self.tracer);
        if pull.state == State::Failed {
            span.set_status(Status::error(pull.error.clone()));
        }
        let context = Context::new().with_span(span);
        if let Some(downloaded) = pull.downloaded_at {
            self.part("download", pull.started_at, downloaded, &context);
            self.part("unpack", downloaded, end, &context);
        }
        context.span().end_with_timestamp(system(end));
    }

    /// Sends what is left.
    pub fn flush(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "failed to send the last spans");
        }
    }

    fn part(&self, name: &'static str, start: Timestamp, end: Timestamp, context: &Context) {
        let mut span = self
            .tracer
            .span_builder(name)
            .with_start_time(system(start))
            .start_with_context(&self.tracer, context);
        span.end_with_timestamp(system(end));
    }
}

fn attributes(pull: &PullStatus) -> Vec<KeyValue> {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let mut attributes = vec![
        KeyValue::new("k8s.node.name", pull.node_name.clone()),
        KeyValue::new("container.image.name", pull.image_ref.clone()),
        KeyValue::new("berth.registry", pull.registry.clone()),
        KeyValue::new("berth.phase", pull.phase.as_str()),
        KeyValue::new("berth.bytes.total", count(pull.total_bytes)),
        KeyValue::new("berth.bytes.cached", count(pull.cached_bytes)),
        KeyValue::new("berth.layers", count(pull.layer_count)),
    ];
    if let Some(pod) = pull.pods.first() {
        attributes.push(KeyValue::new("k8s.namespace.name", pod.namespace.clone()));
        attributes.push(KeyValue::new("k8s.pod.name", pod.pod_name.clone()));
    }
    if let Some(failure) = &pull.failure {
        attributes.push(KeyValue::new("error.type", failure.class.as_str()));
    }
    attributes
}

fn system(time: Timestamp) -> SystemTime {
    time.into()
}
