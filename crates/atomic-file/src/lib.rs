//! Replaces a file so that at every instant, even after a power failure, it is the old one or the new one, whole.
//!
//! The new content is written beside its place, synced and renamed. The caller syncs the folder ([`rustix::fs::fsync`])
//! when it has done all it wants to do in it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, fsync, openat, renameat, unlinkat};
use rustix::io::{Errno, Result, write};

/// What could not be done to which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// As in "failed to ...".
    pub operation: &'static str,
    /// The file beside, not the one to be replaced.
    pub is_temporary: bool,
    pub errno: Errno,
}

/// Gives `name` in `folder` this content and mode; what a killed run left at `temporary` is swept first.
pub fn replace(
    folder: impl AsFd,
    name: &OsStr,
    temporary: &OsStr,
    bytes: &[u8],
    mode: Mode,
) -> std::result::Result<(), Failure> {
    let folder = folder.as_fd();
    let written = write_whole(folder, temporary, bytes, mode).and_then(|()| {
        renameat(folder, temporary, folder, name).map_err(|errno| Failure {
            operation: "replace",
            is_temporary: false,
            errno,
        })
    });
    if written.is_err() {
        // It may hold secrets, and takes disk space; should this fail too, the next run sweeps it.
        let _ = unlinkat(folder, temporary, AtFlags::empty());
    }
    written
}

fn write_whole(
    folder: impl AsFd,
    temporary: &OsStr,
    bytes: &[u8],
    mode: Mode,
) -> std::result::Result<(), Failure> {
    let folder = folder.as_fd();
    let failed = |operation| {
        move |errno| Failure {
            operation,
            is_temporary: true,
            errno,
        }
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let create = || openat(folder, temporary, flags, mode);
    let file = match create() {
        Err(Errno::EXIST) => {
            unlinkat(folder, temporary, AtFlags::empty()).map_err(failed("remove"))?;
            create()
        }
        created => created,
    }
    .map_err(failed("create"))?;
    write_all(&file, bytes).map_err(failed("write"))?;
    // The mode given to open(2) passes through the umask.
    fchmod(&file, mode).map_err(failed("change the mode of"))?;
    if bytes.is_empty() {
        // All there is of it stands in the folder, which is synced later.
        return Ok(());
    }
    fsync(&file).map_err(failed("sync"))
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_has_its_content_and_mode_and_nothing_is_left_beside() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("name"), "old and longer").unwrap();
        fs::write(folder.path().join("temporary"), "of a killed run").unwrap();
        let opened = fs::File::open(folder.path()).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        replace(&opened, "name".as_ref(), "temporary".as_ref(), b"new", mode).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1);
        let path = folder.path().join("name");
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
    }

    #[test]
    fn a_failure_names_its_file_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("name")).unwrap();
        let opened = fs::File::open(folder.path()).unwrap();
        let failure =
            replace(&opened, "name".as_ref(), "t".as_ref(), b"x", Mode::RUSR).unwrap_err();
        assert_eq!(
            (failure.operation, failure.is_temporary),
            ("replace", false)
        );
        assert_eq!(failure.errno, Errno::ISDIR);
        assert!(!folder.path().join("t").exists());
    }
}
