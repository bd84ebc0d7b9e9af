//! A layer's archive, put together anew while it is read.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::PathBuf;

use super::tar_split::{Part, Parts, invalid};
use crate::sources::beneath::Folder;
use crate::sources::stream::{Open, Opened};

/// Where a layer's parts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LayerFiles {
    /// Its `tar-split.json.gz`.
    pub(super) parts: PathBuf,
    /// The folder of its files.
    pub(super) diff: PathBuf,
}

impl LayerFiles {
    /// The exact size of the archive.
    pub(super) fn size(&self) -> io::Result<u64> {
        Parts::new(File::open(&self.parts)?).size()
    }
}

impl Open for LayerFiles {
    fn open_at(&self, start: u64) -> io::Result<Opened> {
        let mut tar = LayerTar::new(File::open(&self.parts)?, Folder::open(&self.diff)?);
        tar.skip(start)?;
        Ok(Box::new(tar))
    }
}

/// An archive that is being read. It holds one part's bytes at most.
pub(super) struct LayerTar<R: Read> {
    parts: Parts<R>,
    folder: Folder,
    bytes: Vec<u8>,
    now: Now,
}

enum Now {
    /// The bytes from here on.
    Bytes(usize),
    File(File, u64),
}

impl<R: Read> LayerTar<R> {
    pub(super) fn new(parts: R, folder: Folder) -> Self {
        Self {
            parts: Parts::new(parts),
            folder,
            bytes: Vec::new(),
            now: Now::Bytes(0),
        }
    }

    /// Passes bytes by, of which there must be enough; files in between are not opened.
    pub(super) fn skip(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let Some(part) = self.parts.next()? else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            let len = part
                .len()
                .ok_or_else(|| invalid("a part of it is no base64"))?;
            if len <= count {
                count -= len;
                continue;
            }
            self.now = enter(part, count, &self.folder, &mut self.bytes)?;
            return Ok(());
        }
        Ok(())
    }
}

/// Begins a part at a place within it.
fn enter(part: Part<'_>, at: u64, folder: &Folder, bytes: &mut Vec<u8>) -> io::Result<Now> {
    match part {
        Part::Bytes(encoded) => {
            encoded.decode(bytes)?;
            Ok(Now::Bytes(
                usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len()),
            ))
        }
        Part::File { size: 0, .. } => {
            bytes.clear();
            Ok(Now::Bytes(0))
        }
        Part::File { name, size } => {
            bytes.clear();
            let mut file = folder.file(&name)?;
            if file.metadata()?.len() != size {
                return Err(invalid(
                    "a file of the layer has another size than it was unpacked with",
                ));
            }
            if at > 0 {
                file.seek(SeekFrom::Start(at))?;
            }
            Ok(Now::File(file, size - at))
        }
    }
}

impl<R: Read> Read for LayerTar<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.now {
                Now::Bytes(at) if *at < self.bytes.len() => {
                    let count = buffer.len().min(self.bytes.len() - *at);
                    buffer[..count].copy_from_slice(&self.bytes[*at..*at + count]);
                    *at += count;
                    return Ok(count);
                }
                Now::File(file, left) if *left > 0 => {
                    let most =
                        usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
                    let count = file.read(&mut buffer[..most])?;
                    if count == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    *left -= count as u64;
                    return Ok(count);
                }
                _ => match self.parts.next()? {
                    Some(part) => self.now = enter(part, 0, &self.folder, &mut self.bytes)?,
                    None => return Ok(0),
                },
            }
        }
    }
}
