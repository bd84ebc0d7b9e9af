//! Reads an archive entry by entry, while it comes.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use futures::stream::StreamExt as _;

use super::header::{BLOCK, Header, Kind, padding};
use crate::engine::ByteStream;

/// The most that may be said about one entry in front of it.
const LONGEST_NOTE: u64 = 64 * 1024;

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TarError {
    /// Its bytes do not come.
    #[error("the archive broke off")]
    Source(#[from] io::Error),
    /// It ends in the middle.
    #[error("the archive ends too early")]
    Short,
    /// It is none.
    #[error("this is no tar archive")]
    Header,
    /// It is one, packed with the named program.
    #[error("this is a tar archive packed with {0}")]
    Compressed(&'static str),
    /// A name longer than any.
    #[error("the archive holds a header of {0} bytes")]
    Note(u64),
}

/// One thing in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As written; what is no UTF-8 is replaced.
    pub(crate) path: String,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    /// Where a link leads.
    pub(crate) link: String,
}

/// An archive that is being read.
pub(crate) struct Reader {
    source: ByteStream,
    /// What came and is not read yet.
    ready: Bytes,
    /// What of the current entry's content is not read yet.
    content: u64,
    /// The zeros after it.
    filling: usize,
}

impl Reader {
    pub(crate) fn new(source: ByteStream) -> Self {
        Self {
            source,
            ready: Bytes::new(),
            content: 0,
            filling: 0,
        }
    }

    /// The next entry; what was not read of the one before is skipped.
    pub(crate) async fn next(&mut self) -> Result<Option<Entry>, TarError> {
        let mut notes = Notes::default();
        loop {
            while self.chunk().await?.is_some() {}
            let Some(block) = self.block().await? else {
                return Ok(None);
            };
            if block.iter().all(|byte| *byte == 0) {
                return self.drain().await;
            }
            let header = Header::parse(&block).ok_or_else(|| no_header(&block))?;
            let size = notes.size.unwrap_or(header.size);
            match header.kind {
                Kind::Pax | Kind::LongName | Kind::LongLink => {
                    self.expect(header.size);
                    let note = self.note(header.size).await?;
                    notes.add(header.kind, &note)?;
                }
                Kind::PaxGlobal => self.expect(header.size),
                kind => {
                    // Only files have content; other kinds may state a size all the same.
                    let size = if kind == Kind::File {
                        size
                    } else {
                        header.size
                    };
                    self.expect(size);
                    return Ok(Some(Entry {
                        path: text(notes.path.unwrap_or(header.path)),
                        kind,
                        size,
                        link: text(notes.link.unwrap_or(header.link)),
                    }));
                }
            }
        }
    }

    /// The next piece of the current entry's content.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, TarError> {
        if self.content == 0 {
            while self.filling > 0 {
                if !self.more().await? {
                    return Err(TarError::Short);
                }
                let count = self.filling.min(self.ready.len());
                self.ready.advance(count);
                self.filling -= count;
            }
            return Ok(None);
        }
        if !self.more().await? {
            return Err(TarError::Short);
        }
        let count = usize::try_from(self.content)
            .unwrap_or(usize::MAX)
            .min(self.ready.len());
        let chunk = self.ready.split_to(count);
        self.content -= count as u64;
        Ok(Some(chunk))
    }

    /// All of the current entry's content, unless it is more than `most`.
    pub(crate) async fn whole(&mut self, most: u64) -> Result<Option<Bytes>, TarError> {
        if self.content > most {
            return Ok(None);
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(Some(whole.freeze()))
    }

    fn expect(&mut self, size: u64) {
        self.content = size;
        self.filling = padding(size);
    }

    async fn note(&mut self, size: u64) -> Result<Bytes, TarError> {
        self.whole(LONGEST_NOTE).await?.ok_or(TarError::Note(size))
    }

    /// A block, or nothing at the end of an archive that does not say that it ends.
    async fn block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            if !self.more().await? {
                return if filled == 0 {
                    Ok(None)
                } else {
                    Err(TarError::Short)
                };
            }
            let count = (BLOCK - filled).min(self.ready.len());
            block[filled..filled + count].copy_from_slice(&self.ready.split_to(count));
            filled += count;
        }
        Ok(Some(block))
    }

    /// Reads what follows the end, so that the sender can finish.
    async fn drain(&mut self) -> Result<Option<Entry>, TarError> {
        while self.more().await? {
            self.ready.clear();
        }
        Ok(None)
    }

    /// Whether there is a byte to read.
    async fn more(&mut self) -> Result<bool, TarError> {
        while self.ready.is_empty() {
            match self.source.next().await {
                Some(bytes) => self.ready = bytes?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// What stands before an entry about it.
#[derive(Default)]
struct Notes {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Notes {
    fn add(&mut self, kind: Kind, note: &[u8]) -> Result<(), TarError> {
        let ended = note.strip_suffix(b"\0").unwrap_or(note);
        match kind {
            Kind::LongName => self.path = Some(ended.to_vec()),
            Kind::LongLink => self.link = Some(ended.to_vec()),
            _ => {
                let mut rest = note;
                while !rest.is_empty() {
                    let (key, value, after) = record(rest).ok_or(TarError::Header)?;
                    match key {
                        b"path" => self.path = Some(value.to_vec()),
                        b"linkpath" => self.link = Some(value.to_vec()),
                        b"size" => self.size = Some(decimal(value).ok_or(TarError::Header)?),
                        _ => {}
                    }
                    rest = after;
                }
            }
        }
        Ok(())
    }
}

/// Takes `length key=value\n` off the front.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&bytes[..space])?).ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &bytes[length..]))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn no_header(block: &[u8; BLOCK]) -> TarError {
    const MAGICS: [(&[u8], &str); 4] = [
        (b"\x1f\x8b", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ", "xz"),
    ];
    MAGICS
        .iter()
        .find(|(magic, _)| block.starts_with(magic))
        .map_or(TarError::Header, |(_, with)| TarError::Compressed(with))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests;
