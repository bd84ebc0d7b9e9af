//! What a node is to have: one document and the certificate files that it names.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::hidden::HiddenBytes;
use crate::layout::{DOCUMENT, pem_file_name};
use crate::read::read_to_end;

/// A Secret holds at most this much.
pub(crate) const MAX_BYTES: usize = 1_048_576;

/// The link that the kubelet swaps when the contents of a volume change.
const VOLUME_DATA: &str = "..data";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub document: HiddenBytes,
    /// By file name on the node.
    pub pems: BTreeMap<String, HiddenBytes>,
}

impl Wanted {
    pub fn from_parts(
        document: impl Into<HiddenBytes>,
        pems: impl IntoIterator<Item = (String, HiddenBytes)>,
    ) -> Self {
        Self {
            document: document.into(),
            pems: pems.into_iter().collect(),
        }
    }

    /// From the data of the rendered Secret; `None` without the document. Unknown keys are left out, so that a
    /// newer operator may add some.
    pub fn from_secret_data(data: BTreeMap<String, Vec<u8>>) -> Option<Self> {
        let mut document = None;
        let mut pems = BTreeMap::new();
        for (key, bytes) in data {
            if key == DOCUMENT {
                document = Some(bytes);
            } else if let Some(name) = pem_file_name(&key) {
                pems.insert(name.to_owned(), bytes.into());
            }
        }
        Some(Self {
            document: document?.into(),
            pems,
        })
    }

    /// From a folder with the keys of the rendered Secret as files, mounted by the kubelet or made by hand.
    ///
    /// Where the kubelet's `..data` exists it is opened once, so that all files are of the same revision.
    pub fn from_secret_folder(folder: &Path) -> Result<Self> {
        let unreadable = |operation: &str, errno: Errno| Error::Source {
            path: folder.to_path_buf(),
            problem: format!(
                "failed to {operation}: {errno}: check that the Secret of this revision exists and is mounted"
            ),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, folder.join(VOLUME_DATA), flags, Mode::empty())
            .or_else(|_| openat(CWD, folder, flags, Mode::empty()))
            .map_err(|errno| unreadable("open the folder", errno))?;
        let mut data = BTreeMap::new();
        let mut room = MAX_BYTES;
        let entries =
            Dir::read_from(&directory).map_err(|errno| unreadable("list the folder", errno))?;
        for entry in entries {
            let entry = entry.map_err(|errno| unreadable("list the folder", errno))?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name != DOCUMENT && pem_file_name(name).is_none() {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let read_failed = |errno| unreadable(&format!("read {name}"), errno);
            let file = openat(&directory, name, flags, Mode::empty()).map_err(read_failed)?;
            // A pipe without a writer reads as an empty document, which would empty the node's.
            let mode = fstat(&file).map_err(read_failed)?.st_mode;
            if FileType::from_raw_mode(mode) != FileType::RegularFile {
                return Err(Error::Source {
                    path: folder.to_path_buf(),
                    problem: format!("{name} is not a file: replace it with one"),
                });
            }
            let bytes = read_to_end(&file, room)
                .map_err(read_failed)?
                .ok_or_else(|| Error::Source {
                    path: folder.to_path_buf(),
                    problem: format!("it has more than {MAX_BYTES} bytes: make it smaller"),
                })?;
            room -= bytes.len();
            data.insert(name.to_owned(), bytes);
        }
        Self::from_secret_data(data).ok_or_else(|| Error::Source {
            path: folder.to_path_buf(),
            problem: format!("it has no {DOCUMENT}: add that key"),
        })
    }
}
