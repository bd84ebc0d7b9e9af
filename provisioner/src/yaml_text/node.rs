//! The tree of a document.

use std::fmt;

/// A value. Two are equal when they say the same, wherever they stand and however they are written.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) content: Content,
    /// The tag as it is written, such as `!!binary`.
    pub(crate) tag: Option<String>,
    /// `None` for what we made.
    pub(crate) place: Option<Place>,
}

#[derive(Clone)]
pub(crate) enum Content {
    Scalar {
        text: String,
        /// Written without quotes, so that it may be a number, a bool or null.
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// Where a value stands, in bytes; a block collection has only a start.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// From one.
    pub(crate) line: usize,
    /// From zero, in characters.
    pub(crate) column: usize,
    pub(crate) style: Style,
    /// An anchor, a tag or an alias is in the way of changing it in place.
    pub(crate) is_bound: bool,
}

impl Place {
    /// A key without a value: there is nothing to be seen of it.
    pub(crate) fn is_empty(&self) -> bool {
        self.style == Style::Inline && self.start == self.end
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Style {
    /// Begins behind its key: a scalar, or a collection in brackets.
    Inline,
    /// A collection in lines of its own.
    Block,
    /// A text in lines of its own, behind `|` or `>`.
    BlockText,
}

impl Node {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::of(Content::Scalar {
            text: text.into(),
            plain: false,
        })
    }

    pub(crate) fn list(items: Vec<Node>) -> Self {
        Self::of(Content::Sequence(items))
    }

    pub(crate) fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Node)>) -> Self {
        let entries = entries.into_iter();
        Self::of(Content::Mapping(
            entries
                .map(|(key, value)| (Self::text(key), value))
                .collect(),
        ))
    }

    pub(crate) fn of(content: Content) -> Self {
        Self {
            content,
            tag: None,
            place: None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true } if text == "null" && self.tag.is_none())
    }

    pub(crate) fn entries(&self) -> Option<&[(Node, Node)]> {
        match &self.content {
            Content::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn entries_mut(&mut self) -> Option<&mut Vec<(Node, Node)>> {
        match &mut self.content {
            Content::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> Option<&[Node]> {
        match &self.content {
            Content::Sequence(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let entries = self.entries()?.iter();
        let mut found = entries.filter(|(name, _)| name.as_text() == Some(key));
        found.next().map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let entries = self.entries_mut()?.iter_mut();
        let mut found = entries.filter(|(name, _)| name.as_text() == Some(key));
        found.next().map(|(_, value)| value)
    }

    /// Sets a key of a map, in its place or as the last; other values are left alone.
    pub(crate) fn set(&mut self, key: &str, value: Node) {
        if let Some(old) = self.get_mut(key) {
            *old = value;
        } else if let Some(entries) = self.entries_mut() {
            entries.push((Self::text(key), value));
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(entries) = self.entries_mut() {
            entries.retain(|(name, _)| name.as_text() != Some(key));
        }
    }

    /// Whether the map or list has nothing in it.
    pub(crate) fn is_empty_collection(&self) -> bool {
        match &self.content {
            Content::Scalar { .. } => false,
            Content::Sequence(items) => items.is_empty(),
            Content::Mapping(entries) => entries.is_empty(),
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.content, &other.content) {
            (Content::Sequence(left), Content::Sequence(right)) => left == right,
            (Content::Mapping(left), Content::Mapping(right)) => left == right,
            (
                Content::Scalar {
                    text: left,
                    plain: left_plain,
                },
                Content::Scalar {
                    text: right,
                    plain: right_plain,
                },
            ) => left == right && (left_plain == right_plain || is_surely_text(left)),
            _ => false,
        };
        same && self.tag == other.tag
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<REDACTED>")
    }
}

/// Whether a text reads as text without quotes, in every version of YAML.
pub(crate) fn is_surely_text(text: &str) -> bool {
    const OTHERWISE: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && !text.ends_with(':')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./@+=:".contains(c))
        && !OTHERWISE.contains(&text.to_ascii_lowercase().as_str())
}
