//! From YAML text to a tree with places: scalars as Go's yaml.v3 types them, anchors and merge keys resolved.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::problem::{Findings, Place, Problem, Wrong};
use super::tree::{Node, Value};

/// Aliases of aliases would otherwise fill the memory.
const MAX_NODES: usize = 100_000;
const MAX_NESTING: usize = 100;

/// Reads the first document; `line_of` tells the line of the file from a line of the text.
pub(super) fn read(
    text: &str,
    file: &Arc<str>,
    line_of: &dyn Fn(usize) -> usize,
    findings: &mut Findings,
) -> Result<Node, Problem> {
    let mut reader = Reader {
        file,
        line_of,
        findings,
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
    };
    reader.run(text.strip_prefix('\u{feff}').unwrap_or(text))?;
    let root = reader.root.take();
    Ok(root.unwrap_or_else(|| Node::new(&at(file, 1, ""), Value::Null)))
}

fn at(file: &Arc<str>, line: usize, path: &str) -> Place {
    Place::File {
        file: Arc::clone(file),
        line,
        path: path.to_owned(),
    }
}

struct Reader<'a> {
    file: &'a Arc<str>,
    line_of: &'a dyn Fn(usize) -> usize,
    findings: &'a mut Findings,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

/// A collection whose end was not seen yet.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value, with its line.
    key: Option<(String, usize)>,
    /// What merge keys bring; a key of the map itself stays.
    merged: Vec<(String, Node)>,
}

