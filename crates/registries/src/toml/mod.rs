//! TOML as containerd reads it, to tell whether it could load what k3s writes, and what it would see.
//!
//! TOML 1.0 with the `\e` escape that containerd's reader knows; the order of the table headers is kept, because
//! it is the order in which containerd tries hosts.

mod parser;
mod scalar;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub(crate) use parser::parse;

/// Why containerd cannot load a file; nothing of the file is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct TomlError {
    /// Counted from 1.
    pub line: u32,
    /// What is wrong there.
    pub kind: TomlErrorKind,
}

/// What is wrong with a TOML file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TomlErrorKind {
    /// A backslash with a letter that TOML does not know.
    #[error("an escape that TOML does not know")]
    Escape,
    /// A text that does not end on its line.
    #[error("a text without an end")]
    UnclosedString,
    /// A control character, unescaped.
    #[error("a control character")]
    ControlCharacter,
    /// Anything else that is not where it may be.
    #[error("something that TOML does not allow here")]
    Syntax,
    /// A key or table defined twice, or as two different things.
    #[error("a key defined twice")]
    Duplicate,
    /// A value of another type than containerd expects.
    #[error("a value of another type than expected")]
    Type,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    String(String),
    Boolean(bool),
    /// A number, a date or a time: containerd's hosts.toml has none.
    Other,
    Array(Vec<Value>),
    Table(BTreeMap<String, Value>),
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Document {
    pub(crate) root: BTreeMap<String, Value>,
    /// The keys of all `[table]` headers, in order.
    pub(crate) headers: Vec<Vec<String>>,
}
