//! A blob that is being written.

use bytes::Bytes;

use super::StoreError;
use crate::names::Digest;

/// A blob that is being written. Dropped without a commit, nothing is left of it and its readers end with an error.
pub struct Writer {}

impl Writer {
    /// Adds bytes.
    pub async fn write(&mut self, _bytes: Bytes) -> Result<(), StoreError> {
        Ok(())
    }

    /// How many bytes there are.
    pub fn offset(&self) -> u64 {
        0
    }

    /// Keeps the blob when it is what is expected here and was expected when it began.
    pub async fn commit(self, _expected: Option<&Digest>) -> Result<(Digest, u64), StoreError> {
        Err(StoreError::NoSpace)
    }
}
