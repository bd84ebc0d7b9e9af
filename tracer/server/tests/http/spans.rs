//! A collector of OTLP over gRPC, and what it is sent.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};
use tower_service::Service as _;

use super::server::{Server, ended, ours};

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let service = TraceServiceServer::new(self.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let mut service = service.clone();
                    async move { Ok::<_, Infallible>(service.call(request).await.unwrap()) }
                });
                let served = http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), answer);
                tokio::spawn(served);
            }
        });
        endpoint
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.0.lock().unwrap();
        let scopes = requests
            .iter()
            .flat_map(|request| &request.resource_spans)
            .flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }
}

fn text(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|pair| pair.key == key);
    let value = found.and_then(|pair| pair.value.as_ref()?.value.as_ref());
    match value {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pulls_that_ended_are_sent_to_a_collector_as_spans_with_their_parts() {
    let collector = Collector::default();
    let endpoint = collector.listen().await;
    let server = Server::start(&["--otlp-endpoint", &endpoint]).await;
    let mut done = ended("1");
    done["registry"] = json!("quay.io");
    done["downloadedAt"] = json!("2026-11-21T02:00:05Z");
    done["completedAt"] = json!("2026-11-21T02:00:07Z");
    let mut failed = ended("2");
    failed["phase"] = json!("failed");
    failed["failure"] = json!({"class": "unauthorized", "message": "401 Unauthorized"});
    let report = ours("worker-1", 1, "full", &[], &[done, failed]);
    assert_eq!(server.report(&report).await.status, 200);
    // What is not sent yet is sent at the end.
    server.end().await;

    let spans = collector.spans();
    let named = |name: &str| -> Vec<&Span> {
        let found = spans.iter().filter(|span| span.name == name);
        found.collect()
    };
    let pulls = named("image pull");
    let phase = |phase: &str| {
        let mut found = pulls
            .iter()
            .filter(|span| text(span, "berth.phase") == phase);
        *found.next().unwrap_or_else(|| panic!("{spans:#?}"))
    };
    let (done, failed) = (phase("done"), phase("failed"));
    assert_eq!(pulls.len(), 2);
    assert_eq!(text(done, "container.image.name"), "quay.io/a:1");
    assert_eq!(text(done, "k8s.node.name"), "worker-1");
    assert_eq!(text(done, "berth.bytes.total"), "100");
    let seconds =
        |span: &Span| (span.end_time_unix_nano - span.start_time_unix_nano) / 1_000_000_000;
    assert_eq!(seconds(done), 7);
    for (part, expected) in [("download", 5), ("unpack", 2)] {
        let [span] = named(part)[..] else {
            panic!("{spans:#?}")
        };
        assert_eq!(
            (seconds(span), &span.parent_span_id),
            (expected, &done.span_id)
        );
        assert_eq!(span.trace_id, done.trace_id);
    }
    assert_eq!(text(failed, "error.type"), "unauthorized");
    assert_eq!(failed.status.as_ref().unwrap().code, 2);
    let requests = collector.0.lock().unwrap();
    let resource = requests[0].resource_spans[0].resource.as_ref().unwrap();
    assert_eq!(resource.attributes[0].key, "service.name");
}
