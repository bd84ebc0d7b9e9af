//! Takes content out of a layout that passes, for a node that has it already.
//!
//! What all nodes have is not in the stream; this is for what only some of them have. Only the archives that
//! `docker::image::Layout` writes come here: whatever looks otherwise passes unchanged.

use std::collections::BTreeSet;

use bytes::Bytes;
use docker::archive::padding;
use docker::{ByteStream, Digest};
use futures::stream::{self, StreamExt as _};

const BLOCK: usize = 512;

/// Where content lies in a layout.
const BLOBS: &str = "blobs/sha256/";

/// The archive without the blobs that the node has.
pub(super) fn without(archive: ByteStream, has: BTreeSet<Digest>) -> ByteStream {
    if has.is_empty() {
        return archive;
    }
    let filter = archive.scan(Without::new(has), |without, piece| {
        let pieces = match piece {
            Ok(piece) => without.pass(piece).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        futures::future::ready(Some(stream::iter(pieces)))
    });
    filter.flatten().boxed()
}

/// Where in the archive it is.
struct Without {
    has: BTreeSet<Digest>,
    state: State,
}

enum State {
    /// In a header, of which this came so far.
    Header(Vec<u8>),
    /// In content and what fills it up.
    Content { left: u64, stays: bool },
    /// Behind the last entry, or behind something unknown.
    Rest,
}

impl Without {
    fn new(has: BTreeSet<Digest>) -> Self {
        Self {
            has,
            state: State::Header(Vec::new()),
        }
    }

    /// What stays of a piece.
    fn pass(&mut self, mut piece: Bytes) -> Vec<Bytes> {
        let mut passed = Vec::new();
        while !piece.is_empty() {
            match &mut self.state {
                State::Header(header) => {
                    let wanted = (BLOCK - header.len()).min(piece.len());
                    header.extend_from_slice(&piece.split_to(wanted));
                    if header.len() == BLOCK {
                        let header = std::mem::take(header);
                        self.state = self.after(&header);
                        if !matches!(self.state, State::Content { stays: false, .. }) {
                            passed.push(header.into());
                        }
                    }
                }
                State::Content { left, stays } => {
                    let length = (*left).min(piece.len() as u64);
                    *left -= length;
                    // It is no longer than the piece.
                    let part = piece.split_to(usize::try_from(length).unwrap_or(piece.len()));
                    if *stays {
                        passed.push(part);
                    }
                    if *left == 0 {
                        self.state = State::Header(Vec::new());
                    }
                }
                State::Rest => passed.push(std::mem::take(&mut piece)),
            }
        }
        passed
    }

    fn after(&self, header: &[u8]) -> State {
        let Some((name, size)) = file(header) else {
            return State::Rest;
        };
        let digest = name.strip_prefix(BLOBS);
        let digest = digest.and_then(|digits| Digest::of_hex(digits).ok());
        let stays = digest.is_none_or(|digest| !self.has.contains(&digest));
        match size + padding(size) as u64 {
            0 if stays => State::Header(Vec::new()),
            left => State::Content { left, stays },
        }
    }
}

/// Name and size of a plain file; nothing for what else there may be.
fn file(header: &[u8]) -> Option<(&str, u64)> {
    let text = |from: usize, to: usize| {
        let field = header.get(from..to)?.split(|byte| *byte == 0).next()?;
        std::str::from_utf8(field).ok()
    };
    if header.get(156) != Some(&b'0') {
        return None;
    }
    let size = u64::from_str_radix(text(124, 136)?.trim(), 8).ok()?;
    Some((text(0, 100)?, size))
}

#[cfg(test)]
mod tests;
