//! What a layer's archive was made of, as the Engine wrote it down when it unpacked the layer: `tar-split.json.gz`.
//!
//! One line of JSON per part: bytes as they stood in the archive (headers, padding), or a file whose content lies in the
//! layer's folder. Lines are read one at a time, whatever the layer's size.

use std::io::{self, BufRead as _, BufReader, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// The longest line. Headers with all their extensions fit, and so does the padding at an archive's end, which comes in
/// parts of 1 MiB.
const LONGEST_LINE: u64 = 4 * 1024 * 1024;

/// The largest layer.
const LARGEST: u64 = 1 << 42;

/// The most parts of a layer.
const MOST_PARTS: u64 = 20_000_000;

/// What is read from the file at a time.
const BUFFER: usize = 64 * 1024;

/// The parts of an archive, in their order.
pub(super) struct Parts<R: Read> {
    lines: BufReader<MultiGzDecoder<BufReader<R>>>,
    line: Vec<u8>,
    count: u64,
}

/// A part of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Bytes of the archive itself.
    Bytes(Encoded<'a>),
    /// The content of a file.
    File {
        /// Its name, as the archive has it.
        name: Vec<u8>,
        /// Its size.
        size: u64,
    },
}

/// Bytes in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoded<'a>(&'a str);

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: u8,
    name: Option<String>,
    /// A name that is no UTF-8, in base64.
    name_raw: Option<&'a str>,
    #[serde(default)]
    size: u64,
    /// Go writes no bytes as null.
    #[serde(borrow)]
    payload: Option<&'a str>,
}

impl<R: Read> Parts<R> {
    /// Reads a `tar-split.json.gz`.
    pub(super) fn new(file: R) -> Self {
        let unpacked = MultiGzDecoder::new(BufReader::with_capacity(BUFFER, file));
        Self {
            lines: BufReader::with_capacity(BUFFER, unpacked),
            line: Vec::new(),
            count: 0,
        }
    }

    /// The next part.
    pub(super) fn next(&mut self) -> io::Result<Option<Part<'_>>> {
        self.line.clear();
        let read = (&mut self.lines)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.count += 1;
        if self.count > MOST_PARTS || self.line.len() as u64 == LONGEST_LINE {
            return Err(invalid("it is larger than any description of a layer"));
        }
        part(&self.line).map(Some)
    }

    /// The size of the whole archive.
    pub(super) fn size(mut self) -> io::Result<u64> {
        let mut size: u64 = 0;
        while let Some(part) = self.next()? {
            size = part
                .len()
                .and_then(|more| size.checked_add(more))
                .filter(|size| *size <= LARGEST)
                .ok_or_else(|| invalid("it describes something larger than any layer"))?;
        }
        Ok(size)
    }
}

fn part(line: &[u8]) -> io::Result<Part<'_>> {
    let Line {
        kind,
        name,
        name_raw,
        size,
        payload,
    } = serde_json::from_slice(line)
        .map_err(|_| invalid("a line of it is no part of an archive"))?;
    match (kind, name, name_raw) {
        (1, name, Some(raw)) if name.as_ref().is_none_or(String::is_empty) => {
            let name = STANDARD
                .decode(raw)
                .map_err(|_| invalid("a name in it is no base64"))?;
            Ok(Part::File { name, size })
        }
        (1, Some(name), None) => Ok(Part::File {
            name: name.into_bytes(),
            size,
        }),
        (2, _, _) => Ok(Part::Bytes(Encoded(payload.unwrap_or_default()))),
        _ => Err(invalid("it has a part of an unknown kind")),
    }
}

impl Part<'_> {
    /// How much of the archive it makes; `None` when that cannot be.
    pub(super) fn len(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => bytes.len().map(|len| len as u64),
            Self::File { size, .. } => Some(*size),
        }
    }
}

impl Encoded<'_> {
    /// How many bytes it stands for, without making them.
    fn len(self) -> Option<usize> {
        let text = self.0.as_bytes();
        let padding = text
            .iter()
            .rev()
            .take(2)
            .take_while(|byte| **byte == b'=')
            .count();
        (text.len().is_multiple_of(4) && (padding == 0 || !text.is_empty()))
            .then(|| text.len() / 4 * 3 - padding)
    }

    /// The bytes, in place of what was in the buffer.
    pub(super) fn decode(self, bytes: &mut Vec<u8>) -> io::Result<()> {
        bytes.clear();
        STANDARD
            .decode_vec(self.0, bytes)
            .map_err(|_| invalid("a part of it is no base64"))
    }
}

pub(super) fn invalid(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
#[path = "tar_split_tests.rs"]
pub(super) mod tests;
