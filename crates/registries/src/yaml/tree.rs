//! A document as a tree of nodes with places: built once, read many times.
//!
//! Nodes stand in one vector and name each other by index, so that an alias costs nothing and an anchor that contains
//! itself is found by whoever walks the tree.

use granit_parser::{ErrorKind as ScanKind, Event, Parser, ScalarStyle, ScanError, Span, Tag};
use secrecy::zeroize::Zeroizing;

use super::text;
use crate::error::{ErrorKind, ParseError, Place};

/// More bytes than a Secret can hold are not read.
pub(crate) const MAX_BYTES: usize = 1 << 20;
const MAX_NODES: usize = 200_000;
const MAX_NESTING: usize = 100;

/// Index of a node in its tree.
pub(crate) type Id = usize;

/// The first document of a stream.
#[derive(Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// The root; `None` for a stream without documents.
    pub(crate) root: Option<Id>,
    /// Where a second document starts, which nobody reads.
    pub(crate) second_document: Option<Place>,
}

pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    Scalar(Scalar),
    Sequence(Vec<Id>),
    Mapping(Vec<(Id, Id)>),
    Alias(Id),
}

pub(crate) struct Scalar {
    pub(crate) text: Zeroizing<String>,
    /// Whether YAML may read the text as something else than text.
    pub(crate) plain: bool,
    /// The tag in its short form, such as `!!binary`.
    pub(crate) tag: Option<String>,
}

impl Tree {
    /// Reads the first document of a stream.
    pub(crate) fn read(document: &[u8]) -> Result<Self, ParseError> {
        if document.len() > MAX_BYTES {
            return Err(ParseError::new(ErrorKind::TooLarge));
        }
        let text = text::decode(document)?;
        Builder::default().build(&text)
    }

    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    /// The node itself, or what an alias stands for.
    pub(crate) fn resolve(&self, mut id: Id) -> &Node {
        while let Content::Alias(target) = self.nodes[id].content {
            id = target;
        }
        &self.nodes[id]
    }
}

/// Builds a tree from the parser's events.
#[derive(Default)]
struct Builder {
    tree: Tree,
    /// Collections that are still open, with the key that waits for its value.
    open: Vec<Open>,
    /// Index of the node that carries an anchor, by the parser's number of it.
    anchors: std::collections::HashMap<usize, Id>,
}

struct Open {
    id: Id,
    key: Option<Id>,
}

impl Builder {
    fn build(mut self, text: &str) -> Result<Tree, ParseError> {
        let options = granit_parser::options! {
            emit_comments: false,
            flow_nesting_limit: MAX_NESTING,
            block_nesting_limit: MAX_NESTING,
        };
        let mut documents = 0;
        for event in Parser::new_from_str_with_options(text, options) {
            // What follows the first document is never read by k3s, so it cannot fail there either.
            let (event, span) = match event {
                Ok(read) => read,
                Err(_) if documents > 0 && self.open.is_empty() && self.tree.root.is_some() => {
                    break;
                }
                Err(error) => return Err(scan_error(&error, text)),
            };
            if matches!(event, Event::DocumentStart(..)) {
                documents += 1;
                if documents == 2 {
                    self.tree.second_document = Some(place(&span));
                    break;
                }
            }
            if is_refused_by_yaml_1_1(&event, &span, text) {
                return Err(ParseError::at(ErrorKind::Syntax, place(&span)));
            }
            self.take(event, &span)?;
        }
        Ok(self.tree)
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), ParseError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref().map(short_tag);
                let non_specific = tag.as_deref() == Some("!");
                let scalar = Scalar {
                    text: Zeroizing::new(text.into_owned()),
                    plain: non_specific || (style == ScalarStyle::Plain && tag.is_none()),
                    tag: tag.filter(|_| !non_specific),
                };
                self.add(Content::Scalar(scalar), span, anchor)?;
            }
            Event::Alias(anchor) => {
                let target = *self
                    .anchors
                    .get(&anchor)
                    .ok_or_else(|| ParseError::at(ErrorKind::UnknownAnchor, place(span)))?;
                self.add(Content::Alias(target), span, 0)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(Content::Sequence(Vec::new()), span, anchor)?;
            }
            Event::MappingStart(_, anchor, _) => {
                self.open(Content::Mapping(Vec::new()), span, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, content: Content, span: &Span, anchor: usize) -> Result<(), ParseError> {
        if self.open.len() >= MAX_NESTING {
            return Err(ParseError::at(ErrorKind::TooDeep, place(span)));
        }
        let id = self.add(content, span, anchor)?;
        self.open.push(Open { id, key: None });
        Ok(())
    }

    fn add(&mut self, content: Content, span: &Span, anchor: usize) -> Result<Id, ParseError> {
        let id = self.tree.nodes.len();
        if id >= MAX_NODES {
            return Err(ParseError::at(ErrorKind::TooManyValues, place(span)));
        }
        self.tree.nodes.push(Node {
            place: place(span),
            content,
        });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        self.attach(id);
        Ok(id)
    }

    fn attach(&mut self, id: Id) {
        let Some(parent) = self.open.last_mut() else {
            self.tree.root.get_or_insert(id);
            return;
        };
        match &mut self.tree.nodes[parent.id].content {
            Content::Sequence(items) => items.push(id),
            Content::Mapping(pairs) => match parent.key.take() {
                Some(key) => pairs.push((key, id)),
                None => parent.key = Some(id),
            },
            Content::Scalar(_) | Content::Alias(_) => {}
        }
    }
}

