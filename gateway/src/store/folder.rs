//! The store's folder: where what stands, and how it is found whole after whatever happened.
//!
//! A blob gets its name only after it was verified, so a killed process leaves nothing that lies. After a loss of power a
//! named file may still lack bytes that never reached the disk: files whose bytes did are made read-only, and when the
//! machine was started anew since, only those are believed.

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::StoreError;
use crate::names::Digest;

/// What is known to be on the disk itself.
const DURABLE: u32 = 0o444;

/// The store's folder, while this process has it.
pub(super) struct Folder {
    path: PathBuf,
    /// Held for the lock on it.
    _lock: File,
}

/// A blob that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) size: u64,
    pub(super) is_durable: bool,
    /// Seconds since 1970 when it was used last, as far as the file system says.
    pub(super) used: i64,
}

impl Folder {
    /// Takes the folder, and removes what was being written.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = || StoreError::io("make the store's folder");
        fs::create_dir_all(path.join("blobs")).map_err(failed())?;
        let lock = File::create(path.join("lock")).map_err(failed())?;
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(StoreError::InUse(path.display().to_string()));
        }
        let arriving = path.join("arriving");
        match fs::remove_dir_all(&arriving) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("sweep what was being written")(error));
            }
            _ => fs::create_dir_all(&arriving).map_err(failed())?,
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The blobs that are whole; anything else is removed.
    pub(super) fn blobs(&self) -> Result<HashMap<Digest, Found>, StoreError> {
        let failed = || StoreError::io("look through the store");
        let is_same_boot = self.is_same_boot();
        let mut found = HashMap::new();
        for algorithm in ["sha256", "sha512"] {
            let folder = self.path.join("blobs").join(algorithm);
            fs::create_dir_all(&folder).map_err(failed())?;
            for part in fs::read_dir(&folder).map_err(failed())? {
                let part = part.map_err(failed())?.path();
                if !part.is_dir() {
                    fs::remove_file(&part).map_err(failed())?;
                    continue;
                }
                for file in fs::read_dir(&part).map_err(failed())? {
                    let file = file.map_err(failed())?;
                    let metadata = file.metadata().map_err(failed())?;
                    let digest = self.digest_of(algorithm, &file);
                    let is_durable = metadata.permissions().mode() & 0o777 == DURABLE;
                    match digest {
                        Some(digest) if metadata.is_file() && (is_durable || is_same_boot) => {
                            let blob = Found {
                                size: metadata.len(),
                                is_durable,
                                used: metadata.atime().max(metadata.mtime()),
                            };
                            found.insert(digest, blob);
                        }
                        _ if metadata.is_dir() => {}
                        _ => fs::remove_file(file.path()).map_err(failed())?,
                    }
                }
            }
        }
        Ok(found)
    }

    fn digest_of(&self, algorithm: &str, file: &fs::DirEntry) -> Option<Digest> {
        let digest = Digest::parse(&format!("{algorithm}:{}", file.file_name().to_str()?)).ok()?;
        (self.blob(&digest) == file.path()).then_some(digest)
    }

    /// Whether the machine runs since the store was opened last.
    fn is_same_boot(&self) -> bool {
        let recorded = fs::read(self.path.join("boot")).ok();
        recorded.is_some() && recorded == boot()
    }

    /// Notes that unsynced files may be believed until the machine is started anew.
    pub(super) fn note_boot(&self) -> io::Result<()> {
        let beside = self.path.join("boot.new");
        fs::write(&beside, boot().unwrap_or_default())?;
        fs::rename(beside, self.path.join("boot"))
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// Where a blob stands. A digest is digits only, so the path stays here.
    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let folder = self.path.join("blobs").join(digest.algorithm());
        folder.join(&hex[..2]).join(hex)
    }

    pub(super) fn arriving(&self, number: u64) -> PathBuf {
        self.path.join("arriving").join(number.to_string())
    }

    /// Gives a verified file its name.
    pub(super) fn name(&self, arriving: &Path, digest: &Digest) -> io::Result<()> {
        let path = self.blob(digest);
        match fs::rename(arriving, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                fs::rename(arriving, &path)
            }
            done => done,
        }
    }

    /// Brings blobs to the disk: the bytes of each, then every folder once, then the mark.
    pub(super) fn sync(&self, digests: &[Digest]) -> io::Result<()> {
        let mut folders = Vec::new();
        let mut files = Vec::new();
        for digest in digests {
            let path = self.blob(digest);
            let file = File::open(&path)?;
            file.sync_data()?;
            files.push(file);
            folders.extend(path.parent().map(Path::to_owned));
        }
        folders.sort();
        folders.dedup();
        let algorithms: Vec<_> = folders
            .iter()
            .filter_map(|folder| folder.parent().map(Path::to_owned))
            .collect();
        folders.extend(algorithms);
        folders.dedup();
        for folder in folders {
            File::open(folder)?.sync_all()?;
        }
        for file in files {
            file.set_permissions(Permissions::from_mode(DURABLE))?;
        }
        Ok(())
    }
}

/// What is another one after every start of the machine.
fn boot() -> Option<Vec<u8>> {
    fs::read("/proc/sys/kernel/random/boot_id").ok()
}
