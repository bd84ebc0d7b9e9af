//! A file that only one process on this machine holds, gone when it is given back.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    #[expect(dead_code, reason = "closing it gives the lock back")]
    file: File,
}

impl Lock {
    /// `None`: somebody else holds it.
    pub(crate) fn take(path: PathBuf) -> io::Result<Option<Self>> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        loop {
            let file = File::create(&path)?;
            match file.try_lock() {
                // Whoever held it may have removed it after it was opened here: then it locks nothing any more.
                Ok(()) if is_at(&file, &path)? => return Ok(Some(Self { path, file })),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still held, so that nobody locks it in between. One that stays is taken again by the next.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn only_one_holds_it_and_nothing_stays_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/.cluster-one.lock");
        let held = Lock::take(path.clone()).unwrap();
        assert!(held.is_some());
        assert!(Lock::take(path.clone()).unwrap().is_none());
        drop(held);
        assert!(!path.exists());
        // What a process that was killed left does not matter.
        std::fs::write(&path, "").unwrap();
        assert!(Lock::take(path.clone()).unwrap().is_some());
        assert!(!path.exists());
    }

    #[test]
    fn two_never_hold_it_at_once_however_often_it_comes_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (holders, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let Some(lock) = Lock::take(path.clone()).unwrap() else {
                            continue;
                        };
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        taken.fetch_add(1, Ordering::SeqCst);
                        holders.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert!(taken.load(Ordering::SeqCst) > 0);
    }
}
