//! containerd's services, as far as pulls need them: every call has a deadline, every answer becomes a value.

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use containerd_client::services::v1::snapshots::StatSnapshotRequest;
use containerd_client::services::v1::{
    GetImageRequest, Image as ImageRecord, ImageCreate, ImageUpdate, InfoRequest,
    ListImagesRequest, ListRequest, ListResourcesRequest, ListStatusesRequest, ReadContentRequest,
    SubscribeRequest,
};
use containerd_client::tonic::transport::Endpoint;
use containerd_client::tonic::{Code, IntoRequest, Request, Response, Status};
use containerd_client::types::Envelope;
use containerd_client::{Client, events};
use jiff::Timestamp;
use prost_types::Any;
use tokio::sync::mpsc;

use crate::blob::{self, Blob};
use crate::view::{Content, Event, Fact, Image, Ingest, Lease, View, Want};

/// A runtime that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(2);
/// Every pull's lease has it, no sandbox's has.
const PULL_LEASES: &str = r#"labels."containerd.io/gc.expire""#;
const SOURCE_LABEL: &str = "containerd.io/distribution.source.";
const CHILD_LABEL: &str = "containerd.io/gc.ref.content.";
const SNAPSHOTS: &str = "snapshots/";

/// Why the runtime cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// No socket, nobody listens, connection lost.
    #[error(
        "failed to reach containerd at {socket}: {cause}; is the service up, and its folder mounted?"
    )]
    Unreachable {
        /// Where it should be.
        socket: PathBuf,
        /// What the system says.
        cause: String,
    },
    /// No answer in time.
    #[error("containerd did not answer {operation} within {} s", DEADLINE.as_secs())]
    Hanging {
        /// What was asked.
        operation: &'static str,
    },
    /// It says no.
    #[error("containerd refused {operation}: {cause}")]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// What it says.
        cause: String,
    },
}

/// A connection to containerd.
pub struct Containerd {
    client: Client,
    socket: PathBuf,
    version: String,
    /// What layers are unpacked with, as leases tell.
    snapshotter: String,
}

impl Containerd {
    /// Connects, and asks who is there.
    pub async fn connect(socket: &Path) -> Result<Self, RuntimeError> {
        let unreachable = |cause: &dyn std::fmt::Display| RuntimeError::Unreachable {
            socket: socket.to_owned(),
            cause: cause.to_string(),
        };
        let path = socket.to_owned();
        // Servers written in Go refuse the odd authorities that clients make up for Unix sockets.
        let endpoint = Endpoint::from_static("http://localhost");
        let connecting = endpoint.connect_with_connector(tower::service_fn(move |_| {
            let path = path.clone();
            async move {
                let stream = tokio::net::UnixStream::connect(path).await?;
                Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
            }
        }));
        let channel = tokio::time::timeout(DEADLINE, connecting)
            .await
            .map_err(|_| RuntimeError::Hanging {
                operation: "a connection",
            })?
            .map_err(|error| unreachable(&innermost(&error)))?;
        let mut containerd = Self {
            client: Client::from(channel),
            socket: socket.to_owned(),
            version: String::new(),
            snapshotter: "overlayfs".to_owned(),
        };
        let mut service = containerd.client.version();
        let version = containerd.ask("Version", service.version(())).await?;
        containerd.version = version.version;
        Ok(containerd)
    }

