//! Carries actions out so that at every instant each file is the old one or the new one, whole.
//!
//! A file is written beside its place, synced and renamed; its folder is synced before anything that relies on it.

use std::fs::DirBuilder;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, fchmod, fsync, linkat, mkdirat, openat, renameat, unlinkat,
};
use rustix::io::Errno;

use crate::decide::{Action, At, temporary_name};
use crate::error::{Error, Result};
use crate::hidden::HiddenBytes;
use crate::layout::OWN_FOLDER;

/// As the kubelet makes a missing `hostPath`. k3s keeps other files in this folder, some of them for everybody
/// to read (`--write-kubeconfig-mode 644`), so nobody is shut out of it; ours are 0600 each.
const FOLDER_MODE: u32 = 0o755;
const OWN_FOLDER_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Carries out `actions` in their order; stops at the first that fails.
pub fn carry_out(folder: &Path, actions: &[Action]) -> Result<()> {
    if actions.is_empty() {
        return Ok(());
    }
    let folders = Folders::open_or_create(folder)?;
    let mut own_unsynced = false;
    let mut document_unsynced = false;
    for action in actions {
        if action.at().own {
            // A certificate file goes only once no document names it, not even after a power failure.
            if matches!(action, Action::Remove(_)) && std::mem::take(&mut document_unsynced) {
                folders.sync(false)?;
            }
            own_unsynced = true;
        } else {
            // What the new document names, and what it replaces, is safe on disk first.
            if std::mem::take(&mut own_unsynced) {
                folders.sync(true)?;
            }
            document_unsynced = true;
        }
        match action {
            Action::Write(at, bytes) => folders.replace(at, bytes)?,
            Action::Link { from, to, bytes } => folders.link(from, to, bytes)?,
            Action::Restrict(at) => folders.restrict(at)?,
            Action::Remove(at) => folders.remove(at)?,
        }
    }
    if document_unsynced {
        folders.sync(false)?;
    }
    if own_unsynced {
        folders.sync(true)?;
    }
    Ok(())
}

/// Both folders of a node, held open so that no rename of a folder leads a write astray.
pub(crate) struct Folders {
    path: PathBuf,
    folder: OwnedFd,
    pub(crate) own: OwnedFd,
}

impl Folders {
    pub(crate) fn open_or_create(path: &Path) -> Result<Self> {
        let folder = match open_directory(path, OFlags::empty()) {
            Err(Errno::NOENT) => create_folder(path)?,
            opened => opened.map_err(|errno| Error::system("open", path, errno))?,
        };
        let own_path = path.join(OWN_FOLDER);
        let own_failed = |operation| {
            let own_path = own_path.clone();
            move |errno| Error::system(operation, own_path, errno)
        };
        let open_own = || {
            openat(
                &folder,
                OWN_FOLDER,
                DIRECTORY | OFlags::NOFOLLOW,
                Mode::empty(),
            )
        };
        let own = match open_own() {
            Err(Errno::NOENT) => {
                mkdirat(&folder, OWN_FOLDER, OWN_FOLDER_MODE).map_err(own_failed("create"))?;
                fsync(&folder).map_err(|errno| Error::system("sync", path, errno))?;
                open_own().map_err(own_failed("open"))?
            }
            opened => opened.map_err(own_failed("open"))?,
        };
        let status = rustix::fs::fstat(&own).map_err(own_failed("look at"))?;
        if Mode::from_raw_mode(status.st_mode) != OWN_FOLDER_MODE {
            fchmod(&own, OWN_FOLDER_MODE).map_err(own_failed("change the mode of"))?;
        }
        Ok(Self {
            path: path.to_path_buf(),
            folder,
            own,
        })
    }

    fn replace(&self, at: &At, bytes: &HiddenBytes) -> Result<()> {
        let temporary = At {
            own: at.own,
            name: temporary_name(&at.name),
        };
        atomic_file::replace(
            self.fd(at),
            at.name.as_ref(),
            temporary.name.as_ref(),
            bytes.expose(),
            FILE_MODE,
        )
        .map_err(|failure| {
            let place = if failure.is_temporary { &temporary } else { at };
            self.failed(failure.operation, place, failure.errno)
        })
    }

    /// A file system without hard links, or a rule against them, gets a copy.
    fn link(&self, from: &At, to: &At, bytes: &HiddenBytes) -> Result<()> {
        let temporary = temporary_name(&to.name);
        let make = || {
            linkat(
                self.fd(from),
                &from.name,
                self.fd(to),
                &temporary,
                AtFlags::empty(),
            )
        };
        let linked = match make() {
            Err(Errno::EXIST) => {
                unlinkat(self.fd(to), &temporary, AtFlags::empty()).and_then(|()| make())
            }
            linked => linked,
        };
        if linked.is_err() {
            return self.replace(to, bytes);
        }
        renameat(self.fd(to), &temporary, self.fd(to), &to.name)
            .map_err(|errno| self.failed("replace", to, errno))?;
        // Renaming a file over another name of itself leaves both.
        self.remove(&At {
            own: to.own,
            name: temporary,
        })
    }

    fn restrict(&self, at: &At) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        openat(self.fd(at), &at.name, flags, Mode::empty())
            .and_then(|file| fchmod(&file, FILE_MODE))
            .map_err(|errno| self.failed("change the mode of", at, errno))
    }

    fn remove(&self, at: &At) -> Result<()> {
        match unlinkat(self.fd(at), &at.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed("remove", at, errno)),
        }
    }

    fn sync(&self, own: bool) -> Result<()> {
        let (fd, path) = if own {
            (&self.own, self.path.join(OWN_FOLDER))
        } else {
            (&self.folder, self.path.clone())
        };
        fsync(fd).map_err(|errno| Error::system("sync", path, errno))
    }

    fn fd(&self, at: &At) -> &OwnedFd {
        if at.own { &self.own } else { &self.folder }
    }

    fn failed(&self, operation: &'static str, at: &At, errno: Errno) -> Error {
        let folder = if at.own {
            self.path.join(OWN_FOLDER)
        } else {
            self.path.clone()
        };
        Error::system(operation, folder.join(&at.name), errno)
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

fn open_directory(path: &Path, more: OFlags) -> rustix::io::Result<OwnedFd> {
    openat(CWD, path, DIRECTORY | more, Mode::empty())
}

fn create_folder(path: &Path) -> Result<OwnedFd> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)
        .map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            Error::system("create", path, errno)
        })?;
    if let Some(parent) = path.parent() {
        open_directory(parent, OFlags::empty())
            .and_then(fsync)
            .map_err(|errno| Error::system("sync", parent, errno))?;
    }
    open_directory(path, OFlags::empty()).map_err(|errno| Error::system("open", path, errno))
}
