//! Reading files that others may have put there: bounded, without following links, without hanging on a pipe.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::{Errno, read};

use crate::error::{Error, Result};
use crate::hidden::HiddenBytes;

/// No registries.yaml that k3s could use is larger.
pub(crate) const MAX_BYTES: usize = 8 * 1024 * 1024;

const MODE_BITS: u32 = 0o7777;
const RESTRICTED: u32 = 0o600;

/// A regular file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    pub bytes: HiddenBytes,
    pub mode: u32,
    pub uid: u32,
    /// Whether the file belongs to the user this process runs as.
    pub ours: bool,
    /// Seconds since 1970.
    pub modified: i64,
}

impl FoundFile {
    /// Readable by its owner, and by nobody else.
    pub fn is_restricted(&self) -> bool {
        self.mode == RESTRICTED
    }
}

/// What stands under one name of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Absent,
    File(FoundFile),
    Link(String),
}

/// Reads `name` of `directory`; `path` is only for messages.
pub(crate) fn read_entry(directory: &OwnedFd, name: &str, path: &Path) -> Result<Entry> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match openat(directory, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(Entry::Absent),
        Err(Errno::LOOP) => return read_link(directory, name, path),
        // What open(2) answers for a socket.
        Err(Errno::NXIO) => return Err(not_a_file(path, "a socket")),
        Err(errno) => return Err(Error::system("open", path, errno)),
    };
    let status = fstat(&file).map_err(|errno| Error::system("look at", path, errno))?;
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(not_a_file(path, "a directory")),
        FileType::Fifo => return Err(not_a_file(path, "a pipe")),
        _ => return Err(not_a_file(path, "a device")),
    }
    let bytes = read_to_end(&file, MAX_BYTES)
        .map_err(|errno| Error::system("read", path, errno))?
        .ok_or_else(|| Error::TooLarge {
            path: path.to_path_buf(),
            limit: MAX_BYTES,
        })?;
    Ok(Entry::File(FoundFile {
        bytes: bytes.into(),
        mode: status.st_mode & MODE_BITS,
        uid: status.st_uid,
        ours: status.st_uid == rustix::process::geteuid().as_raw(),
        modified: status.st_mtime,
    }))
}

/// `None` when there are more than `limit` bytes.
pub(crate) fn read_to_end(file: impl AsFd, limit: usize) -> rustix::io::Result<Option<Vec<u8>>> {
    let size = usize::try_from(fstat(&file)?.st_size)
        .unwrap_or(0)
        .min(limit);
    // One byte more than the file has shows its end without another growth of the buffer.
    let mut bytes = vec![0; size + 1];
    let mut filled = 0;
    loop {
        if filled > limit {
            return Ok(None);
        }
        if filled == bytes.len() {
            bytes.resize(filled * 2, 0);
        }
        match read(&file, &mut bytes[filled..]) {
            Ok(0) => {
                bytes.truncate(filled);
                return Ok(Some(bytes));
            }
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn read_link(directory: &OwnedFd, name: &str, path: &Path) -> Result<Entry> {
    let target = readlinkat(directory, name, Vec::new())
        .map_err(|errno| Error::system("look at", path, errno))?;
    Ok(Entry::Link(
        target.to_string_lossy().escape_debug().to_string(),
    ))
}

fn not_a_file(path: &Path, kind: &'static str) -> Error {
    Error::NotAFile {
        path: path.to_path_buf(),
        kind,
    }
}
