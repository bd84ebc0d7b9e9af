//! Reads YAML and JSON into trees, within bounds that no document can talk its way out of.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, Tag};
use zeroize::Zeroizing;

use crate::Format;
use crate::error::SopsError;
use crate::scalar;
use crate::tree::{Entry, Key, Node, Value};

pub(crate) const MAX_BYTES: usize = 1_048_576;
const MAX_DEPTH: usize = 100;
/// Counted after aliases are followed.
const MAX_NODES: usize = 200_000;
const MAX_TEXT: usize = 8 * MAX_BYTES;

/// Every document of a stream; JSON has one.
pub(crate) fn read(document: &[u8], format: Format) -> Result<Vec<Node>, SopsError> {
    if document.len() > MAX_BYTES {
        return Err(too_large(MAX_BYTES, "bytes"));
    }
    let text = std::str::from_utf8(document).map_err(|_| SopsError::Unreadable {
        line: 1,
        column: 1,
        problem: "it is not UTF-8 text",
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if format == Format::Json {
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| {
            SopsError::Unreadable {
                line: error.line(),
                column: error.column(),
                problem: "it is not JSON (or nested too deeply)",
            }
        })?;
    }
    // JSON is a subset of YAML, so one reader serves both and both have places.
    Reader::new(text, format).documents()
}

fn too_large(limit: usize, unit: &'static str) -> SopsError {
    SopsError::TooLarge { limit, unit }
}

fn unreadable(at: Marker, problem: &'static str) -> SopsError {
    SopsError::Unreadable {
        line: at.line(),
        column: at.col() + 1,
        problem,
    }
}

/// How much a node takes once its aliases are followed.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    text: usize,
    depth: usize,
}

