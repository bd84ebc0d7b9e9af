//! What a node has: its document, our own folder beside it, and what an interrupted write left behind.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::decide::{At, is_temporary, temporary_name};
use crate::error::{Error, Result};
use crate::hidden::HiddenBytes;
use crate::layout::{
    CONTESTED, DOCUMENT, ORIGINAL, ORIGINAL_ABSENT, OWN_FOLDER, PREVIOUS, is_pem_file_name,
};
use crate::read::{Entry, FoundFile, read_entry};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub document: Option<FoundFile>,
    /// By file name; `None` stands for a symbolic link, which is never followed and always replaced.
    pub pems: BTreeMap<String, Option<FoundFile>>,
    pub original: Original,
    pub has_previous: bool,
    /// Why repairs stopped, and when.
    pub contested: Option<FoundFile>,
    /// Temporary files of a write that was interrupted.
    pub leftovers: Vec<At>,
}

/// What is known of the time before the first write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Original {
    #[default]
    Unrecorded,
    /// The node had no document.
    Absent,
    Document(HiddenBytes),
}

/// Looks at a node. A folder that does not exist is an empty one; nothing is written.
pub fn find(folder: &Path) -> Result<Found> {
    let mut found = Found::default();
    let Some(directory) = open_folder(folder, OFlags::empty())? else {
        return Ok(found);
    };
    let path = folder.join(DOCUMENT);
    found.document = match read_entry(&directory, DOCUMENT, &path)? {
        Entry::Absent => None,
        Entry::File(file) => Some(file),
        Entry::Link(target) => return Err(Error::Link { path, target }),
    };
    let temporary = temporary_name(DOCUMENT);
    if rustix::fs::statat(
        &directory,
        &temporary,
        rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
    )
    .is_ok()
    {
        found.leftovers.push(At::beside_document(&temporary));
    }
    find_in_own_folder(&folder.join(OWN_FOLDER), &mut found)?;
    Ok(found)
}

fn find_in_own_folder(own: &Path, found: &mut Found) -> Result<()> {
    let Some(directory) = open_folder(own, OFlags::NOFOLLOW)? else {
        return Ok(());
    };
    let list_failed = |errno| Error::system("list", own, errno);
    for entry in Dir::read_from(&directory).map_err(list_failed)? {
        let entry = entry.map_err(list_failed)?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        let path = own.join(name);
        match name {
            ORIGINAL => match read_entry(&directory, name, &path)? {
                Entry::Absent => {}
                Entry::File(file) => found.original = Original::Document(file.bytes),
                Entry::Link(target) => return Err(Error::Link { path, target }),
            },
            ORIGINAL_ABSENT if found.original == Original::Unrecorded => {
                found.original = Original::Absent;
            }
            CONTESTED => {
                if let Entry::File(file) = read_entry(&directory, name, &path)? {
                    found.contested = Some(file);
                }
            }
            PREVIOUS => found.has_previous = true,
            _ if is_temporary(name) => found.leftovers.push(At::own(name)),
            _ if is_pem_file_name(name) => match read_entry(&directory, name, &path)? {
                Entry::Absent => {}
                Entry::File(file) => drop(found.pems.insert(name.to_owned(), Some(file))),
                Entry::Link(_) => drop(found.pems.insert(name.to_owned(), None)),
            },
            _ => {}
        }
    }
    found.leftovers.sort();
    Ok(())
}

fn open_folder(path: &Path, more: OFlags) -> Result<Option<std::os::fd::OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | more;
    match openat(CWD, path, flags, Mode::empty()) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Error::system("open", path, errno)),
    }
}
