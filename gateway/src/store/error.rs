//! Why the store cannot do something.

use std::io;

use crate::names::Digest;

/// Why the store cannot do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, or the store is and nothing in it may go: 507.
    #[error(
        "failed to store: no space is left; free some, or allow the store more and what was pushed here less"
    )]
    NoSpace,
    /// The content is not what it was said to be: 400.
    #[error("failed to verify: the content is {found}, not {expected}")]
    DigestMismatch {
        /// What it was said to be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// More bytes than were announced, or than anything may have: 413.
    #[error("failed to store: more than {limit} bytes came")]
    TooLarge {
        /// What was announced or is allowed.
        limit: u64,
    },
    /// Bytes that do not begin where the ones before ended: 416.
    #[error("failed to continue the upload: {offset} bytes are here, so the next ones begin there")]
    OutOfOrder {
        /// How many bytes there are.
        offset: u64,
    },
    /// A peer, or all of them, began more uploads than may go on: 429.
    #[error("failed to begin an upload: too many go on; finish some, or give them up with DELETE")]
    TooManyUploads,
    /// The blob is not here.
    #[error("failed to find {0} in the store")]
    Missing(Digest),
    /// Another process has the store open.
    #[error(
        "failed to open the store {0}: another gateway uses it; stop that one, or choose another folder"
    )]
    InUse(String),
    /// The disk does not do what it should: 500.
    #[error("failed to {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What came of it.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// Tells a full disk from other trouble.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Io { what, source },
        }
    }
}
