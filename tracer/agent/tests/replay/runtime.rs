//! A gRPC server that answers as a recorded containerd would have at this moment.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use containerd_client::events::SnapshotCommit;
use containerd_client::services::v1::snapshots::{Info, StatSnapshotRequest, StatSnapshotResponse};
use containerd_client::services::v1::{
    GetImageRequest, GetImageResponse, ImageCreate, InfoRequest, InfoResponse, Lease,
    ListImagesRequest, ListImagesResponse, ListResourcesRequest, ListResourcesResponse,
    ListResponse, ListStatusesResponse, ReadContentRequest, ReadContentResponse, VersionResponse,
};
use containerd_client::types::Envelope;
use http_body_util::{BodyExt as _, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::Timestamp;
use prost::Message;
use tokio::net::UnixListener;
use tokio::sync::broadcast;

use crate::recording::Recording;
use crate::world::{World, stamp};

type Body = BoxBody<Bytes, Infallible>;

#[derive(Clone)]
pub(crate) struct Runtime {
    version: String,
    world: Arc<Mutex<World>>,
    events: broadcast::Sender<Envelope>,
}

/// Listens.
pub(crate) fn start(socket: &Path, version: &str) -> Runtime {
    let runtime = Runtime {
        version: format!("v{version}"),
        world: Arc::default(),
        events: broadcast::channel(256).0,
    };
    let listener = UnixListener::bind(socket).unwrap();
    let serving = runtime.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let runtime = serving.clone();
            let service = hyper::service::service_fn(move |request| {
                let runtime = runtime.clone();
                async move { Ok::<_, Infallible>(runtime.answer(request).await) }
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    runtime
}

impl Runtime {
    /// Lets happen what was recorded, when it was.
    pub(crate) async fn play(self, recording: Recording) {
        *self.world.lock().unwrap() = World::of(&recording);
        let began = tokio::time::Instant::now();
        for (at, words) in recording.lines {
            tokio::time::sleep_until(began + Duration::from_millis(at)).await;
            let now = Timestamp::now();
            let told = self.world.lock().unwrap().apply(&words, now);
            if let Some((topic, name)) = told {
                // Nobody may listen yet.
                let _ = self.events.send(envelope(topic, name, now));
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        assert_eq!(
            request.uri().authority().unwrap().as_str(),
            "localhost",
            "servers in Go refuse others"
        );
        let message = request
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .slice(5..);
        let method = path.rsplit('/').next().unwrap();
        if method == "Subscribe" {
            return self.subscribe().await;
        }
        let world = self.world.lock().unwrap();
        let answer = match (path.split('/').nth(1).unwrap(), method) {
            ("containerd.services.version.v1.Version", _) => Some(encoded(&VersionResponse {
                version: self.version.clone(),
                revision: String::new(),
            })),
            ("containerd.services.leases.v1.Leases", "List") => Some(encoded(&leases(&world))),
            ("containerd.services.leases.v1.Leases", "ListResources") => {
                let id = ListResourcesRequest::decode(message).unwrap().id;
                let resources = world.resources(&id);
                resources.map(|resources| encoded(&ListResourcesResponse { resources }))
            }
            ("containerd.services.content.v1.Content", "ListStatuses") => {
                let statuses = world.ingests.values().cloned().collect();
                Some(encoded(&ListStatusesResponse { statuses }))
            }
            ("containerd.services.content.v1.Content", "Info") => {
                let digest = InfoRequest::decode(message).unwrap().digest;
                let info = world.info(&digest);
                info.map(|info| encoded(&InfoResponse { info: Some(info) }))
            }
            ("containerd.services.content.v1.Content", "Read") => {
                let digest = ReadContentRequest::decode(message).unwrap().digest;
                world
                    .read(&digest)
                    .map(|data| encoded(&ReadContentResponse { offset: 0, data }))
            }
            ("containerd.services.snapshots.v1.Snapshots", "Stat") => {
                let key = StatSnapshotRequest::decode(message).unwrap().key;
                world.snapshots.get(&key).map(|at| encoded(&snapshot(*at)))
            }
            ("containerd.services.images.v1.Images", "List") => {
                let filters = ListImagesRequest::decode(message).unwrap().filters;
                let images = world.records.iter().filter(|record| {
                    let digest = &record.target.as_ref().unwrap().digest;
                    filters.is_empty() || filters.contains(&format!("target.digest=={digest}"))
                });
                Some(encoded(&ListImagesResponse {
                    images: images.cloned().collect(),
                }))
            }
            ("containerd.services.images.v1.Images", "Get") => {
                let name = GetImageRequest::decode(message).unwrap().name;
                let image = world
                    .records
                    .iter()
                    .find(|record| record.name == name)
                    .cloned();
                image.map(|image| encoded(&GetImageResponse { image: Some(image) }))
            }
            other => panic!("nothing answers {other:?}"),
        };
        respond(answer)
    }

    /// As the real one: not even headers before the first event.
    async fn subscribe(&self) -> Response<Body> {
        let mut events = self.events.subscribe();
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let first = events.recv().await;
        tokio::spawn(async move {
            let mut next = first;
            while let Ok(envelope) = next {
                if sender.send(encoded(&envelope)).is_err() {
                    return;
                }
                next = events.recv().await;
            }
        });
        let stream = futures::stream::unfold(receiver, |mut receiver| async {
            let bytes = receiver.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(bytes)), receiver))
        });
        answer(StreamBody::new(Box::pin(stream)).boxed())
    }
}

fn leases(world: &World) -> ListResponse {
    let lease = |(id, (at, _)): (&String, &(Timestamp, _))| Lease {
        id: id.clone(),
        created_at: Some(stamp(*at)),
        ..Lease::default()
    };
    ListResponse {
        leases: world.leases.iter().map(lease).collect(),
    }
}

fn snapshot(at: Timestamp) -> StatSnapshotResponse {
    StatSnapshotResponse {
        info: Some(Info {
            created_at: Some(stamp(at)),
            ..Info::default()
        }),
    }
}

fn envelope(topic: &str, name: String, at: Timestamp) -> Envelope {
    let value = match topic {
        "/snapshot/commit" => SnapshotCommit {
            name,
            ..SnapshotCommit::default()
        }
        .encode_to_vec(),
        "/images/create" => ImageCreate {
            name,
            ..ImageCreate::default()
        }
        .encode_to_vec(),
        _ => Vec::new(),
    };
    Envelope {
        timestamp: Some(stamp(at)),
        namespace: "k8s.io".to_owned(),
        topic: topic.to_owned(),
        event: Some(prost_types::Any {
            type_url: String::new(),
            value,
        }),
    }
}

fn encoded(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut bytes).unwrap();
    bytes.freeze()
}

/// `None` is gRPC's "not found".
fn respond(message: Option<Bytes>) -> Response<Body> {
    let code = if message.is_some() { "0" } else { "5" };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    let frames = message
        .map(Frame::data)
        .into_iter()
        .chain([Frame::trailers(trailers)])
        .map(Ok::<_, Infallible>);
    answer(StreamBody::new(futures::stream::iter(frames.collect::<Vec<_>>())).boxed())
}

fn answer(body: Body) -> Response<Body> {
    Response::builder()
        .header("content-type", "application/grpc")
        .body(body)
        .unwrap()
}
