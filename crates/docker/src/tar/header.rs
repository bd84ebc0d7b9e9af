//! Headers of entries, written and read.

/// Everything in an archive is a multiple of this.
pub(crate) const BLOCK: usize = 512;

/// The most that 11 octal digits can say.
const LARGEST_OCTAL: u64 = 0o777_7777_7777;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file with its bytes.
    File,
    /// A folder; its name ends with a slash.
    Folder,
    /// A link by name.
    Symlink,
    /// Another name of an earlier entry.
    Hardlink,
    /// Devices, pipes and what else there may be.
    Other,
    /// Says more about the entry that follows it, as pax does.
    Pax,
    /// Says more about all entries that follow it.
    PaxGlobal,
    /// The name of the entry that follows it, as GNU does.
    LongName,
    /// The link of the entry that follows it, as GNU does.
    LongLink,
}

impl Kind {
    fn of(flag: u8) -> Self {
        match flag {
            b'0' | 0 | b'7' => Self::File,
            b'1' => Self::Hardlink,
            b'2' => Self::Symlink,
            b'5' => Self::Folder,
            b'x' => Self::Pax,
            b'g' => Self::PaxGlobal,
            b'L' => Self::LongName,
            b'K' => Self::LongLink,
            _ => Self::Other,
        }
    }

    fn flag(self) -> u8 {
        match self {
            Self::File | Self::Other => b'0',
            Self::Hardlink => b'1',
            Self::Symlink => b'2',
            Self::Folder => b'5',
            Self::Pax => b'x',
            Self::PaxGlobal => b'g',
            Self::LongName => b'L',
            Self::LongLink => b'K',
        }
    }
}

/// A header as it stands in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
}

impl Header {
    /// Reads a block; nothing when it is no header.
    pub(crate) fn parse(block: &[u8; BLOCK]) -> Option<Self> {
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| {
                u64::from(if (148..156).contains(&at) {
                    b' '
                } else {
                    *byte
                })
            })
            .sum();
        if number(&block[148..156])? != sum {
            return None;
        }
        let mut path = text(&block[..100]).to_vec();
        let prefix = text(&block[345..500]);
        if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
            path = [prefix, b"/", &path].concat();
        }
        Some(Self {
            path,
            link: text(&block[157..257]).to_vec(),
            kind: Kind::of(block[156]),
            size: number(&block[124..136])?,
        })
    }
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal digits, or GNU's big-endian bytes behind a set bit.
fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        let start = u64::from(first & 0x7f);
        return rest.iter().try_fold(start, |sum, byte| {
            sum.checked_mul(256)?.checked_add(u64::from(*byte))
        });
    }
    let digits = field
        .iter()
        .skip_while(|byte| **byte == b' ')
        .take_while(|byte| !matches!(byte, 0 | b' '));
    digits.into_iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 8)?;
        sum.checked_mul(8)?.checked_add(u64::from(digit))
    })
}

/// The header of an entry, with a pax header before it when a field cannot hold what it must. The owner is root and the
/// time the beginning of time, so that equal content makes equal archives.
pub fn entry(path: &str, kind: Kind, mode: u32, size: u64) -> Vec<u8> {
    let mut records = Vec::new();
    if path.len() > 100 {
        records.extend(record("path", path));
    }
    if size > LARGEST_OCTAL {
        records.extend(record("size", &size.to_string()));
    }
    let mut bytes = Vec::new();
    if !records.is_empty() {
        bytes.extend(block(
            "././@PaxHeader",
            Kind::Pax,
            0o644,
            records.len() as u64,
        ));
        let filling = padding(records.len() as u64);
        bytes.extend(records);
        bytes.resize(bytes.len() + filling, 0);
    }
    bytes.extend(block(path, kind, mode, size.min(LARGEST_OCTAL)));
    bytes
}

/// `length key=value\n`, where the length counts itself.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}").into_bytes()
}

fn block(path: &str, kind: Kind, mode: u32, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let path = &path.as_bytes()[..path.len().min(100)];
    block[..path.len()].copy_from_slice(path);
    let mut octal = |from: usize, digits: usize, value: u64| {
        let text = format!("{value:0digits$o}\0");
        block[from..from + text.len()].copy_from_slice(text.as_bytes());
    };
    octal(100, 7, u64::from(mode & 0o7777));
    octal(108, 7, 0);
    octal(116, 7, 0);
    octal(124, 11, size);
    octal(136, 11, 0);
    block[148..156].copy_from_slice(b"        ");
    block[156] = kind.flag();
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// How many zeros follow content of this size.
pub fn padding(size: u64) -> usize {
    let block = BLOCK as u64;
    usize::try_from((block - size % block) % block).unwrap_or_default()
}

/// What closes an archive.
pub fn end() -> [u8; 2 * BLOCK] {
    [0; 2 * BLOCK]
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Header, Kind, entry, number, padding, record};

    #[test]
    fn numbers_are_octal_or_big_endian_and_never_overflow() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"00008\0"), None);
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(2 << 32));
        assert_eq!(number(&[0xff; 12]), None);
    }

    #[test]
    fn the_length_of_a_record_counts_itself() {
        assert_eq!(record("path", "x"), b"9 path=x\n");
        for length in 80..120 {
            let record = record("path", &"x".repeat(length));
            let text = String::from_utf8(record).unwrap();
            let said: usize = text.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(said, text.len());
        }
    }

    #[test]
    fn a_header_reads_as_it_was_written_and_not_with_a_bit_flipped() {
        let bytes = entry("etc/hosts", Kind::File, 0o644, 7);
        let block: [u8; BLOCK] = bytes.try_into().unwrap();
        let header = Header::parse(&block).unwrap();
        assert_eq!(
            (header.path.as_slice(), header.kind, header.size),
            (&b"etc/hosts"[..], Kind::File, 7)
        );
        let mut broken = block;
        broken[3] ^= 1;
        assert_eq!(Header::parse(&broken), None);
    }

    #[test]
    fn content_fills_whole_blocks() {
        assert_eq!([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
    }
}
