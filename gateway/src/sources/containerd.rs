//! containerd's content store through its socket, where its files cannot be read.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::version_client::VersionClient;
use containerd_client::services::v1::{InfoRequest, ReadContentRequest};
use containerd_client::tonic::transport::{Channel, Endpoint};
use containerd_client::tonic::{Code, Request, Status};
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use crate::content::ReadRange;
use crate::names::Digest;

/// How long containerd may take for anything but content.
const DEADLINE: Duration = Duration::from_secs(5);

/// What may be on its way for one reader: containerd sends pieces of up to 1 MiB.
const WINDOW: u32 = 1024 * 1024;

/// A connection to containerd, which comes back by itself when it was lost. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    channel: Channel,
    namespace: String,
}

impl Socket {
    /// Connects, and makes sure that containerd answers.
    pub(super) async fn connect(socket: &Path, namespace: &str) -> io::Result<Self> {
        // Connecting again and again to a socket that is not there would only wait for the deadline.
        tokio::net::UnixStream::connect(socket).await?;
        let path = socket.to_owned();
        // Servers written in Go refuse the odd authorities that clients make up for Unix sockets.
        let endpoint = Endpoint::from_static("http://localhost").initial_stream_window_size(WINDOW);
        let channel = endpoint.connect_with_connector_lazy(tower::service_fn(move |_| {
            let path = path.clone();
            async move {
                let stream = tokio::net::UnixStream::connect(path).await?;
                Ok::<_, io::Error>(hyper_util::rt::TokioIo::new(stream))
            }
        }));
        let socket = Self {
            channel: channel.clone(),
            namespace: namespace.to_owned(),
        };
        let asking = async { VersionClient::new(channel).version(()).await };
        in_time(asking).await?.map_err(io::Error::other)?;
        Ok(socket)
    }

    /// A document as a whole; `None` when it is not there.
    pub(super) async fn whole(&self, digest: &Digest, most: u64) -> io::Result<Option<Bytes>> {
        let Some(size) = self.size(digest).await? else {
            return Ok(None);
        };
        if size > most {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is larger than any document",
            ));
        }
        let pieces = self
            .content(digest.clone())
            .read(0..size)
            .try_collect::<Vec<_>>();
        let content: Bytes = in_time(pieces).await??.concat().into();
        Ok(Some(content))
    }

    /// The size of some content; `None` when it is not there.
    pub(super) async fn size(&self, digest: &Digest) -> io::Result<Option<u64>> {
        let request = InfoRequest {
            digest: digest.to_string(),
        };
        let mut client = ContentClient::new(self.channel.clone());
        let request = self.request(request)?;
        match in_time(client.info(request)).await? {
            Ok(answer) => {
                let info = answer.into_inner().info.unwrap_or_default();
                Ok(u64::try_from(info.size).ok())
            }
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(failed(&status)),
        }
    }

    /// Content that is read later.
    pub(super) fn content(&self, digest: Digest) -> SocketContent {
        SocketContent {
            socket: self.clone(),
            digest,
        }
    }

    fn request<T>(&self, message: T) -> io::Result<Request<T>> {
        let mut request = Request::new(message);
        let namespace = self.namespace.parse().map_err(io::Error::other)?;
        request
            .metadata_mut()
            .insert("containerd-namespace", namespace);
        Ok(request)
    }
}

/// Content by its digest.
pub(super) struct SocketContent {
    socket: Socket,
    digest: Digest,
}

impl ReadRange for SocketContent {
    /// One call reads the whole range. containerd holds the file open for it, so nothing is lost when the image is removed
    /// meanwhile, and no lease is needed.
    fn read(&self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let (socket, digest) = (self.socket.clone(), self.digest.to_string());
        let left = range.end.saturating_sub(range.start);
        if left == 0 {
            return stream::empty().boxed();
        }
        let opening = async move {
            let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
            let request = ReadContentRequest {
                digest,
                offset: i64::try_from(range.start).map_err(too_large)?,
                size: i64::try_from(left).map_err(too_large)?,
            };
            let request = socket.request(request)?;
            let mut client = ContentClient::new(socket.channel);
            let answer = client
                .read(request)
                .await
                .map_err(|status| failed(&status))?;
            let pieces = answer.into_inner().map_err(|status| failed(&status));
            Ok::<_, io::Error>(exactly(
                pieces.map_ok(|piece| piece.data.into()).boxed(),
                left,
            ))
        };
        stream::once(opening).try_flatten().boxed()
    }
}

/// Just so many bytes: a stream that ends before is an error, and what comes after is left out.
fn exactly(
    pieces: BoxStream<'static, io::Result<Bytes>>,
    left: u64,
) -> impl stream::Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((pieces, left), |(mut pieces, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let piece: Option<Bytes> = pieces.next().await.transpose()?;
        let mut piece = piece.ok_or(io::ErrorKind::UnexpectedEof)?;
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - piece.len() as u64;
        Ok(Some((piece, (pieces, left))))
    })
}

async fn in_time<T>(asking: impl Future<Output = T>) -> io::Result<T> {
    let answer = tokio::time::timeout(DEADLINE, asking).await;
    answer.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "containerd does not answer"))
}

fn failed(status: &Status) -> io::Error {
    let kind = match status.code() {
        Code::NotFound => io::ErrorKind::NotFound,
        Code::PermissionDenied => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, format!("containerd says: {}", status.message()))
}

#[cfg(test)]
mod tests {
    use std::io;

    use bytes::Bytes;
    use futures::stream::{self, StreamExt as _, TryStreamExt as _};

    use super::{Socket, exactly};

    async fn read(pieces: &[&'static str], left: u64) -> io::Result<Vec<u8>> {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
            .collect();
        let pieces: Vec<Bytes> = exactly(stream::iter(pieces).boxed(), left)
            .try_collect()
            .await?;
        Ok(pieces.concat())
    }

    #[tokio::test]
    async fn a_range_is_never_shorter_or_longer_than_asked_for() {
        assert_eq!(read(&["ab", "", "cd"], 4).await.unwrap(), b"abcd");
        assert_eq!(read(&["ab", "cd", "ef"], 3).await.unwrap(), b"abc");
        assert_eq!(
            read(&["ab"], 3).await.unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[tokio::test]
    async fn a_socket_that_is_not_there_is_said_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let error = Socket::connect(&folder.path().join("no.sock"), "moby")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
