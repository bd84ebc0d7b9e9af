//! Files beneath a folder, and nothing else: neither links nor names lead out of it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// A folder that is open.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// Opens a folder of the Engine's.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens a plain file by its name in an archive. Links within the folder are followed as the Engine followed them
    /// when it unpacked: with the folder as the root.
    pub(super) fn file(&self, name: &[u8]) -> io::Result<File> {
        // Without NONBLOCK opening a pipe would wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        let path = Path::new(OsStr::from_bytes(name));
        let opened = match rustix::fs::openat2(&self.0, path, flags, Mode::empty(), resolve) {
            // Kernels before 5.6 do not have the call, and some sandboxes refuse it.
            Err(Errno::NOSYS | Errno::PERM) => step_by_step(&self.0, path, flags)?,
            opened => opened?,
        };
        let file = File::from(opened);
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is no plain file",
            ))
        }
    }

    /// A small file as a whole; `None` when it is not there.
    pub(super) fn whole(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.file(name.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut content = Vec::new();
        file.take(most + 1).read_to_end(&mut content)?;
        if content.len() as u64 > most {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is larger than any such file",
            ));
        }
        Ok(Some(content))
    }
}

/// Follows no link at all.
fn step_by_step(folder: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(Errno::XDEV),
        }
    }
    let last = names.pop().ok_or(Errno::ISDIR)?;
    let mut at = folder.try_clone().map_err(|_| Errno::MFILE)?;
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for name in names {
        at = rustix::fs::openat(&at, name, step, Mode::empty())?;
    }
    rustix::fs::openat(&at, last, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use rustix::fs::OFlags;

    use super::{Folder, step_by_step};

    /// A folder with a file, links within and out of it, and a secret beside it.
    fn made() -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        std::fs::create_dir_all(root.join("usr/lib")).unwrap();
        std::fs::write(place.path().join("secret"), "secret").unwrap();
        std::fs::write(root.join("usr/lib/a"), "a").unwrap();
        symlink("usr/lib", root.join("lib")).unwrap();
        symlink("/usr/lib", root.join("absolute")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        let folder = Folder::open(&root).unwrap();
        (place, folder)
    }

    fn read(folder: &Folder, name: &str) -> Option<String> {
        let mut text = String::new();
        folder
            .file(name.as_bytes())
            .ok()?
            .read_to_string(&mut text)
            .ok()?;
        Some(text)
    }

    #[test]
    fn links_are_followed_within_the_folder_as_when_it_was_unpacked() {
        let (_place, folder) = made();
        for name in [
            "usr/lib/a",
            "./usr/lib/a",
            "/usr/lib/a",
            "lib/a",
            "absolute/a",
            "up/usr/lib/a",
        ] {
            assert_eq!(read(&folder, name).as_deref(), Some("a"), "{name}");
        }
    }

    #[test]
    fn nothing_outside_of_the_folder_is_opened() {
        let (_place, folder) = made();
        for name in [
            "../secret",
            "out",
            "up/secret",
            "/../secret",
            "magic/etc/passwd",
            "usr/../../secret",
            "",
        ] {
            assert_eq!(read(&folder, name), None, "{name}");
        }
        assert!(folder.file(b"usr").is_err(), "a folder is no file");
        assert!(folder.file(b"a\0b").is_err());
    }

    #[test]
    fn old_kernels_follow_no_link() {
        let (_place, folder) = made();
        let open = |name: &str| {
            step_by_step(
                &folder.0,
                Path::new(name),
                OFlags::RDONLY | OFlags::NOFOLLOW,
            )
        };
        assert!(open("usr/lib/a").is_ok() && open("/usr/./lib/a").is_ok());
        for name in [
            "lib/a",
            "absolute/a",
            "out",
            "../secret",
            "up/secret",
            "usr/../../secret",
            "",
            "/",
        ] {
            assert!(open(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_whole_file_is_bounded() {
        let (_place, folder) = made();
        assert_eq!(folder.whole("usr/lib/a", 1).unwrap(), Some(b"a".to_vec()));
        assert_eq!(folder.whole("usr/lib/b", 1).unwrap(), None);
        assert!(folder.whole("usr/lib/a", 0).is_err());
    }
}
