//! The journal: what changed, one line each, with a sum that tells a line that was not written whole.
//!
//! A line is appended before anybody is told that the change is made. Reading skips what is no line, so a torn end costs
//! that one change only.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::facts::Binding;
use crate::names::{Digest, Host, MirroredName, Name, Tag};

/// How many digits of a line's hash are its sum.
const SUM: usize = 16;

/// A journal smaller than this is not worth being written anew.
const SMALL: u64 = 4 * 1024 * 1024;

/// A repository, in the world of what was pushed or of a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Place {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<Host>,
    pub(super) name: Name,
}

/// A manifest as a repository shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) media_type: String,
    pub(super) size: u64,
    pub(super) links: Vec<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(super) enum Record {
    /// A repository shows a blob, or no longer does.
    Blob {
        at: Place,
        digest: Digest,
    },
    NoBlob {
        at: Place,
        digest: Digest,
    },
    /// A repository shows a manifest, or no longer does.
    Manifest {
        at: Place,
        digest: Digest,
        shown: Shown,
    },
    NoManifest {
        at: Place,
        digest: Digest,
    },
    /// A tag means a manifest, or nothing any more.
    Tag {
        at: Place,
        tag: Tag,
        digest: Digest,
    },
    NoTag {
        at: Place,
        tag: Tag,
    },
    /// An image of the Engine has a manifest.
    Image {
        image: Digest,
        manifest: Digest,
    },
    /// How an image came to the Engine.
    Bound {
        image: Digest,
        host: Host,
        name: Name,
        binding: Binding,
    },
    /// The Engine no longer has an image.
    NoImage {
        image: Digest,
    },
}

impl Record {
    pub(super) fn bound(image: &Digest, to: &MirroredName, binding: Binding) -> Self {
        Self::Bound {
            image: image.clone(),
            host: to.host.clone(),
            name: to.repository.clone(),
            binding,
        }
    }
}

/// The file.
pub(super) struct Journal {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
    /// What it was when it was written anew.
    fresh: u64,
}

impl Journal {
    /// The changes that a file holds; none when there is no file.
    pub(super) fn read(path: &Path) -> io::Result<Vec<Record>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(bytes
                .split(|byte| *byte == b'\n')
                .filter_map(parse)
                .collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Writes a file anew, durably, and continues it.
    pub(super) fn write(path: &Path, records: &[Record]) -> io::Result<Self> {
        let mut bytes = Vec::new();
        for record in records {
            bytes.extend(line(record)?);
        }
        let beside = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&beside)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        std::fs::rename(&beside, path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        let length = bytes.len() as u64;
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(file),
            length,
            fresh: length,
        })
    }

    /// Adds changes, all or none.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for record in records {
            bytes.extend(line(record)?);
        }
        if let Err(error) = (&*self.file).write_all(&bytes) {
            // What stands there in part would only be skipped, but the next line must begin on its own.
            self.file.set_len(self.length)?;
            io::Seek::seek(&mut &*self.file, io::SeekFrom::Start(self.length))?;
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Whether most of it is history.
    pub(super) fn is_long(&self) -> bool {
        self.length > SMALL && self.length > 4 * self.fresh
    }

    pub(super) fn rewrite(&mut self, records: &[Record]) -> io::Result<()> {
        *self = Self::write(&self.path, records)?;
        Ok(())
    }

    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }
}

fn line(record: &Record) -> io::Result<Vec<u8>> {
    let json = serde_json::to_string(record)?;
    Ok(format!("{} {json}\n", sum(json.as_bytes())).into_bytes())
}

fn parse(line: &[u8]) -> Option<Record> {
    let (said, json) = line.split_at_checked(SUM)?;
    let json = json.strip_prefix(b" ")?;
    (said == sum(json).as_bytes()).then_some(())?;
    serde_json::from_slice(json).ok()
}

fn sum(json: &[u8]) -> String {
    super::hash::hex(&Sha256::digest(json)[..SUM / 2])
}

#[cfg(test)]
mod tests {
    use super::{Journal, Place, Record, line, parse};
    use crate::names::{Digest, Name, Tag};

    fn tag(number: usize) -> Record {
        Record::Tag {
            at: Place {
                host: None,
                name: Name::parse("library/shop").unwrap(),
            },
            tag: Tag::parse(&number.to_string()).unwrap(),
            digest: Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap(),
        }
    }

    #[test]
    fn a_line_that_was_not_written_whole_is_skipped_wherever_it_was_cut() {
        let whole = line(&tag(1)).unwrap();
        assert_eq!(parse(whole.strip_suffix(b"\n").unwrap()), Some(tag(1)));
        for end in 0..whole.len() - 1 {
            assert_eq!(parse(&whole[..end]), None, "{end}");
        }
        let mut flipped = whole.clone();
        flipped[40] ^= 1;
        assert_eq!(parse(flipped.strip_suffix(b"\n").unwrap()), None);
    }

    #[test]
    fn what_follows_a_torn_line_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::write(&path, &[tag(0)]).unwrap();
        journal.append(&[tag(1), tag(2)]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(&line(&tag(3)).unwrap()[..50]);
        bytes.push(b'\n');
        bytes.extend(line(&tag(4)).unwrap());
        std::fs::write(&path, bytes).unwrap();
        let read = Journal::read(&path).unwrap();
        assert_eq!(read, [tag(0), tag(1), tag(2), tag(4)]);
    }

    #[test]
    fn no_file_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Journal::read(&folder.path().join("x")).unwrap().is_empty());
    }
}
