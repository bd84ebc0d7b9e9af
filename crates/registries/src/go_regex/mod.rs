//! Go's regular expressions, which rewrites are written in, run on the `regex` crate.
//!
//! A pattern is parsed as Go parses it and printed anew for the `regex` crate, so that a pattern either means
//! the same in both or is refused.

mod bracket;
mod class;
mod count;
mod escape;
mod names;
mod node;
mod parser;
mod print;
mod replace;

use std::sync::OnceLock;

use regex::Regex;

/// Why Go would refuse a pattern. k3s then skips the rule at pull time with a warning in containerd.log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoRefusal {
    /// `(` without `)`.
    #[error("missing closing )")]
    MissingParen,
    /// `)` without `(`.
    #[error("unexpected )")]
    UnexpectedParen,
    /// `[` without `]`.
    #[error("missing closing ]")]
    MissingBracket,
    /// A range from high to low, or an unknown class name.
    #[error("invalid character class range")]
    ClassRange,
    /// An escape that Go does not know.
    #[error("invalid escape sequence")]
    Escape,
    /// A backslash at the end.
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    /// `*`, `+`, `?` or a count with nothing before it.
    #[error("missing argument to repetition operator")]
    NothingToRepeat,
    /// One repetition operator after another.
    #[error("invalid nested repetition operator")]
    NestedRepeat,
    /// A count, or a product of nested counts, above 1,000, or a minimum above the maximum.
    #[error("invalid repeat count")]
    RepeatSize,
    /// Lookaround, atomic groups, unknown flags.
    #[error("invalid or unsupported Perl syntax")]
    PerlSyntax,
    /// A group name with other than letters, digits and underscores.
    #[error("invalid named capture")]
    GroupName,
    /// More than 1,000 levels.
    #[error("expression nests too deeply")]
    NestingDepth,
    /// Larger than Go compiles.
    #[error("expression too large")]
    TooLarge,
}

/// The pattern is valid in Go, but cannot be run here: nobody can tell what it would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern is too large to be tried out")]
pub struct Unportable;

/// A parsed pattern with the names of its groups.
#[derive(Debug)]
struct Parsed {
    node: node::Node,
    names: Vec<Option<String>>,
}

/// A pattern that Go accepts; it is compiled when it is first used.
pub struct GoRegex {
    pattern: String,
    names: Vec<Option<String>>,
    compiled: OnceLock<Option<Regex>>,
}

impl std::fmt::Debug for GoRegex {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("GoRegex")
    }
}

impl GoRegex {
    /// Reads a pattern as `regexp.Compile` does.
    pub fn new(pattern: &str) -> Result<Self, GoRefusal> {
        let Parsed { node, names } = parser::parse(pattern)?;
        Ok(Self {
            pattern: print::print(&node),
            names,
            compiled: OnceLock::new(),
        })
    }

    /// `ReplaceAllString`.
    pub fn replace_all(&self, text: &str, replacement: &str) -> Result<String, Unportable> {
        let regex = self
            .compiled
            .get_or_init(|| {
                // The limits of the `regex` crate for size and nesting hold: its compiler is recursive.
                Regex::new(&self.pattern).ok()
            })
            .as_ref()
            .ok_or(Unportable)?;
        Ok(replace::replace_all(regex, &self.names, text, replacement))
    }

    /// Whether a replacement names a group that the pattern does not have, which inserts nothing.
    pub fn names_unknown_group(&self, replacement: &str) -> bool {
        replace::names_unknown_group(&self.names, replacement)
    }
}

#[cfg(test)]
mod tests;
