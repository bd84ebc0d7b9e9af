//! One node-writer per folder: a lock file that the kernel gives back when its holder dies.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, flock, fstat, ftruncate, openat, unlinkat,
};
use rustix::io::{Errno, pread, pwrite};

use crate::error::{Error, Result};
use crate::layout::{LOCK, OWN_FOLDER};
use crate::write::Folders;

const MAX_HOLDER_BYTES: usize = 256;

/// Held as long as the folder is ours.
#[derive(Debug)]
pub struct Ownership {
    folder: PathBuf,
    own: OwnedFd,
    lock: OwnedFd,
}

/// Creates the folders where they are missing and takes the lock, or says who has it. Never waits.
///
/// `holder` is for people: it stands in the refusal that the other one gets.
pub fn own(folder: &Path, holder: &str) -> Result<Ownership> {
    let path = folder.join(OWN_FOLDER).join(LOCK);
    let failed = |operation| {
        let path = path.clone();
        move |errno| Error::system(operation, path, errno)
    };
    loop {
        let own = Folders::open_or_create(folder)?.own;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = openat(&own, LOCK, flags, Mode::RUSR | Mode::WUSR).map_err(failed("open"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(Error::Owned {
                    path: folder.to_path_buf(),
                    holder: read_holder(&lock),
                });
            }
            Err(errno) => return Err(failed("lock")(errno)),
        }
        // Whoever gives a folder up removes the lock file; a lock on that one would protect nothing.
        if fstat(&lock).map_err(failed("look at"))?.st_nlink > 0 {
            // Only for messages, so a full disk may refuse it.
            let _ = ftruncate(&lock, 0).and_then(|()| pwrite(&lock, holder.as_bytes(), 0));
            return Ok(Ownership {
                folder: folder.to_path_buf(),
                own,
                lock,
            });
        }
    }
}

impl Ownership {
    /// Whether the lock still is the one that another node-writer would try to take: somebody may have removed or
    /// moved the folder.
    pub fn holds(&self) -> bool {
        let there = rustix::fs::stat(self.folder.join(OWN_FOLDER).join(LOCK));
        let ours = fstat(&self.lock);
        matches!((there, ours), (Ok(there), Ok(ours)) if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino))
    }

    /// Removes the lock and, when nothing of anybody is left in it, our own folder.
    pub fn give_up(self) -> Result<()> {
        let path = self.folder.join(OWN_FOLDER);
        unlinkat(&self.own, LOCK, AtFlags::empty())
            .map_err(|errno| Error::system("remove", path.join(LOCK), errno))?;
        match rustix::fs::unlinkat(rustix::fs::CWD, &path, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOTEMPTY | Errno::NOENT) => Ok(()),
            Err(errno) => Err(Error::system("remove", path, errno)),
        }
    }
}

fn read_holder(lock: &OwnedFd) -> String {
    let mut bytes = [0; MAX_HOLDER_BYTES];
    let count = pread(lock, &mut bytes, 0).unwrap_or(0);
    match String::from_utf8_lossy(&bytes[..count]).trim() {
        "" => "another node-writer".to_owned(),
        holder => format!("another node-writer ({})", holder.escape_debug()),
    }
}
