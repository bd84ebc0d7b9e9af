//! Files that no memory holds.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::fs::Advice;
use sha2::{Digest as _, Sha256};

/// Has the kernel give up what it holds of a file, so that reading it is reading the disk.
pub(crate) fn forget(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    // What is not written yet cannot be given up.
    file.sync_all()?;
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    Ok(())
}

/// Reads a file from the disk in large pieces, and hashes it where that is wanted.
pub(crate) fn read(path: &Path, is_hashed: bool) -> Result<Duration> {
    forget(path)?;
    let start = Instant::now();
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        if is_hashed {
            hash.update(&buffer[..count]);
        }
    }
    std::hint::black_box(hash.finalize());
    Ok(start.elapsed())
}