    /// As it says itself.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Pulls that go on, with all they hold; ingests are looked at only if there are any.
    pub async fn look(&mut self, namespace: &str) -> Result<View, RuntimeError> {
        let mut service = self.client.leases();
        let request = ListRequest {
            filters: vec![PULL_LEASES.to_owned()],
        };
        let listing = service.list(within(namespace, request));
        let found = self.ask("leases.List", listing).await?.leases;
        let mut leases = Vec::with_capacity(found.len());
        for lease in found {
            let request = ListResourcesRequest {
                id: lease.id.clone(),
            };
            let listing = service.list_resources(within(namespace, request));
            match self.ask("leases.ListResources", listing).await {
                Ok(answer) => {
                    let created_at = time(lease.created_at);
                    leases.push(self.lease(lease.id, created_at, answer.resources));
                }
                // It ended in between.
                Err(RuntimeError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let ingests = if leases.is_empty() {
            Vec::new()
        } else {
            self.ingests(namespace).await?
        };
        Ok(View { leases, ingests })
    }

    fn lease(
        &mut self,
        id: String,
        created_at: Timestamp,
        resources: Vec<containerd_client::services::v1::Resource>,
    ) -> Lease {
        let mut lease = Lease {
            id,
            created_at,
            content: Vec::new(),
            ingests: Vec::new(),
            snapshots: Vec::new(),
        };
        for resource in resources {
            match resource.r#type.as_str() {
                "content" => lease.content.push(resource.id),
                "ingests" => lease.ingests.push(resource.id),
                kind => {
                    if let Some(snapshotter) = kind.strip_prefix(SNAPSHOTS) {
                        if self.snapshotter != snapshotter {
                            snapshotter.clone_into(&mut self.snapshotter);
                        }
                        lease.snapshots.push(resource.id);
                    }
                }
            }
        }
        lease
    }

    async fn ingests(&self, namespace: &str) -> Result<Vec<Ingest>, RuntimeError> {
        let mut service = self.client.content();
        let request = ListStatusesRequest {
            filters: Vec::new(),
        };
        let listing = service.list_statuses(within(namespace, request));
        let statuses = self.ask("content.ListStatuses", listing).await?.statuses;
        let ingest = |status: containerd_client::services::v1::Status| Ingest {
            reference: status.r#ref,
            offset: whole(status.offset),
            total: whole(status.total),
            started_at: time(status.started_at),
            updated_at: time(status.updated_at),
        };
        Ok(statuses.into_iter().map(ingest).collect())
    }

    /// Answers one question.
    pub async fn answer(&self, namespace: &str, want: Want) -> Result<Fact, RuntimeError> {
        Ok(match want {
            Want::Content(digest) => {
                let content = present(self.content(namespace, &digest).await)?;
                Fact::Content(digest, content)
            }
            Want::Blob(digest) => {
                let blob = present(self.blob(namespace, &digest).await)?;
                Fact::Blob(digest, blob)
            }
            Want::Snapshot(chain_id) => {
                let at = present(self.snapshot(namespace, &chain_id).await)?;
                Fact::Snapshot(chain_id, at)
            }
            Want::NamesOf(digest) => {
                let filter = format!("target.digest=={digest}");
                let images = self.images(namespace, vec![filter]).await?;
                Fact::NamesOf(digest, images)
            }
            Want::AllNames => Fact::AllNames(self.images(namespace, Vec::new()).await?),
            Want::Name(name) => {
                let image = present(self.image(namespace, &name).await)?;
                Fact::Name(name, image)
            }
        })
    }

    async fn content(&self, namespace: &str, digest: &str) -> Result<Content, RuntimeError> {
        let mut service = self.client.content();
        let request = InfoRequest {
            digest: digest.to_owned(),
        };
        let asking = service.info(within(namespace, request));
        let info = self
            .ask("content.Info", asking)
            .await?
            .info
            .unwrap_or_default();
        Ok(Content {
            size: whole(info.size),
            created_at: time(info.created_at),
            sources: sources(&info.labels),
            has_children: info.labels.keys().any(|key| key.starts_with(CHILD_LABEL)),
        })
    }

    /// Stops reading at the first piece that cannot belong to a document.
    async fn blob(&self, namespace: &str, digest: &str) -> Result<Blob, RuntimeError> {
        let mut service = self.client.content();
        let request = ReadContentRequest {
            digest: digest.to_owned(),
            offset: 0,
            size: 0,
        };
        let asking = service.read(within(namespace, request));
        let mut pieces = self.ask("content.Read", asking).await?;
        let mut bytes = Vec::new();
        loop {
            let next = async { pieces.message().await.map(Response::new) };
            let Some(piece) = self.ask("content.Read", next).await? else {
                break;
            };
            bytes.extend_from_slice(&piece.data);
            if bytes.len() > blob::LONGEST || !blob::may_be_document(&bytes) {
                return Ok(Blob::Other);
            }
        }
        Ok(Blob::read(&bytes))
    }

    async fn snapshot(&self, namespace: &str, chain_id: &str) -> Result<Timestamp, RuntimeError> {
        let mut service = self.client.snapshots();
        let request = StatSnapshotRequest {
            snapshotter: self.snapshotter.clone(),
            key: chain_id.to_owned(),
        };
        let asking = service.stat(within(namespace, request));
        let info = self.ask("snapshots.Stat", asking).await?.info;
        Ok(time(info.unwrap_or_default().created_at))
    }

    async fn images(
        &self,
        namespace: &str,
        filters: Vec<String>,
    ) -> Result<Vec<Image>, RuntimeError> {
        let mut service = self.client.images();
        let asking = service.list(within(namespace, ListImagesRequest { filters }));
        let images = self.ask("images.List", asking).await?.images;
        Ok(images.into_iter().map(image).collect())
    }

    async fn image(&self, namespace: &str, name: &str) -> Result<Image, RuntimeError> {
        let mut service = self.client.images();
        let request = GetImageRequest {
            name: name.to_owned(),
        };
        let asking = service.get(within(namespace, request));
        let record = self.ask("images.Get", asking).await?.image;
        Ok(image(record.unwrap_or_default()))
    }

    /// Tells what happens until the connection ends; the sender is dropped then.
    pub fn listen(&self, namespaces: &[String]) -> mpsc::Receiver<Heard> {
        let (sender, receiver) = mpsc::channel(256);
        let filters = namespaces
            .iter()
            .flat_map(|namespace| {
                ["content", "snapshot", "images"]
                    .map(|topic| format!(r#"namespace=="{namespace}",topic~="^/{topic}/""#))
            })
            .collect();
        let mut service = self.client.events();
        // The call itself returns only with the first event, so it has no deadline and waits elsewhere.
        tokio::spawn(async move {
            let Ok(answer) = service.subscribe(SubscribeRequest { filters }).await else {
                return;
            };
            let mut envelopes = answer.into_inner();
            while let Ok(Some(envelope)) = envelopes.message().await {
                if let Some(heard) = heard(envelope)
                    && sender.send(heard).await.is_err()
                {
                    return;
                }
            }
        });
        receiver
    }

    async fn ask<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, RuntimeError> {
        match tokio::time::timeout(DEADLINE, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) if matches!(status.code(), Code::Unavailable | Code::Cancelled) => {
                Err(RuntimeError::Unreachable {
                    socket: self.socket.clone(),
                    cause: status.message().to_owned(),
                })
            }
            // A connection that breaks within a call is no answer of the runtime.
            Ok(Err(status)) if std::error::Error::source(&status).is_some() => {
                Err(RuntimeError::Unreachable {
                    socket: self.socket.clone(),
                    cause: status.message().to_owned(),
                })
            }
            Ok(Err(status)) => Err(RuntimeError::Refused {
                operation,
                cause: format!("{:?}: {}", status.code(), status.message()),
            }),
            Err(_) => Err(RuntimeError::Hanging { operation }),
        }
    }
}

/// Something that happened in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Of containerd.
    pub namespace: String,
    /// When, by the runtime's clock.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// Whether events tell of every blob that arrives, so that looking now and then is enough.
pub fn tells_of_content(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split(['.', '-', '~', '+']);
    let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    (next(), next()) >= (Some(2), Some(1))
}

fn heard(envelope: Envelope) -> Option<Heard> {
    let event = envelope.event.as_ref()?;
    let event = match envelope.topic.as_str() {
        "/content/create" => Event::ContentCreated,
        "/snapshot/prepare" => Event::SnapshotPrepared,
        "/snapshot/remove" => Event::SnapshotRemoved,
        "/snapshot/commit" => {
            Event::SnapshotCommitted(decoded::<events::SnapshotCommit>(event)?.name)
        }
        "/images/create" => Event::ImageNamed(decoded::<ImageCreate>(event)?.name),
        "/images/update" => Event::ImageNamed(decoded::<ImageUpdate>(event)?.name),
        _ => return None,
    };
    Some(Heard {
        at: time(envelope.timestamp),
        namespace: envelope.namespace,
        event,
    })
}

/// containerd writes type names without the `type.googleapis.com/` that others expect.
fn decoded<T: prost::Message + Default>(event: &Any) -> Option<T> {
    T::decode(event.value.as_slice()).ok()
}

fn within<T>(namespace: &str, request: T) -> Request<T> {
    let mut request = request.into_request();
    if let Ok(value) = namespace.parse() {
        request.metadata_mut().insert("containerd-namespace", value);
    }
    request
}

/// What is not there is an answer.
fn present<T>(answer: Result<T, RuntimeError>) -> Result<Option<T>, RuntimeError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(RuntimeError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn sources(labels: &HashMap<String, String>) -> Vec<(String, Vec<String>)> {
    let mut sources: Vec<_> = labels
        .iter()
        .filter_map(|(key, value)| {
            let host = key.strip_prefix(SOURCE_LABEL)?;
            let repositories = value.split(',').map(str::to_owned).collect();
            Some((host.to_owned(), repositories))
        })
        .collect();
    sources.sort();
    sources
}

fn image(record: ImageRecord) -> Image {
    Image {
        name: record.name,
        target: record.target.unwrap_or_default().digest,
        created_at: time(record.created_at),
        updated_at: time(record.updated_at),
    }
}

fn time(stamp: Option<prost_types::Timestamp>) -> Timestamp {
    let stamp = stamp.unwrap_or_default();
    Timestamp::new(stamp.seconds, stamp.nanos).unwrap_or_default()
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_tell_of_content() {
        for version in ["v2.1.9", "2.3.4", "v3.0.0-beta.1", "2.1.9-k3s1"] {
            assert!(tells_of_content(version), "{version}");
        }
        for version in ["1.6.20~ds1", "v1.7.34", "2.0.4", "", "dev"] {
            assert!(!tells_of_content(version), "{version}");
        }
    }
}
