//! The grammar of the distribution specification: names, tags, digests. Nothing reaches a file or the Engine before it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

/// The most bytes of a repository's name.
const NAME_LIMIT: usize = 255;
/// The most bytes of a tag.
const TAG_LIMIT: usize = 128;

/// A repository's name, as the specification allows it: `library/nginx`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// A tag: `1.27`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

/// A digest by SHA-256 or SHA-512, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// What a manifest is asked for by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// By tag.
    Tag(Tag),
    /// By digest.
    Digest(Digest),
}

/// A registry's host, in lower case, with its port if it has one; Docker Hub is always `docker.io`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host(String);

/// A repository of a registry that others hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MirroredName {
    /// The registry.
    pub host: Host,
    /// The repository there, `library/` included for Docker Hub's own images.
    pub repository: Name,
}

/// A text that does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// No repository's name.
    #[error(
        "a repository's name is lower-case letters, digits and single separators, in parts divided by /, at most 255 bytes"
    )]
    Name,
    /// No tag.
    #[error(
        "a tag is letters, digits, _ . and -, does not begin with . or -, and has at most 128 bytes"
    )]
    Tag,
    /// No digest.
    #[error("a digest is sha256: and 64, or sha512: and 128 lower-case hexadecimal digits")]
    Digest,
    /// No host.
    #[error(
        "a registry is a host's name or address and maybe a port, as in registry.example.com:5000"
    )]
    Host,
}

impl Name {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        if text.len() <= NAME_LIMIT && text.split('/').all(is_path_component) {
            Ok(Self(text.to_owned()))
        } else {
            Err(GrammarError::Name)
        }
    }

    /// A name of one part gets `library/` before it, as Docker Hub's own images have it. One that has no room for it
    /// stays as it is, and names nothing there.
    pub(crate) fn below_library(self) -> Self {
        if self.0.contains('/') {
            return self;
        }
        Self::parse(&format!("library/{}", self.0)).unwrap_or(self)
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Tag {
    /// Checks a tag.
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        let first = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_tag = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if first && text.len() <= TAG_LIMIT && text.bytes().all(is_tag) {
            Ok(Self(text.to_owned()))
        } else {
            Err(GrammarError::Tag)
        }
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Digest {
    /// Checks a digest.
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        let (algorithm, digits) = text.split_once(':').ok_or(GrammarError::Digest)?;
        let wanted = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Err(GrammarError::Digest),
        };
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() == wanted && digits.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(GrammarError::Digest)
        }
    }

    /// The SHA-256 of some content.
    pub fn of(content: &[u8]) -> Self {
        Self(format!("sha256:{}", hex(&Sha256::digest(content))))
    }

    /// Whether some content has this digest.
    pub fn is_of(&self, content: &[u8]) -> bool {
        match self.algorithm() {
            "sha512" => self.hex() == hex(&Sha512::digest(content)),
            _ => self.hex() == hex(&Sha256::digest(content)),
        }
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `sha256` or `sha512`.
    pub fn algorithm(&self) -> &str {
        &self.0[..6]
    }

    /// The digits alone.
    pub fn hex(&self) -> &str {
        &self.0[7..]
    }
}

impl Reference {
    /// Checks a tag or, when there is a colon in it, a digest.
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        if text.contains(':') {
            Digest::parse(text).map(Self::Digest)
        } else {
            Tag::parse(text).map(Self::Tag)
        }
    }
}

impl Host {
    /// `docker.io`.
    pub fn docker_hub() -> Self {
        Self("docker.io".to_owned())
    }

    /// Checks a host and gives Docker Hub's other names its own.
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        let lower = text.to_ascii_lowercase();
        let (name, port) = match lower.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(port)),
            _ => (lower.as_str(), None),
        };
        let address = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let named = name.len() <= 253 && name.split('.').all(is_label);
        let valid = address.map_or(named, |inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
        if !valid || port.is_some_and(|port| !is_port(port)) {
            return Err(GrammarError::Host);
        }
        Ok(match lower.as_str() {
            "index.docker.io" | "registry-1.docker.io" => Self::docker_hub(),
            _ => Self(lower),
        })
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Numbers may have a sign to the parser of numbers, and ports not.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

impl TryFrom<String> for Name {
    type Error = GrammarError;

    fn try_from(text: String) -> Result<Self, GrammarError> {
        Self::parse(&text)
    }
}

impl From<Name> for String {
    fn from(checked: Name) -> Self {
        checked.0
    }
}

impl TryFrom<String> for Tag {
    type Error = GrammarError;

    fn try_from(text: String) -> Result<Self, GrammarError> {
        Self::parse(&text)
    }
}

impl From<Tag> for String {
    fn from(checked: Tag) -> Self {
        checked.0
    }
}

impl TryFrom<String> for Digest {
    type Error = GrammarError;

    fn try_from(text: String) -> Result<Self, GrammarError> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(checked: Digest) -> Self {
        checked.0
    }
}

impl TryFrom<String> for Host {
    type Error = GrammarError;

    fn try_from(text: String) -> Result<Self, GrammarError> {
        Self::parse(&text)
    }
}

impl From<Host> for String {
    fn from(checked: Host) -> Self {
        checked.0
    }
}

/// The Engine's digests are SHA-256 and follow the same grammar.
impl From<&docker::Digest> for Digest {
    fn from(checked: &docker::Digest) -> Self {
        Self(checked.as_str().to_owned())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl fmt::Display for MirroredName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)
    }
}

fn hex(hash: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    hash.iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// Letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_path_component(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let words: Vec<&str> = part
        .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .filter(|gap| !gap.is_empty())
        .collect();
    let bounded =
        part.bytes().next().is_some_and(is_word) && part.bytes().last().is_some_and(is_word);
    bounded
        && words
            .iter()
            .all(|gap| matches!(*gap, "." | "_" | "__") || gap.bytes().all(|byte| byte == b'-'))
}

/// A part of a host's name between dots.
fn is_label(label: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(is_inner)
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
