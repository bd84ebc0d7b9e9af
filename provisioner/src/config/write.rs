//! From a tree to YAML text: keys in the order of the schema, texts in quotes wherever another reader could take them for
//! something else.

use super::schema::Shape;
use super::tree::{Node, Value};

/// Writes a configuration; what says nothing is left out.
pub(super) fn write(root: &Node, shape: Shape<'_>) -> String {
    let mut text = String::from("---\n");
    map(&mut text, root, Some(shape), 0);
    text
}

fn map(out: &mut String, node: &Node, shape: Option<Shape<'_>>, indent: usize) {
    for (index, (key, value)) in ordered(node, shape).into_iter().enumerate() {
        // The first key of an item stands behind the item's hyphen.
        let is_behind_hyphen = index == 0 && out.ends_with("- ");
        if !is_behind_hyphen {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(&scalar(key));
        out.push(':');
        let shape = shape.and_then(|shape| shape.property(key));
        match &value.value {
            Value::Map(_) => {
                out.push('\n');
                map(out, value, shape, indent + 2);
            }
            Value::List(items) => {
                out.push('\n');
                list(out, items, shape.and_then(Shape::items), indent);
            }
            Value::Text(text) if is_block(text) => block(out, text, indent + 2),
            other => {
                out.push(' ');
                out.push_str(&plain(other));
                out.push('\n');
            }
        }
    }
}

fn list(out: &mut String, items: &[Node], shape: Option<Shape<'_>>, indent: usize) {
    for item in items {
        out.push_str(&" ".repeat(indent));
        out.push_str("- ");
        match &item.value {
            Value::Map(_) if !ordered(item, shape).is_empty() => map(out, item, shape, indent + 2),
            Value::Map(_) => out.push_str("{}\n"),
            other => {
                out.push_str(&plain(other));
                out.push('\n');
            }
        }
    }
}

/// The keys that say something: those that the schema knows in its order, then the others.
fn ordered<'a>(node: &'a Node, shape: Option<Shape<'_>>) -> Vec<(&'a str, &'a Node)> {
    let known: Vec<&str> = shape.into_iter().flat_map(Shape::keys).collect();
    let rank = |key: &str| {
        known
            .iter()
            .position(|name| *name == key)
            .unwrap_or(known.len())
    };
    let mut pairs: Vec<(&str, &Node)> = node
        .pairs()
        .iter()
        .filter(|(_, node)| says_something(node))
        .map(|(key, node)| (key.as_str(), node))
        .collect();
    pairs.sort_by_key(|(key, _)| rank(key));
    pairs
}

fn says_something(node: &Node) -> bool {
    match &node.value {
        Value::Map(pairs) => pairs.iter().any(|(_, node)| says_something(node)),
        other => !other.is_empty(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null | Value::Map(_) | Value::List(_) => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) => scalar(text),
    }
}

/// A text as a literal block can hold it: lines that do not start with a space, no other control characters.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && text.ends_with('\n')
        && !text.ends_with("\n\n")
        && !text.starts_with([' ', '\n', '\t'])
        && text.chars().all(|c| c == '\n' || !c.is_control())
}

fn block(out: &mut String, text: &str, indent: usize) {
    out.push_str(" |\n");
    for line in text.lines() {
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// A text on one line, in quotes unless every reader takes it for a text without.
fn scalar(text: &str) -> String {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '$'));
    let is_plain = starts_well
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/_.:=,*+-@;$".contains(&byte))
        && !text.ends_with(':')
        && !is_word(text);
    if is_plain {
        text.to_owned()
    } else {
        // A JSON text is a YAML text in double quotes.
        serde_json::Value::from(text).to_string()
    }
}

/// Words that some reader takes for a boolean or null.
fn is_word(text: &str) -> bool {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}
