//! Whether an executable runs where there is nothing else.

use std::io::{self, Read, Seek, SeekFrom};

/// A Linux executable that asks for no interpreter, which is what loads shared libraries.
pub(super) fn is_static(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    const INTERPRETER: u32 = 3;
    file.seek(SeekFrom::Start(0))?;
    let mut start = Vec::new();
    file.take(64).read_to_end(&mut start)?;
    let Some(table) = Table::of(&start) else {
        return Ok(false);
    };
    for index in 0..u64::from(table.count) {
        let at = table.offset.saturating_add(index * u64::from(table.entry));
        file.seek(SeekFrom::Start(at))?;
        let mut kind = [0; 4];
        match file.read_exact(&mut kind) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        if u32::from_le_bytes(kind) == INTERPRETER {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where the program headers are.
struct Table {
    offset: u64,
    entry: u16,
    count: u16,
}

impl Table {
    /// From the start of a 64-bit little-endian file; we are built for no others.
    fn of(start: &[u8]) -> Option<Self> {
        let is_known = start.starts_with(b"\x7fELF\x02\x01");
        let field = |at: usize| Some(u16::from_le_bytes(start.get(at..at + 2)?.try_into().ok()?));
        let table = Self {
            offset: u64::from_le_bytes(start.get(32..40)?.try_into().ok()?),
            entry: field(54)?,
            count: field(56)?,
        };
        (is_known && table.count > 0).then_some(table)
    }
}
