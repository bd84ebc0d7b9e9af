//! Why a kubeconfig could not be read, changed or written: the place, the cause and the mend.

use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;

use crate::yaml_text::Fault;

/// Names of entries are shown; nothing else of a kubeconfig ever is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read {origin}, line {line}, column {column}: {problem}")]
    Content {
        /// A path, or the node that it came from.
        origin: String,
        line: usize,
        column: usize,
        problem: String,
    },
    #[error(
        "failed to read {origin}: it has no {kind} named \"default\", as the kubeconfig of k3s has: wait until k3s has started, or start the node again"
    )]
    NoDefault { origin: String, kind: &'static str },
    #[error(
        "failed to merge into {}: it has a {kind} named \"{name}\" already: allow updates, or remove the entry",
        path.display()
    )]
    Conflict {
        path: PathBuf,
        kind: &'static str,
        name: String,
    },
    #[error(
        "failed to switch to context \"{context}\": there is no such context; {}",
        list(known)
    )]
    UnknownContext { context: String, known: Vec<String> },
    #[error(
        "failed to choose a kubeconfig: neither KUBECONFIG nor HOME is set: set one of them, or name a file"
    )]
    NoFile,
    #[error(
        "failed to lock {} within {} s: {} is there{}: when no program is changing the kubeconfig, one ended without cleaning up: remove that file",
        path.display(),
        waited.as_secs(),
        lock.display(),
        holder.map(|pid| format!(" (written by process {pid})")).unwrap_or_default()
    )]
    Locked {
        path: PathBuf,
        lock: PathBuf,
        /// The process that wrote the lock, if it is one of ours.
        holder: Option<u32>,
        waited: Duration,
    },
    #[error("failed to {operation} {}: {source}{}", path.display(), mend(*source))]
    System {
        operation: &'static str,
        path: PathBuf,
        source: Errno,
    },
    #[error("failed to read {}: it is not UTF-8 text: is it the right file?", path.display())]
    NotText { path: PathBuf },
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(super) fn fault(origin: &str, fault: Fault) -> Self {
        Self::Content {
            origin: origin.to_owned(),
            line: fault.line,
            column: fault.column,
            problem: fault.problem.to_owned(),
        }
    }

    pub(super) fn io(
        operation: &'static str,
        path: impl Into<PathBuf>,
        error: &std::io::Error,
    ) -> Self {
        Self::System {
            operation,
            path: path.into(),
            source: Errno::from_io_error(error).unwrap_or(Errno::IO),
        }
    }
}

fn list(known: &[String]) -> String {
    if known.is_empty() {
        "there are none".to_owned()
    } else {
        format!("there are: {}", known.join(", "))
    }
}

fn mend(errno: Errno) -> &'static str {
    match errno {
        Errno::ACCESS | Errno::PERM => ": give the file and its folder to the user who runs this",
        Errno::ROFS => ": the file system is read-only: choose another file",
        Errno::NOSPC | Errno::DQUOT => ": free space on the file system of this folder",
        Errno::BUSY => ": it is a mount point of its own: mount its folder instead",
        Errno::LOOP => ": its symbolic links go in a circle",
        Errno::ISDIR => ": it is a folder: name a file",
        Errno::NOTDIR => ": a file stands where a folder is needed",
        _ => "",
    }
}
