//! Why a run ends: what the termination message says.

use node_files::Reason;
use rustix::io::Errno;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Files(#[from] node_files::Error),
    #[error("{0}")]
    Contested(String),
    #[error("failed to watch {path}: {source}{}", if *source == Errno::NOSPC || *source == Errno::MFILE {
        ": raise fs.inotify.max_user_watches and fs.inotify.max_user_instances on the node"
    } else {
        ""
    })]
    Watch { path: String, source: Errno },
    #[error("failed to prepare for signals: {0}")]
    Signals(#[source] std::io::Error),
}

impl Failure {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Files(error) => error.reason(),
            Self::Contested(_) => Reason::FileContested,
            Self::Watch { .. } | Self::Signals(_) => Reason::WriteFailed,
        }
    }
}
