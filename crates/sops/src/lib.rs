#![doc = include_str!("../README.md")]

mod cipher;
mod data_key;
mod decrypt;
mod error;
mod keys;
mod mac;
mod metadata;
mod read;
mod scalar;
mod shamir;
mod tree;
mod write;

use zeroize::Zeroizing;

pub use error::{KeyError, Place, SopsError};
pub use keys::AgeKeys;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Yaml,
    Json,
}

/// Whether a document carries the marks of sops: a top-level `sops` key with a MAC, or with what stands beside one.
///
/// A document whose MAC was removed counts, so that it is refused by [`decrypt`] and never taken for a plain one.
pub fn is_sops(document: &[u8]) -> bool {
    const MARKS: [&str; 5] = ["mac", "lastmodified", "version", "age", "key_groups"];
    let documents = read::read(document, Format::Yaml);
    documents.is_ok_and(|documents| {
        let entries = documents.iter().flat_map(tree::Node::entries);
        entries
            .filter(|entry| decrypt::is_sops_key(entry))
            .any(|entry| MARKS.iter().any(|mark| entry.value.get(mark).is_some()))
    })
}

/// The plain document in the same format, key order kept, without the `sops` key and without comments.
///
/// Every document of a YAML stream is decrypted and returned, for the MAC covers them together.
pub fn decrypt(
    document: &[u8],
    format: Format,
    keys: &AgeKeys,
) -> Result<Zeroizing<Vec<u8>>, SopsError> {
    let mut documents = read::read(document, format)?;
    decrypt::decrypt(&mut documents, keys)?;
    Ok(write::write(&documents, format, document.len() + 4096))
}
