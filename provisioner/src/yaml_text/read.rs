//! From text to tree, within bounds.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle, Tag};

use super::node::{Content, Node, Place, Style};

const MAX_BYTES: usize = 8 << 20;
const MAX_NODES: usize = 200_000;
const MAX_NESTING: usize = 100;

/// What is wrong with a document and where; nothing of it is ever taken from the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// From one.
    pub(crate) line: usize,
    /// From one.
    pub(crate) column: usize,
    pub(crate) problem: &'static str,
}

/// The first document of a text; `None` when there is none. Aliases are written out.
pub(crate) fn read(text: &str) -> Result<Option<Node>, Fault> {
    if text.len() > MAX_BYTES {
        return Err(Fault {
            line: 1,
            column: 1,
            problem: "it has more than 8 MiB: is it the right file?",
        });
    }
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_NESTING,
        block_nesting_limit: MAX_NESTING,
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| Fault {
            line: error.marker().line().max(1),
            column: error.marker().col() + 1,
            problem: "this is not valid YAML: check the indentation and the quotes of this line and the one before",
        })?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        builder.take(event, &span, text)?;
    }
    Ok(builder.root)
}

#[derive(Default)]
struct Builder {
    root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

struct Open {
    node: Node,
    key: Option<Node>,
    anchor: usize,
    /// Values in it, aliases written out.
    size: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span, text: &str) -> Result<(), Fault> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let node = scalar(&value, style, anchor, tag.as_deref(), span, text);
                self.add(node, anchor, 1)
            }
            Event::SequenceStart(style, anchor, tag) => {
                let tag = tag.as_deref();
                self.open(Content::Sequence(Vec::new()), style, anchor, tag, span)
            }
            Event::MappingStart(style, anchor, tag) => {
                let tag = tag.as_deref();
                self.open(Content::Mapping(Vec::new()), style, anchor, tag, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => {
                let (mut node, size) = self.anchors.get(&anchor).cloned().ok_or_else(|| {
                    fault(span, "an alias names what contains it: write the value out")
                })?;
                let mut place = place(span, Style::Inline);
                place.is_bound = true;
                node.place = Some(place);
                self.add(node, 0, size)
            }
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        content: Content,
        style: StructureStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: &Span,
    ) -> Result<(), Fault> {
        if self.open.len() >= MAX_NESTING {
            return Err(fault(span, "it is nested too deeply"));
        }
        let style = match style {
            StructureStyle::Flow => Style::Inline,
            StructureStyle::Block => Style::Block,
        };
        let mut place = place(span, style);
        place.is_bound = anchor != 0 || tag.is_some();
        let node = Node {
            content,
            tag: tag.map(Tag::original),
            place: Some(place),
        };
        self.open.push(Open {
            node,
            key: None,
            anchor,
            size: 1,
        });
        Ok(())
    }

    fn close(&mut self, span: &Span) -> Result<(), Fault> {
        let Some(Open {
            mut node,
            anchor,
            size,
            ..
        }) = self.open.pop()
        else {
            return Ok(());
        };
        if let Some(place) = &mut node.place
            && place.style == Style::Inline
        {
            place.end = span.end.byte_offset().unwrap_or(place.start);
        }
        self.add(node, anchor, size)
    }

    fn add(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Fault> {
        let fault = |problem| {
            let place = node.place;
            Err(Fault {
                line: place.map_or(1, |place| place.line),
                column: place.map_or(1, |place| place.column + 1),
                problem,
            })
        };
        self.nodes += size;
        if self.nodes > MAX_NODES {
            return fault("it has too many values");
        }
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(parent) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        parent.size += size;
        match &mut parent.node.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping(entries) => match parent.key.take() {
                Some(key) => entries.push((key, node)),
                None if !matches!(node.content, Content::Scalar { .. }) => {
                    return fault("a key must be a single text");
                }
                None => parent.key = Some(node),
            },
            Content::Scalar { .. } => {}
        }
        Ok(())
    }
}

fn scalar(
    value: &str,
    style: ScalarStyle,
    anchor: usize,
    tag: Option<&Tag>,
    span: &Span,
    text: &str,
) -> Node {
    let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
    let mut place = place(
        span,
        if is_block {
            Style::BlockText
        } else {
            Style::Inline
        },
    );
    place.is_bound = anchor != 0 || tag.is_some();
    if is_block {
        // The span runs into the indentation of what follows.
        let written = text.get(..place.end).unwrap_or_default();
        place.end = written.trim_end_matches(' ').len();
    }
    let plain = style == ScalarStyle::Plain;
    let is_null = plain && matches!(value, "" | "~" | "null" | "Null" | "NULL");
    Node {
        content: Content::Scalar {
            text: if is_null { "null" } else { value }.to_owned(),
            plain,
        },
        tag: tag.map(Tag::original),
        place: Some(place),
    }
}

fn place(span: &Span, style: Style) -> Place {
    let start = span.start.byte_offset().unwrap_or_default();
    Place {
        start,
        end: span.end.byte_offset().unwrap_or(start),
        line: span.start.line().max(1),
        column: span.start.col(),
        style,
        is_bound: false,
    }
}

fn fault(span: &Span, problem: &'static str) -> Fault {
    Fault {
        line: span.start.line().max(1),
        column: span.start.col() + 1,
        problem,
    }
}
