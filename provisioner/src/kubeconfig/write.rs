//! Replaces a kubeconfig whole, behind symbolic links.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fsync};
use rustix::io::Errno;

use super::error::{Error, Result};

const MOST_LINKS: usize = 40;

/// The file that a path means in the end; links stay, what they point to need not exist.
pub(super) fn resolve(path: &Path) -> Result<PathBuf> {
    let mut resolved = path.to_owned();
    for _ in 0..MOST_LINKS {
        match std::fs::read_link(&resolved) {
            Ok(target) => resolved = folder_of(&resolved).join(target),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {
                return Ok(resolved);
            }
            Err(error) => return Err(Error::io("read", resolved, &error)),
        }
    }
    Err(Error::System {
        operation: "read",
        path: path.to_owned(),
        source: Errno::LOOP,
    })
}

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

pub(super) fn create_folder_of(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
        .map_err(|error| Error::io("create", folder, &error))
}

/// The text of a file, or `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Error::NotText {
                path: path.to_owned(),
            }),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

/// Replaces what `path` resolves to; the file is readable for its owner only.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let target = resolve(path)?;
    create_folder_of(&target)?;
    let folder = folder_of(&target);
    let opened = File::open(folder).map_err(|error| Error::io("open", folder, &error))?;
    let name = target.file_name().ok_or_else(|| Error::System {
        operation: "write",
        path: target.clone(),
        source: Errno::ISDIR,
    })?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(".new");
    let mode = Mode::RUSR | Mode::WUSR;
    atomic_file::replace(&opened, name, &temporary, text.as_bytes(), mode).map_err(|failure| {
        let name = if failure.is_temporary {
            &temporary
        } else {
            name
        };
        Error::System {
            operation: failure.operation,
            path: folder.join(name),
            source: failure.errno,
        }
    })?;
    fsync(&opened).map_err(|errno| Error::System {
        operation: "sync",
        path: folder.to_owned(),
        source: errno,
    })
}