/// `\/` in double quotes came with YAML 1.2, for JSON; yaml.v2 does not know it.
fn is_refused_by_yaml_1_1(event: &Event<'_>, span: &Span, text: &str) -> bool {
    let Event::Scalar(_, ScalarStyle::DoubleQuoted, ..) = event else {
        return false;
    };
    let mut characters = span.slice(text).unwrap_or_default().chars();
    while let Some(character) = characters.next() {
        if character == '\\' && characters.next() == Some('/') {
            return true;
        }
    }
    false
}

fn place(span: &Span) -> Place {
    Place::from_zero_based(span.start.line().saturating_sub(1), span.start.col())
}

fn short_tag(tag: &Tag) -> String {
    if let Some(name) = tag.suffix_in_namespace("tag:yaml.org,2002:") {
        return format!("!!{name}");
    }
    match tag.parts() {
        ("", "!") | ("!", "") => "!".to_owned(),
        (handle, suffix) => format!("{handle}{suffix}"),
    }
}

/// Only kind and place survive: the parser's own text may repeat what the document says.
fn scan_error(error: &ScanError, text: &str) -> ParseError {
    let kind = match error.kind() {
        ScanKind::UnknownAnchor => ErrorKind::UnknownAnchor,
        ScanKind::MissingAnchorOrAliasName => ErrorKind::AnchorName,
        ScanKind::RecursionLimitExceeded => ErrorKind::TooDeep,
        ScanKind::TabNotAllowed
        | ScanKind::TabInBlockIndentation
        | ScanKind::TabInIndentation
        | ScanKind::TabAtBlockScalarStart
        | ScanKind::TabInPlainScalar => ErrorKind::Tab,
        ScanKind::UnclosedQuotedScalar => ErrorKind::UnclosedQuote,
        ScanKind::UnclosedFlowCollection { .. }
        | ScanKind::MismatchedFlowCollectionEnd { .. }
        | ScanKind::UnexpectedEofFlowSequence
        | ScanKind::UnexpectedEofFlowMapping
        | ScanKind::UnexpectedEofImplicitFlowMapping => ErrorKind::UnclosedBracket,
        ScanKind::MappingValueNotAllowed
        | ScanKind::MappingKeyNotAllowed
        | ScanKind::InvalidColonPlacement => ErrorKind::MappingNotAllowed,
        _ => ErrorKind::Syntax,
    };
    let marker = error.marker();
    let last_line = text.split_inclusive('\n').count().max(1) + usize::from(text.ends_with('\n'));
    let line = marker.line().clamp(1, last_line);
    ParseError::at(kind, Place::from_zero_based(line - 1, marker.col()))
}
