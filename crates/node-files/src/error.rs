//! Why the files of a node could not be read or written: the place, the cause and the mend.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::report::Reason;

/// Nothing in it is ever taken from the contents of a file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to {operation} {}: {source}{}", path.display(), mend(*source))]
    System {
        operation: &'static str,
        path: PathBuf,
        source: Errno,
    },
    #[error("failed to read {}: it is {kind}, not a file: remove it, or replace it with a file", path.display())]
    NotAFile { path: PathBuf, kind: &'static str },
    #[error(
        "failed to take over {}: it is a symbolic link to {target}, so another tool owns it: replace it with a plain file",
        path.display()
    )]
    Link { path: PathBuf, target: String },
    #[error("failed to read {}: it has more than {limit} bytes: make it smaller", path.display())]
    TooLarge { path: PathBuf, limit: usize },
    #[error("failed to read the revision in {}: {problem}", path.display())]
    Source { path: PathBuf, problem: String },
    #[error("failed to own {}: {holder} owns it: let only one RegistryConfig select this node, and run only one node-writer", path.display())]
    Owned { path: PathBuf, holder: String },
    #[error("refused to write {}: {problem}", path.display())]
    Invalid { path: PathBuf, problem: String },
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn system(operation: &'static str, path: impl AsRef<Path>, source: Errno) -> Self {
        Self::System {
            operation,
            path: path.as_ref().to_path_buf(),
            source,
        }
    }

    /// One word for termination message, condition and log alike.
    pub fn reason(&self) -> Reason {
        match self {
            Self::System { source, .. } => reason_of(*source),
            Self::NotAFile { .. } | Self::TooLarge { .. } => Reason::WriteFailed,
            Self::Link { .. } | Self::Owned { .. } => Reason::OwnedByAnother,
            Self::Source { .. } => Reason::SecretUnreadable,
            Self::Invalid { .. } => Reason::InvalidDocument,
        }
    }
}

fn reason_of(errno: Errno) -> Reason {
    match errno {
        Errno::ROFS => Reason::FolderReadOnly,
        Errno::NOSPC | Errno::DQUOT => Reason::DiskFull,
        Errno::ACCESS | Errno::PERM => Reason::PermissionDenied,
        _ => Reason::WriteFailed,
    }
}

fn mend(errno: Errno) -> &'static str {
    match errno {
        Errno::ROFS => ": make the file system of this folder writable",
        Errno::NOSPC => ": free space (or inodes) on the file system of this folder",
        Errno::DQUOT => ": raise the quota of root on the file system of this folder",
        Errno::ACCESS | Errno::PERM => {
            ": give the folder and its files to root, remove immutable flags, and check the security policy of the host"
        }
        Errno::BUSY => ": it is a mount point of its own: mount its folder instead",
        Errno::LOOP => ": a symbolic link stands there: replace it with what it points to",
        Errno::NOTDIR => ": a file stands where a folder is needed: remove it",
        Errno::IO => ": the disk reports an error: check the disk",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_system_has_its_reason_and_a_mend() {
        for (errno, reason) in [
            (Errno::ROFS, Reason::FolderReadOnly),
            (Errno::NOSPC, Reason::DiskFull),
            (Errno::DQUOT, Reason::DiskFull),
            (Errno::ACCESS, Reason::PermissionDenied),
            (Errno::PERM, Reason::PermissionDenied),
            (Errno::IO, Reason::WriteFailed),
            (Errno::BUSY, Reason::WriteFailed),
        ] {
            let error = Error::system("write", "/etc/rancher/k3s/registries.yaml", errno);
            assert_eq!(error.reason(), reason, "{errno}");
            let text = error.to_string();
            assert!(
                text.starts_with("failed to write /etc/rancher/k3s/registries.yaml: "),
                "{text}"
            );
            assert!(text.matches(": ").count() >= 2, "no mend in: {text}");
        }
    }
}
