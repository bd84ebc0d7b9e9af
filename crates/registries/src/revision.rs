//! Names a set of files by a keyed hash, so that the name cannot be used to guess what is in them.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::{Zeroize, Zeroizing};
use sha2::Sha256;

/// The key that revisions are made with. It never shows itself.
#[derive(Clone)]
pub struct RevisionKey([u8; 32]);

impl From<[u8; 32]> for RevisionKey {
    fn from(key: [u8; 32]) -> Self {
        Self(key)
    }
}

impl Drop for RevisionKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for RevisionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(crate::secret::REDACTED)
    }
}

/// Ten hexadecimal digits that change with every name and byte of the files, in whatever order they come.
pub fn revision<'a>(
    key: &RevisionKey,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> String {
    let files: BTreeMap<&str, &[u8]> = files.into_iter().collect();
    // HMAC fills a key up to a block with zeros; doing so here leaves nothing that could fail.
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(&key.0);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    // Lengths go first, so that no byte can move from one part to the next without a change.
    for (name, content) in files {
        for part in [name.as_bytes(), content] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
    }
    let digest = mac.finalize().into_bytes();
    let number = digest
        .iter()
        .take(5)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{number:010x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> String {
        revision(
            &RevisionKey::from([7; 32]),
            files.iter().map(|(name, text)| (*name, text.as_bytes())),
        )
    }

    #[test]
    fn a_revision_is_ten_hexadecimal_digits_that_never_change() {
        assert_eq!(of(&[]).len(), 10);
        assert_eq!(of(&[("a", "x"), ("b", "y")]), of(&[("b", "y"), ("a", "x")]));
        assert!(
            of(&[("a", "x")])
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        );
    }

    #[test]
    fn names_contents_their_borders_and_the_key_all_count() {
        let all = [
            of(&[("a", "x")]),
            of(&[("a", "y")]),
            of(&[("b", "x")]),
            of(&[("ax", "")]),
            of(&[("a", ""), ("x", "")]),
            revision(&RevisionKey::from([8; 32]), [("a", b"x".as_slice())]),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn a_key_never_shows_itself() {
        assert_eq!(format!("{:?}", RevisionKey::from([7; 32])), "<REDACTED>");
    }
}
