//! Digests of content.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of some content, as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// A text that is no SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected sha256: and 64 lower-case hexadecimal digits")]
pub struct DigestError;

impl Digest {
    /// The digest of some content.
    pub fn of(content: &[u8]) -> Self {
        Self::of_hash(&Sha256::digest(content))
    }

    pub(crate) fn of_hash(hash: &[u8]) -> Self {
        Self(format!("sha256:{}", hex(hash)))
    }

    /// Reads the digits alone, as files are named.
    pub fn of_hex(digits: &str) -> Result<Self, DigestError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() == 64 && digits.bytes().all(is_digit) {
            Ok(Self(format!("sha256:{digits}")))
        } else {
            Err(DigestError)
        }
    }

    /// The digits alone.
    pub fn hex(&self) -> &str {
        self.0.trim_start_matches("sha256:")
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl std::str::FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::of_hex(text.strip_prefix("sha256:").ok_or(DigestError)?)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Digest, DigestError};

    #[test]
    fn only_whole_lower_case_sha256_is_a_digest() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b""), empty.parse().unwrap());
        assert_eq!(Digest::of(b"").hex(), &empty[7..]);
        for text in [
            "",
            "sha256:",
            &empty[7..],
            &empty.to_uppercase(),
            "sha512:00",
            "sha256:../../x",
        ] {
            assert_eq!(text.parse::<Digest>(), Err(DigestError), "{text}");
        }
    }
}
