//! Bytes that never show themselves: documents and certificate files carry credentials.

use std::fmt;
use std::sync::Arc;

/// Contents of a file. Cheap to clone; `Debug` hides even the length.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HiddenBytes(Arc<[u8]>);

impl HiddenBytes {
    /// The one way to the contents, easy to search for.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl<T: Into<Vec<u8>>> From<T> for HiddenBytes {
    fn from(bytes: T) -> Self {
        Self(Arc::from(bytes.into()))
    }
}

impl fmt::Debug for HiddenBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<REDACTED>")
    }
}
