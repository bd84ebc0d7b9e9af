//! Blocking readers as streams of large pieces, whose buffers are used again.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::task::JoinHandle;

use crate::content::ReadRange;

/// Large enough that a system call or a change of threads costs nothing beside it.
const PIECE: usize = 256 * 1024;

/// The most buffers that wait for their next use.
const MOST_SPARE: usize = 16;

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Where bytes stand, open at some place.
pub(super) type Opened = Box<dyn Read + Send>;

/// What is read by a thread that may wait for a disk.
pub(super) trait Open: Send + Sync + 'static {
    /// Opens at a place.
    fn open_at(&self, start: u64) -> io::Result<Opened>;
}

/// Bytes of something that is opened for each read.
pub(super) struct Blocking<S>(pub(super) Arc<S>);

impl<S: Open> ReadRange for Blocking<S> {
    fn read(&self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let source = Arc::clone(&self.0);
        let left = range.end.saturating_sub(range.start);
        if left == 0 {
            return stream::empty().boxed();
        }
        let first: Job = Box::new(move || fill(source.open_at(range.start)?, left));
        stream::unfold(Next::Job(first), |next| async move {
            let task = match next {
                Next::Job(job) => tokio::task::spawn_blocking(job),
                Next::Task(task) => task,
                Next::End => return None,
            };
            match task
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)))
            {
                Err(error) => Some((Err(error), Next::End)),
                Ok((bytes, None)) => Some((Ok(bytes), Next::End)),
                // The next piece is read while this one is sent.
                Ok((bytes, Some((opened, left)))) => {
                    let task = tokio::task::spawn_blocking(move || fill(opened, left));
                    Some((Ok(bytes), Next::Task(task)))
                }
            }
        })
        .boxed()
    }
}

/// A piece, and what is left to read.
type Filled = io::Result<(Bytes, Option<(Opened, u64)>)>;
type Job = Box<dyn FnOnce() -> Filled + Send>;

enum Next {
    Job(Job),
    Task(JoinHandle<Filled>),
    End,
}

fn fill(mut opened: Opened, left: u64) -> Filled {
    let mut piece = Piece::new();
    let wanted = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
    opened.read_exact(&mut piece.buffer[..wanted])?;
    piece.filled = wanted;
    let left = left - wanted as u64;
    let rest = (left > 0).then_some((opened, left));
    Ok((Bytes::from_owner(piece), rest))
}

/// A filled buffer, which goes back when the last reader is done with it.
struct Piece {
    buffer: Vec<u8>,
    filled: usize,
}

impl Piece {
    fn new() -> Self {
        let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self {
            buffer: spare.unwrap_or_else(|| vec![0; PIECE]),
            filled: 0,
        }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MOST_SPARE {
            spare.push(std::mem::take(&mut self.buffer));
        }
    }
}

/// Bytes in memory.
pub(super) struct Memory(pub(super) Bytes);

impl ReadRange for Memory {
    fn read(&self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let bounds =
            usize::try_from(range.start).and_then(|start| Ok(start..usize::try_from(range.end)?));
        let bytes = match bounds {
            Ok(bounds) if bounds.start <= bounds.end && bounds.end <= self.0.len() => {
                Ok(self.0.slice(bounds))
            }
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        stream::iter([bytes]).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _, Seek as _, SeekFrom};
    use std::sync::Arc;

    use futures::stream::TryStreamExt as _;

    use super::{Blocking, Open, Opened, PIECE};
    use crate::content::ReadRange as _;

    struct Text(Vec<u8>);

    impl Open for Text {
        fn open_at(&self, start: u64) -> io::Result<Opened> {
            let mut cursor = io::Cursor::new(self.0.clone());
            cursor.seek(SeekFrom::Start(start))?;
            Ok(Box::new(cursor.take(u64::MAX)))
        }
    }

    async fn read(source: &Blocking<Text>, range: std::ops::Range<u64>) -> io::Result<Vec<u8>> {
        let pieces: Vec<bytes::Bytes> = source.read(range).try_collect().await?;
        Ok(pieces.concat())
    }

    #[tokio::test]
    async fn any_range_is_read_in_pieces_and_a_short_source_is_an_error() {
        let text: Vec<u8> = (0..PIECE * 2 + 17)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect();
        let size = text.len() as u64;
        let source = Blocking(Arc::new(Text(text.clone())));
        assert_eq!(read(&source, 0..size).await.unwrap(), text);
        assert_eq!(read(&source, 7..9).await.unwrap(), text[7..9]);
        assert_eq!(read(&source, 3..3).await.unwrap(), b"");
        let error = read(&source, 0..size + 1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
