//! Why a document cannot be read: kind and place, never a value of it.

use std::fmt;

/// A place in a document, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line, from one.
    pub line: u32,
    /// Column in characters, from one.
    pub column: u32,
}

impl Place {
    pub(crate) fn from_zero_based(line: usize, column: usize) -> Self {
        let one_based = |count: usize| u32::try_from(count).unwrap_or(u32::MAX - 1) + 1;
        Self {
            line: one_based(line),
            column: one_based(column),
        }
    }
}

/// A document that k3s would refuse, or that is beyond our bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Line, from one, when the fault has a place.
    pub line: Option<u32>,
    /// Column, from one, when the fault has a place.
    pub column: Option<u32>,
    /// Further faults of the same document: values that do not fit are all reported at once.
    pub also: Vec<ParseError>,
}

impl ParseError {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self {
            kind,
            line: None,
            column: None,
            also: Vec::new(),
        }
    }

    pub(crate) fn at(kind: ErrorKind, place: Place) -> Self {
        Self {
            kind,
            line: Some(place.line),
            column: Some(place.column),
            also: Vec::new(),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> &'static str {
        self.kind.help()
    }

    /// Whether the document may be fine and there is only too much of it.
    pub fn is_about_size(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::TooLarge
                | ErrorKind::TooManyValues
                | ErrorKind::TooDeep
                | ErrorKind::ExcessiveAliasing
        )
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(formatter, "line {line}, column {column}: ")?;
        }
        write!(formatter, "{}; {}", self.kind, self.kind.help())?;
        for further in &self.also {
            write!(formatter, "\n{further}")?;
        }
        Ok(())
    }
}

/// What a value should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `key: value` pairs.
    Map,
    /// A list.
    List,
    /// A single text.
    Text,
    /// `true` or `false`, unquoted.
    Bool,
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Map => "a map",
            Self::List => "a list",
            Self::Text => "a text",
            Self::Bool => "true or false",
        })
    }
}

/// The kinds of faults, free of anything the document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// More bytes than [`crate::parse::MAX_BYTES`].
    #[error("the document is larger than 1 MiB")]
    TooLarge,
    /// Nested deeper than any registries.yaml.
    #[error("the document is nested too deeply")]
    TooDeep,
    /// More values than any registries.yaml.
    #[error("the document has too many values")]
    TooManyValues,
    /// Aliases that expand to far more than the document.
    #[error("aliases expand to too many values")]
    ExcessiveAliasing,
    /// Not UTF-8.
    #[error("the document is not UTF-8")]
    NotUtf8,
    /// A character that YAML does not allow.
    #[error("a control character is not allowed here")]
    ControlCharacter,
    /// A tab where only spaces may indent.
    #[error("a tab cannot indent")]
    Tab,
    /// A quote that is never closed.
    #[error("a quoted text is not closed")]
    UnclosedQuote,
    /// A bracket or brace that is never closed, or closed by another.
    #[error("a bracket or brace is not closed")]
    UnclosedBracket,
    /// A `key: value` where none can stand.
    #[error("a `key: value` cannot stand here")]
    MappingNotAllowed,
    /// An alias or anchor without a name, most often an unquoted `*`.
    #[error("an alias or anchor has no name")]
    AnchorName,
    /// An alias to nothing.
    #[error("an alias names no anchor")]
    UnknownAnchor,
    /// An anchor that contains itself.
    #[error("an anchor contains itself")]
    RecursiveAlias,
    /// Any other fault of YAML's grammar.
    #[error("this is not valid YAML")]
    Syntax,
    /// A value of another shape.
    #[error("{expected} is expected here")]
    WrongShape {
        /// What was expected.
        expected: Shape,
    },
    /// A tag that contradicts its value.
    #[error("the tag does not fit its value")]
    Tag,
    /// A `!!binary` value that is no base64.
    #[error("a !!binary value is not base64")]
    BinaryNotBase64,
    /// A `!!binary` value that is no text: rendered for containerd it would keep it from starting.
    #[error("a !!binary value is not text")]
    BinaryNotText,
    /// A `<<` whose value is no map.
    #[error("`<<` needs a map or a list of maps")]
    Merge,
}

impl ErrorKind {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::TooLarge | Self::TooManyValues => "keep to registries, or split the document",
            Self::TooDeep => "write it with fewer levels",
            Self::ExcessiveAliasing | Self::RecursiveAlias => {
                "write the values out instead of using aliases"
            }
            Self::NotUtf8 => "save the file as UTF-8",
            Self::ControlCharacter => "remove it, or write it as an escape in double quotes",
            Self::Tab => "indent with spaces",
            Self::UnclosedQuote => "close the quote where the text ends",
            Self::UnclosedBracket => "close it, or quote the text",
            Self::MappingNotAllowed => "check the indentation, and quote texts that contain `: `",
            Self::AnchorName => "quote the text, as in \"*\"",
            Self::UnknownAnchor => "define the anchor before its use, or quote the text",
            Self::Syntax => "check indentation and quotes of this line and the one before",
            Self::WrongShape { expected } => match expected {
                Shape::Map => "write `key: value` lines, indented below the key",
                Shape::List => "write `- value` lines, or [\"value\"]",
                Shape::Text => "write one text, in quotes if it has braces or brackets",
                Shape::Bool => "write true or false without quotes",
            },
            Self::Tag => "remove the tag",
            Self::BinaryNotBase64 | Self::BinaryNotText => "write the text itself, in quotes",
            Self::Merge => "give `<<` an alias of a map",
        }
    }
}
