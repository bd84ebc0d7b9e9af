//! Digests of content that comes in pieces.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use sha2::{Digest as _, Sha256, Sha512};

use super::StoreError;
use crate::names::Digest;

const PIECE: usize = 256 * 1024;

pub(super) fn sha256(hash: Sha256) -> Result<Digest, StoreError> {
    digest("sha256", &hash.finalize())
}

/// The SHA-512 of the first bytes of a file. Hardly anybody uses it, so it is only made when it is asked for.
pub(super) fn sha512(file: &File, size: u64) -> Result<Digest, StoreError> {
    let failed = StoreError::io("read what was stored");
    let mut hash = Sha512::new();
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < size {
        match file.read_at(&mut piece, at) {
            Ok(0) => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                hash.update(&piece[..count]);
                at += count as u64;
            }
            Err(error) => return Err(failed(error)),
        }
    }
    digest("sha512", &hash.finalize())
}

fn digest(algorithm: &str, hash: &[u8]) -> Result<Digest, StoreError> {
    Digest::parse(&format!("{algorithm}:{}", hex(hash)))
        .map_err(|error| StoreError::io("name a digest")(io::Error::other(error)))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}
