//! What is served, whoever holds it: documents in memory and blobs that are read in pieces.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::names::Digest;

/// A manifest or an index, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What the document says it is; never empty.
    pub media_type: String,
    /// The digest of the bytes, verified.
    pub digest: Digest,
    /// The document.
    pub bytes: Bytes,
}

/// A blob whose length is known; its bytes may still be arriving.
#[derive(Clone)]
pub struct Blob {
    /// The digest of the whole.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where the bytes come from.
    pub bytes: Arc<dyn ReadRange>,
}

/// Bytes that can be read from anywhere, more than once.
pub trait ReadRange: Send + Sync {
    /// The bytes of a range that lies within the blob. A stream that ends early or with an error ends the connection.
    fn read(&self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>>;

    /// Whether reading it showed that it is something else than its digest says, so that another copy must be found.
    fn is_wrong(&self) -> bool {
        false
    }
}
