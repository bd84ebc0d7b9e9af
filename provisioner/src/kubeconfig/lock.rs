//! The lock that kubectl takes: a file named `<path>.lock` that must not be there yet.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::{Error, Result};

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Several files, locked until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Locks {
    held: Vec<PathBuf>,
}

impl Locks {
    /// Locks all of `paths`, which must have folders, in the order of their names, so that two of us never wait for
    /// each other.
    pub(super) fn take(paths: &[PathBuf], patience: Duration) -> Result<Self> {
        let mut wanted = paths
            .iter()
            .map(|path| Ok((lock_of(path)?, path)))
            .collect::<Result<Vec<_>>>()?;
        wanted.sort();
        wanted.dedup_by(|(left, _), (right, _)| left == right);
        let start = Instant::now();
        let mut locks = Self::default();
        for (lock, path) in wanted {
            locks.take_one(&lock, path, start, patience)?;
        }
        Ok(locks)
    }

    fn take_one(
        &mut self,
        lock: &Path,
        path: &Path,
        start: Instant,
        patience: Duration,
    ) -> Result<()> {
        let mut pause = FIRST_PAUSE;
        loop {
            let opened = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(lock);
            match opened {
                Ok(mut file) => {
                    self.held.push(lock.to_owned());
                    // Who holds it is a help for people only: a lock without it is as good.
                    let _ = write!(file, "{}", std::process::id());
                    return Ok(());
                }
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(Error::io("create", lock, &error));
                }
                Err(_) if start.elapsed() >= patience => {
                    let holder = std::fs::read_to_string(lock).unwrap_or_default();
                    return Err(Error::Locked {
                        path: path.to_owned(),
                        lock: lock.to_owned(),
                        holder: holder.trim().parse().ok(),
                        waited: patience,
                    });
                }
                Err(_) => {
                    std::thread::sleep(pause.min(patience.saturating_sub(start.elapsed())));
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

impl Drop for Locks {
    fn drop(&mut self) {
        for lock in &self.held {
            // What cannot be removed is named by the next error message.
            let _ = std::fs::remove_file(lock);
        }
    }
}

/// The lock beside a file, by the real name of its folder: one file then never has two locks.
fn lock_of(path: &Path) -> Result<PathBuf> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder
        .canonicalize()
        .map_err(|error| Error::io("open", folder, &error))?;
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(".lock");
    Ok(folder.join(name))
}