impl Reader<'_> {
    fn run(&mut self, text: &str) -> Result<(), Problem> {
        let options = granit_parser::options! {
            emit_comments: false,
            flow_nesting_limit: MAX_NESTING,
            block_nesting_limit: MAX_NESTING,
        };
        let mut documents = 0;
        for event in Parser::new_from_str_with_options(text, options) {
            // The parser's own message may repeat what the file says, which may be secret.
            let (event, span) = event.map_err(|error| {
                let line = (self.line_of)(error.marker().line().max(1));
                Wrong::new("failed to read the file as YAML")
                    .mend("look at this line and the one before: indentation, quotes, brackets")
                    .at(&at(self.file, line, ""))
            })?;
            if matches!(event, Event::DocumentStart(..)) {
                documents += 1;
                if documents == 2 {
                    let place = at(self.file, self.line(&span), "");
                    self.findings
                        .warn(&place, "a second document starts here, which is not read");
                    return Ok(());
                }
            }
            self.take(event, &span)?;
        }
        Ok(())
    }

    fn line(&self, span: &Span) -> usize {
        (self.line_of)(span.start.line().max(1))
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Problem> {
        let line = self.line(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                if self.takes_key() {
                    return self.key(text.into_owned(), line);
                }
                let mut node = self.node(line, scalar(&text, plain, tag.as_deref()));
                node.plain = plain;
                self.close(node, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.start(line, Value::List(Vec::new()), anchor),
            Event::MappingStart(_, anchor, _) => self.start(line, Value::empty_map(), anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(mut open) => {
                    if let Value::Map(pairs) = &mut open.node.value {
                        add_missing(pairs, open.merged);
                    }
                    self.close(open.node, open.anchor)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                let node = known.ok_or_else(|| {
                    Wrong::new("this alias names no anchor that stands before it").at(&at(
                        self.file,
                        line,
                        &self.path(),
                    ))
                })?;
                self.nodes += count(&node);
                self.close(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn takes_key(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| open.key.is_none() && matches!(open.node.value, Value::Map(_)))
    }

    fn key(&mut self, key: String, line: usize) -> Result<(), Problem> {
        let path = self.path();
        if let Some(open) = self.open.last_mut() {
            if let Some(first) = open.node.get(&key) {
                let wrong = match &first.place {
                    Place::File { line, .. } => Wrong::new(format!(
                        "the key {key} stands here a second time; the first is in line {line}"
                    )),
                    _ => Wrong::new(format!("the key {key} stands here a second time")),
                };
                return Err(wrong.at(&at(self.file, line, &path)));
            }
            open.key = Some((key, line));
        }
        Ok(())
    }

    /// The path of the value that comes next.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            if let Some((key, _)) = &open.key {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            } else if let Value::List(items) = &open.node.value {
                path.push('[');
                path.push_str(&items.len().to_string());
                path.push(']');
            }
        }
        path
    }

    fn node(&mut self, line: usize, value: Value) -> Node {
        self.nodes += 1;
        // A block under a key starts in the next line; what the user looks for is the key.
        let line = match self.open.last().and_then(|open| open.key.as_ref()) {
            Some((_, line)) => *line,
            None => line,
        };
        Node::new(&at(self.file, line, &self.path()), value)
    }

    fn start(&mut self, line: usize, value: Value, anchor: usize) -> Result<(), Problem> {
        let node = self.node(line, value);
        if self.takes_key() {
            return Err(Wrong::new("a key must be a text, not a list or a map").at(&node.place));
        }
        self.open.push(Open {
            node,
            anchor,
            key: None,
            merged: Vec::new(),
        });
        Ok(())
    }

    fn close(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if self.nodes > MAX_NODES {
            return Err(Wrong::new("the file holds too many values").at(&node.place));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut parent.node.value, parent.key.take()) {
            (Value::Map(_), Some((key, _))) if key == "<<" => merge(&mut parent.merged, node),
            (Value::Map(pairs), Some((key, _))) => pairs.push((key, node)),
            (Value::List(items), _) => items.push(node),
            _ => {}
        }
        Ok(())
    }
}

/// YAML's merge key takes a map or a list of maps; the first to name a key wins.
fn merge(merged: &mut Vec<(String, Node)>, from: Node) {
    match from.value {
        Value::Map(pairs) => add_missing(merged, pairs),
        Value::List(items) => items.into_iter().for_each(|item| merge(merged, item)),
        _ => {}
    }
}

fn add_missing(pairs: &mut Vec<(String, Node)>, more: Vec<(String, Node)>) {
    for (key, node) in more {
        if !pairs.iter().any(|(name, _)| *name == key) {
            pairs.push((key, node));
        }
    }
}

fn count(node: &Node) -> usize {
    1 + node.items().iter().map(count).sum::<usize>()
        + node
            .pairs()
            .iter()
            .map(|(_, node)| count(node))
            .sum::<usize>()
}

fn scalar(text: &str, plain: bool, tag: Option<&Tag>) -> Value {
    let is_text = tag
        .is_some_and(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() == Some("str"));
    if !plain || is_text {
        return Value::text(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => integer(text)
            .map(Value::Integer)
            .or_else(|| float(text).map(Value::Float))
            .unwrap_or_else(|| Value::text(text)),
    }
}

fn integer(text: &str) -> Option<i64> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')) {
        return None;
    }
    let packed = text.replace('_', "");
    let (negative, digits) = match packed.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, packed.strip_prefix('+').unwrap_or(&packed)),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some(start) if start.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    // `from_str_radix` would take another sign.
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts = unsigned.starts_with(|c: char| c.is_ascii_digit())
        || (unsigned.starts_with('.') && unsigned[1..].starts_with(|c: char| c.is_ascii_digit()));
    if !starts {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use serde_json::json;

    use super::*;

    fn tree(text: &str) -> Result<Node, Problem> {
        read(
            text,
            &Arc::from("x.yaml"),
            &|line| line,
            &mut Findings::default(),
        )
    }

    #[test]
    fn plain_scalars_are_typed_and_quoted_ones_are_texts() {
        let root = tree("a: 1\nb: '1'\nc: 0x1f\nd: 0644\ne: 1.5\nf: yes\ng: ~\nh: 80:80\ni: 1_000\nj: true\nk: -3\nl: !!str 7\nm: 1.2.3\nn: +\no: 1e3\n").unwrap();
        assert_eq!(
            root.to_json(),
            json!({"a": 1, "b": "1", "c": 31, "d": 420, "e": 1.5, "f": "yes", "g": null, "h": "80:80",
                   "i": 1000, "j": true, "k": -3, "l": "7", "m": "1.2.3", "n": "+", "o": 1000.0})
        );
    }

    #[test]
    fn every_value_knows_its_line_and_path() {
        let root = tree("---\nports:\n  - port: 80:80\n    nodeFilters:\n      - a\n      - b\noptions: {k3d: {wait: true}}\n").unwrap();
        for (path, line) in [
            ("ports", 2),
            ("ports[0]", 3),
            ("ports[0].port", 3),
            ("ports[0].nodeFilters", 4),
            ("ports[0].nodeFilters[1]", 6),
            ("options.k3d.wait", 7),
        ] {
            assert_eq!(
                root.place_of(path),
                &at(&Arc::from("x.yaml"), line, path),
                "{path}"
            );
        }
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved() {
        let root = tree("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}\nc: *x\nd: [*x]\n").unwrap();
        assert_eq!(
            root.to_json(),
            json!({"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 3}, "c": {"k": 1, "l": 2}, "d": [{"k": 1, "l": 2}]})
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_with_both_lines() {
        let problem = tree("servers: 1\nagents: 2\nservers: 3\n").unwrap_err();
        assert_eq!(
            problem.to_string(),
            "(root): the key servers stands here a second time; the first is in line 1 (x.yaml:3)"
        );
    }

    #[test]
    fn broken_yaml_is_refused_with_its_line_and_without_its_text() {
        let problem = tree("token: hunter2\nports: [\"80:80\"\n")
            .unwrap_err()
            .to_string();
        assert!(
            problem.contains("x.yaml:") && !problem.contains("hunter2"),
            "{problem}"
        );
        assert!(tree("a: *nothing\n").is_err());
    }

    #[test]
    fn aliases_of_aliases_do_not_fill_the_memory() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            let _ = writeln!(text, "a{level}: &a{level} [{items}]");
        }
        assert!(tree(&text).unwrap_err().to_string().contains("too many"));
    }
}
