//! Blobs that come in several requests.

use bytes::Bytes;

use super::StoreError;
use crate::names::Digest;

/// The name of an upload: 32 random hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(String);

impl UploadId {
    /// Checks a name.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 32 && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An upload that one request holds.
pub struct Upload {}

impl Upload {
    /// How many bytes there are.
    pub fn offset(&self) -> u64 {
        0
    }

    /// Adds bytes; `at` must be the offset.
    pub async fn append(&mut self, _at: u64, _bytes: Bytes) -> Result<(), StoreError> {
        Ok(())
    }

    /// Verifies the whole, keeps it and shows it in the repository. On a mismatch the upload is gone.
    pub async fn finish(self, _digest: &Digest) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// Gives the upload up; its file is gone.
    pub async fn cancel(self) {}
}
