//! containerd's content store by its files: `blobs/<algorithm>/<digits>`, each what its name says.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::beneath::Folder;
use super::stream::{Blocking, Open, Opened};
use crate::content::ReadRange;
use crate::names::Digest;

/// The name of the store's folder.
pub(super) const STORE: &str = "io.containerd.content.v1.content";

/// A content store's files.
#[derive(Debug)]
pub(super) struct Files {
    path: PathBuf,
}

impl Files {
    /// Checks that a store is readable.
    pub(super) fn open(store: &Path) -> io::Result<Self> {
        let path = store.join("blobs");
        std::fs::read_dir(&path)?;
        Ok(Self { path })
    }

    fn file(&self, digest: &Digest) -> io::Result<File> {
        let folder = Folder::open(&self.path)?;
        folder.file(format!("{}/{}", digest.algorithm(), digest.hex()).as_bytes())
    }

    fn file_if_there(&self, digest: &Digest) -> io::Result<Option<File>> {
        match self.file(digest) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            file => file.map(Some),
        }
    }

    /// A document as a whole; `None` when it is not there.
    pub(super) fn whole(&self, digest: &Digest, most: u64) -> io::Result<Option<Bytes>> {
        let Some(file) = self.file_if_there(digest)? else {
            return Ok(None);
        };
        let mut content = Vec::new();
        file.take(most + 1).read_to_end(&mut content)?;
        if content.len() as u64 > most {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is larger than any document",
            ));
        }
        Ok(Some(content.into()))
    }

    /// A blob of this size, with what names this copy of it; `None` when it is not there.
    pub(super) fn blob(
        self: &Arc<Self>,
        digest: &Digest,
        size: u64,
    ) -> io::Result<Option<(String, Arc<dyn ReadRange>)>> {
        let Some(file) = self.file_if_there(digest)? else {
            return Ok(None);
        };
        let facts = file.metadata()?;
        if facts.len() != size {
            return Ok(None);
        }
        let key = format!(
            "{digest} {} {} {}",
            facts.ino(),
            facts.mtime(),
            facts.mtime_nsec()
        );
        let blob = BlobFile {
            files: Arc::clone(self),
            digest: digest.clone(),
        };
        Ok(Some((key, Arc::new(Blocking(Arc::new(blob))))))
    }
}

struct BlobFile {
    files: Arc<Files>,
    digest: Digest,
}

impl Open for BlobFile {
    /// A file that is open can be read to its end even when containerd removes it.
    fn open_at(&self, start: u64) -> io::Result<Opened> {
        let mut file = self.files.file(&self.digest)?;
        file.seek(SeekFrom::Start(start))?;
        Ok(Box::new(file))
    }
}