struct Reader<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    format: Format,
    anchors: HashMap<usize, (Node, Weight)>,
    total: Weight,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, format: Format) -> Self {
        let mut options = Options::default();
        // Comments are not part of the MAC and are not carried over.
        options.emit_comments = false;
        Self {
            parser: Parser::new_from_str_with_options(text, options),
            format,
            anchors: HashMap::new(),
            total: Weight::default(),
        }
    }

    fn documents(mut self) -> Result<Vec<Node>, SopsError> {
        let mut documents = Vec::new();
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(documents),
                (Event::DocumentStart(..), _) => self.anchors.clear(),
                (Event::StreamStart | Event::DocumentEnd, _) => {}
                (event, span) => documents.push(self.node(event, span, 0)?.0),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), SopsError> {
        let end = Marker::new(0, 1, 0);
        let next = self.parser.next();
        let next = next.ok_or_else(|| unreadable(end, "it ends too early"))?;
        // The parser's own words may quote the document.
        next.map_err(|error: ScanError| unreadable(*error.marker(), "it is not well-formed YAML"))
    }

    fn node(
        &mut self,
        event: Event<'a>,
        span: Span,
        depth: usize,
    ) -> Result<(Node, Weight), SopsError> {
        if depth > MAX_DEPTH {
            return Err(too_large(MAX_DEPTH, "levels"));
        }
        let line = span.start.line();
        let (value, anchor, weight) = match event {
            Event::Alias(id) => return self.alias(id, span, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let weight = Weight {
                    nodes: 1,
                    text: text.len(),
                    depth: 1,
                };
                self.count(weight)?;
                let value = self.scalar(&text, style, tag.as_deref(), span)?;
                (value, anchor, weight)
            }
            Event::SequenceStart(_, anchor, _) => {
                let (items, weight) = self.list(depth)?;
                (Value::List(items), anchor, weight)
            }
            Event::MappingStart(_, anchor, _) => {
                let (entries, weight) = self.map(depth)?;
                (Value::Map(entries), anchor, weight)
            }
            _ => return Err(unreadable(span.start, "a value is missing")),
        };
        let node = Node { line, value };
        if anchor != 0 {
            // The copy that is kept for aliases takes memory too.
            self.count(weight)?;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        Ok((node, weight))
    }

    fn count(&mut self, more: Weight) -> Result<(), SopsError> {
        self.total.nodes += more.nodes;
        self.total.text += more.text;
        if self.total.nodes > MAX_NODES {
            return Err(too_large(MAX_NODES, "values"));
        }
        if self.total.text > MAX_TEXT {
            return Err(too_large(MAX_TEXT, "bytes of text behind its aliases"));
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<(Node, Weight), SopsError> {
        let Some((_, weight)) = self.anchors.get(&id) else {
            return Err(unreadable(
                span.start,
                "an alias stands inside its own anchor",
            ));
        };
        let weight = *weight;
        if depth + weight.depth > MAX_DEPTH {
            return Err(too_large(MAX_DEPTH, "levels"));
        }
        self.count(weight)?;
        let node = self.anchors.get(&id).map(|(node, _)| node.clone());
        let mut node = node.ok_or_else(|| unreadable(span.start, "an alias has no anchor"))?;
        node.line = span.start.line();
        Ok((node, weight))
    }

    fn list(&mut self, depth: usize) -> Result<(Vec<Node>, Weight), SopsError> {
        let mut whole = Weight {
            nodes: 1,
            text: 0,
            depth: 1,
        };
        self.count(whole)?;
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok((items, whole));
            }
            let (item, weight) = self.node(event, span, depth + 1)?;
            whole.add(weight);
            items.push(item);
        }
    }

    fn map(&mut self, depth: usize) -> Result<(Vec<Entry>, Weight), SopsError> {
        let mut whole = Weight {
            nodes: 1,
            text: 0,
            depth: 1,
        };
        self.count(whole)?;
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok((entries, whole));
            }
            let merge = is_merge(&event) && self.format == Format::Yaml;
            let (key, weight) = self.node(event, span, depth + 1)?;
            whole.add(weight);
            let (event, span_of_value) = self.next()?;
            let (value, weight) = self.node(event, span_of_value, depth + 1)?;
            whole.add(weight);
            let key = match key.as_text() {
                _ if merge => Key::Merge,
                Some(text) if matches!(key.value, Value::Text(_)) => Key::Text(text.to_owned()),
                _ => Key::Other,
            };
            let line = span.start.line();
            entries.push(Entry { key, line, value });
        }
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<Value, SopsError> {
        let kind = tag.map(|tag| tag.core_suffix().unwrap_or("unknown"));
        match kind {
            None if style != ScalarStyle::Plain => Ok(scalar::text(text)),
            None if self.format == Format::Json => Ok(json_scalar(text)),
            None | Some("null" | "bool" | "int" | "float" | "timestamp") => {
                Ok(scalar::resolve(text))
            }
            Some("binary") => {
                let packed: String = text.split_ascii_whitespace().collect();
                let bytes = STANDARD.decode(packed);
                let bytes = bytes.map_err(|_| unreadable(span.start, "!!binary is not base64"))?;
                Ok(Value::Text(Zeroizing::new(bytes)))
            }
            Some(_) => Ok(scalar::text(text)),
        }
    }
}

impl Weight {
    fn add(&mut self, inner: Self) {
        self.nodes += inner.nodes;
        self.text += inner.text;
        self.depth = self.depth.max(inner.depth + 1);
    }
}

/// sops writes a merge key as `!!merge <<`.
fn is_merge(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(text, style, _, tag) => {
            let tagged = tag.as_ref().map(|tag| tag.core_suffix() == Some("merge"));
            text == "<<" && tagged.unwrap_or(*style == ScalarStyle::Plain)
        }
        _ => false,
    }
}

/// sops reads every JSON number as a float.
fn json_scalar(text: &str) -> Value {
    match text {
        "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        number => number
            .parse()
            .map_or_else(|_| scalar::text(text), Value::Float),
    }
}
