//! Secret keys, read from text and held in memory only.

use std::fmt;

use age::ssh;
use age::x25519;

use crate::error::KeyError;

/// Keys that may open a document. `Debug` tells how many there are and nothing else.
#[derive(Clone, Default)]
pub struct AgeKeys(Vec<Key>);

#[derive(Clone)]
enum Key {
    Age(x25519::Identity),
    Ssh(Box<ssh::Identity>),
}

impl fmt::Debug for AgeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgeKeys({} <REDACTED>)", self.0.len())
    }
}

impl AgeKeys {
    /// Reads what `age-keygen` writes, any number of such keys, and OpenSSH private keys; `#` starts a comment line.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let (number, line) = (index + 1, line.trim().trim_start_matches('\u{feff}'));
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY-----") {
                let rest = lines.by_ref().map(|(_, line)| line.trim());
                keys.push(Key::Ssh(Box::new(ssh_key(line, rest, number)?)));
            } else {
                keys.push(Key::Age(age_key(line, number)?));
            }
        }
        Ok(Self(keys))
    }

    /// Takes the keys of another set as well.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn identities(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|key| match key {
            Key::Age(identity) => identity as &dyn age::Identity,
            Key::Ssh(identity) => identity.as_ref() as &dyn age::Identity,
        })
    }
}

fn age_key(line: &str, number: usize) -> Result<x25519::Identity, KeyError> {
    if line.starts_with("AGE-PLUGIN-") {
        return Err(KeyError::Plugin { line: number });
    }
    if !line.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
        return Err(KeyError::UnknownLine { line: number });
    }
    line.parse()
        .map_err(|_| KeyError::Malformed { line: number })
}

fn ssh_key<'a>(
    first: &str,
    rest: impl Iterator<Item = &'a str>,
    number: usize,
) -> Result<ssh::Identity, KeyError> {
    let mut pem = zeroize::Zeroizing::new(String::with_capacity(16 * 1024));
    pem.push_str(first);
    pem.push('\n');
    for line in rest {
        pem.push_str(line);
        pem.push('\n');
        if line.starts_with("-----END ") {
            break;
        }
    }
    match ssh::Identity::from_buffer(pem.as_bytes(), None) {
        Ok(ssh::Identity::Encrypted(_)) => Err(KeyError::Passphrase { line: number }),
        Ok(ssh::Identity::Unsupported(ssh::UnsupportedKey::EncryptedPem)) => {
            Err(KeyError::Passphrase { line: number })
        }
        Ok(ssh::Identity::Unsupported(_)) => Err(KeyError::UnsupportedSsh { line: number }),
        Ok(identity) => Ok(identity),
        Err(_) => Err(KeyError::MalformedSsh { line: number }),
    }
}
