//! Reads files and standard input without holding up anything else.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use docker::ByteStream;
use futures::stream::{self, StreamExt as _};
use tokio::sync::mpsc::channel;

const CHUNK: usize = 256 * 1024;

/// Pieces that are read ahead.
const AHEAD: usize = 4;

/// A file's content.
pub(super) fn file(path: &Path) -> io::Result<ByteStream> {
    Ok(reading(File::open(path)?))
}

/// What comes on standard input.
pub(super) fn stdin() -> ByteStream {
    reading(io::stdin())
}

/// Reads in a thread of its own, which nobody waits for: a terminal or a pipe may never give anything.
fn reading(mut from: impl Read + Send + 'static) -> ByteStream {
    let (sender, receiver) = channel(AHEAD);
    std::thread::spawn(move || {
        loop {
            let piece = match piece(&mut from) {
                Ok(piece) if piece.is_empty() => return,
                other => other,
            };
            let is_last = piece.is_err();
            if sender.blocking_send(piece).is_err() || is_last {
                return;
            }
        }
    });
    stream::unfold(receiver, |mut receiver| async move {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    })
    // Who looks for more after the end finds the end again.
    .fuse()
    .boxed()
}

fn piece(from: &mut impl Read) -> io::Result<Bytes> {
    let mut bytes = Vec::with_capacity(CHUNK);
    from.take(CHUNK as u64).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}
