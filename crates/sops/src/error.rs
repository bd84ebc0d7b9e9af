//! What can be wrong with keys and documents; no message ever holds a value, a checksum or a key.

use std::fmt;

/// Where in a document a value stands: its keys from the top, and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub path: String,
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {})", self.path, self.line)
    }
}

/// Why a text holds no usable key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "failed to read the key on line {line}: it starts like an age key but does not parse; copy the whole line AGE-SECRET-KEY-1… again"
    )]
    Malformed { line: usize },
    #[error(
        "failed to read the key on line {line}: age plugins are not supported; use an AGE-SECRET-KEY-1… or an OpenSSH private key"
    )]
    Plugin { line: usize },
    #[error(
        "failed to read line {line}: neither an age secret key, an OpenSSH private key nor a # comment"
    )]
    UnknownLine { line: usize },
    #[error(
        "failed to read the OpenSSH key that starts on line {line}: it does not parse; paste the whole file from BEGIN to END"
    )]
    MalformedSsh { line: usize },
    #[error(
        "failed to read the OpenSSH key that starts on line {line}: it is protected by a passphrase; store a copy without one (ssh-keygen -p)"
    )]
    Passphrase { line: usize },
    #[error(
        "failed to read the OpenSSH key that starts on line {line}: only ssh-ed25519 and ssh-rsa keys can open documents"
    )]
    UnsupportedSsh { line: usize },
}

/// Why a document was refused; it is always refused whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SopsError {
    #[error("failed to read the document: it has more than {limit} {unit}; split it")]
    TooLarge { limit: usize, unit: &'static str },
    #[error("failed to read the document at line {line}, column {column}: {problem}")]
    Unreadable {
        line: usize,
        column: usize,
        problem: &'static str,
    },
    #[error("failed to find a top-level `sops` key: the document is not encrypted with sops")]
    NotEncryptedDocument,
    #[error(
        "failed to read `sops.{field}`: {problem}; restore the file as sops wrote it or encrypt it again"
    )]
    Metadata {
        field: String,
        problem: &'static str,
    },
    #[error(
        "failed to verify the document: `sops.mac` is missing; restore the file as sops wrote it or encrypt it again"
    )]
    MissingMac,
    #[error(
        "failed to decrypt: `sops.{field}` selects values by comments, which is not supported; encrypt again with encrypted_regex or a suffix"
    )]
    CommentRules { field: &'static str },
    #[error(
        "failed to decrypt: unknown key service; the document is encrypted for {services} only, and age and ssh recipients are supported; add one with `sops updatekeys`"
    )]
    UnknownKeyService { services: String },
    #[error(
        "failed to decrypt: none of the {given} given keys fits; the document is encrypted for {wanted}; add the matching key or the recipient of yours with `sops updatekeys`"
    )]
    NoMatchingKey { given: usize, wanted: String },
    #[error(
        "failed to unwrap the data key in `{field}`: a given key fits, but what it unwraps is damaged; restore the file as sops wrote it"
    )]
    DamagedDataKey { field: String },
    #[error(
        "failed to decrypt: {opened} of {needed} needed key groups could be opened with the {given} given keys; still closed: {closed}; add a key of those"
    )]
    TooFewKeyGroups {
        opened: usize,
        needed: usize,
        given: usize,
        closed: String,
    },
    #[error(
        "failed to decrypt {0}: the value should be encrypted and is not; encrypt the file again"
    )]
    ValueNotEncrypted(Place),
    #[error(
        "failed to decrypt {0}: the encrypted value is cut or garbled; restore it as sops wrote it"
    )]
    MalformedValue(Place),
    #[error(
        "failed to decrypt {0}: the encrypted value was changed, or moved here from another place; restore the file as sops wrote it"
    )]
    TamperedValue(Place),
    #[error(
        "failed to decrypt {place}: unknown type `{kind}`; encrypt the file again with sops 3.11 or older"
    )]
    UnknownValueType { place: Place, kind: String },
    #[error(
        "failed to decrypt {0}: the rules of the file leave this value in clear text, but it is encrypted; encrypt the file again"
    )]
    StillEncrypted(Place),
    #[error(
        "failed to read a key in {0}: only text can be a key; quote it and encrypt the file again"
    )]
    UnsupportedKey(Place),
    #[error(
        "failed to read {0}: the number does not fit 64 bits; quote it and encrypt the file again"
    )]
    UnsupportedNumber(Place),
    #[error(
        "failed to verify the document: `sops.mac` or `sops.lastmodified` was changed; restore the file as sops wrote it"
    )]
    TamperedMac,
    #[error(
        "failed to verify the document: a key or value was added, changed, moved or removed after it was encrypted; restore the file as sops wrote it, or edit it with `sops edit`"
    )]
    MacMismatch,
}

impl SopsError {
    /// One word for conditions, events and metric labels.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "TooLarge",
            Self::Unreadable { .. } => "Unreadable",
            Self::NotEncryptedDocument => "NotEncryptedDocument",
            Self::Metadata { .. } => "InvalidMetadata",
            Self::MissingMac => "MissingMac",
            Self::CommentRules { .. } => "CommentRules",
            Self::UnknownKeyService { .. } => "UnknownKeyService",
            Self::NoMatchingKey { .. } => "NoMatchingKey",
            Self::DamagedDataKey { .. } => "DamagedDataKey",
            Self::TooFewKeyGroups { .. } => "TooFewKeyGroups",
            Self::ValueNotEncrypted(_) => "ValueNotEncrypted",
            Self::MalformedValue(_) => "MalformedValue",
            Self::TamperedValue(_) => "TamperedValue",
            Self::UnknownValueType { .. } => "UnknownValueType",
            Self::StillEncrypted(_) => "StillEncrypted",
            Self::UnsupportedKey(_) => "UnsupportedKey",
            Self::UnsupportedNumber(_) => "UnsupportedNumber",
            Self::TamperedMac => "TamperedMac",
            Self::MacMismatch => "MacMismatch",
        }
    }
}
