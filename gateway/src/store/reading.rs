//! Bytes of blobs: whole ones, and ones that are being written.
//!
//! What the page cache holds is read on the spot; only what must come from the disk goes to a thread that may wait. Buffers
//! are large and used again, so serving costs neither calls nor memory per byte.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use rustix::io::ReadWriteFlags;
use tokio::sync::watch;

use crate::content::ReadRange;

/// How much is read at once.
const PIECE: usize = 256 * 1024;

/// How many buffers are kept for later.
const KEPT: usize = 32;

/// Keeps a blob from making room while it is held.
pub(crate) type Pin = Arc<()>;

/// Buffers that are used again.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Box<[u8]>>>);

/// A buffer on loan.
struct Lent {
    buffer: Option<Box<[u8]>>,
    length: usize,
    pool: Arc<Pool>,
}

impl Pool {
    fn lend(self: &Arc<Self>) -> Lent {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lent {
            buffer: Some(kept.unwrap_or_else(|| vec![0; PIECE].into())),
            length: 0,
            pool: Arc::clone(self),
        }
    }
}

impl Lent {
    fn space(&mut self, most: u64) -> &mut [u8] {
        let buffer = self.buffer.as_deref_mut().unwrap_or_default();
        let most = usize::try_from(most).unwrap_or(PIECE).min(buffer.len());
        &mut buffer[..most]
    }

    fn filled(mut self, length: usize) -> Bytes {
        self.length = length;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer.as_deref().unwrap_or_default()[..self.length]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut kept = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(buffer) = self.buffer.take().filter(|_| kept.len() < KEPT) {
            kept.push(buffer);
        }
    }
}

/// A whole blob. It is opened when it is read, so that asking for its size costs nothing.
pub(super) struct WholeBytes {
    pub(super) path: PathBuf,
    pub(super) pool: Arc<Pool>,
    pub(super) pin: Pin,
}

impl ReadRange for WholeBytes {
    fn read(&self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let (pool, pin) = (Arc::clone(&self.pool), Arc::clone(&self.pin));
        match File::open(&self.path) {
            Ok(file) => pieces(Arc::new(file), range, pool, pin),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }
}

fn pieces(
    file: Arc<File>,
    range: Range<u64>,
    pool: Arc<Pool>,
    pin: Pin,
) -> BoxStream<'static, io::Result<Bytes>> {
    stream::try_unfold((range.start, pin), move |(at, pin)| {
        let (file, pool) = (Arc::clone(&file), Arc::clone(&pool));
        async move {
            if at >= range.end {
                return Ok(None);
            }
            let piece = piece(&file, at, range.end - at, &pool).await?;
            let next = at + piece.len() as u64;
            Ok(Some((piece, (next, pin))))
        }
    })
    .boxed()
}

/// At most `most` bytes, and at least one.
async fn piece(file: &Arc<File>, at: u64, most: u64, pool: &Arc<Pool>) -> io::Result<Bytes> {
    let mut lent = pool.lend();
    let cached = rustix::io::preadv2(
        file,
        &mut [IoSliceMut::new(lent.space(most))],
        at,
        ReadWriteFlags::NOWAIT,
    );
    if let Ok(count @ 1..) = cached {
        return Ok(lent.filled(count));
    }
    let file = Arc::clone(file);
    let read = move || match file.read_at(lent.space(most), at)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => Ok(lent.filled(count)),
    };
    tokio::task::spawn_blocking(read)
        .await
        .map_err(io::Error::other)?
}

/// How far a blob is that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// So many bytes can be read.
    Written(u64),
    /// All are there and they are what they should be.
    Whole,
    /// They will not come.
    Failed,
}

/// A blob that is being written and whose size is known.
pub(super) struct Arriving {
    pub(super) file: Arc<File>,
    pub(super) size: u64,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) pool: Arc<Pool>,
}

/// Reads an arriving blob. The last byte is withheld until the whole is verified, so nobody takes a wrong blob for
/// complete.
pub(super) struct ArrivingBytes(pub(super) Arc<Arriving>);

impl ReadRange for ArrivingBytes {
    fn read(&self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let blob = Arc::clone(&self.0);
        let progress = blob.progress.subscribe();
        stream::try_unfold((range.start, progress), move |(at, mut progress)| {
            let blob = Arc::clone(&blob);
            async move {
                if at >= range.end {
                    return Ok(None);
                }
                let readable = readable(&blob, at, &mut progress).await?;
                let most = readable.min(range.end) - at;
                let piece = piece(&blob.file, at, most, &blob.pool).await?;
                let next = at + piece.len() as u64;
                Ok(Some((piece, (next, progress))))
            }
        })
        .boxed()
    }
}

/// Waits for bytes after `at` and says how far one can read.
async fn readable(
    blob: &Arriving,
    at: u64,
    progress: &mut watch::Receiver<Progress>,
) -> io::Result<u64> {
    let broke_off = || io::Error::other("the blob did not arrive whole");
    let now = progress
        .wait_for(|now| match now {
            Progress::Written(count) => (*count).min(blob.size.saturating_sub(1)) > at,
            Progress::Whole | Progress::Failed => true,
        })
        .await
        .map_err(|_| broke_off())?;
    match *now {
        Progress::Written(count) => Ok(count.min(blob.size.saturating_sub(1))),
        Progress::Whole => Ok(blob.size),
        Progress::Failed => Err(broke_off()),
    }
}
