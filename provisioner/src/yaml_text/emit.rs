//! From tree to text, in the manner of kubectl: lists stand as far left as their key.

use std::fmt::Write as _;

use super::node::{Content, Node, is_surely_text};

// Writing to a String cannot fail, so the results of `write!` are dropped throughout.

/// Longer keys are written with `?`: YAML gives up on finding the colon of a key after 1,024 characters.
const LONGEST_SIMPLE_KEY: usize = 900;

/// A whole document.
pub(crate) fn emit(node: &Node) -> String {
    let mut text = String::new();
    match inline(node) {
        Some(inline) => {
            text.push_str(&inline);
            text.push('\n');
        }
        None => block(&mut text, node, 0, 0),
    }
    text
}

/// `key: value` lines of a map, indented.
pub(super) fn entry_lines(key: &Node, value: &Node, indent: usize) -> String {
    let mut text = " ".repeat(indent);
    entry(&mut text, key, value, indent);
    text
}

/// An item of a list, the dash indented.
pub(super) fn item_lines(node: &Node, indent: usize) -> String {
    let mut text = " ".repeat(indent);
    item(&mut text, node, indent);
    text
}

/// A collection in lines below its key, which is indented.
pub(super) fn block_below(node: &Node, key_indent: usize) -> String {
    let mut text = String::new();
    let indent = match node.content {
        Content::Mapping(_) => key_indent + 2,
        _ => key_indent,
    };
    block(&mut text, node, indent, indent);
    text
}

/// What fits behind a key: a scalar, or an empty collection.
pub(super) fn inline(node: &Node) -> Option<String> {
    let text = match &node.content {
        Content::Scalar { text, plain } => {
            if is_surely_text(text) || (*plain && !text.contains('\n')) {
                text.clone()
            } else {
                quote(text)
            }
        }
        Content::Sequence(items) if items.is_empty() => "[]".to_owned(),
        Content::Mapping(entries) if entries.is_empty() => "{}".to_owned(),
        _ => return None,
    };
    Some(match &node.tag {
        Some(tag) => format!("{tag} {text}"),
        None => text,
    })
}

/// The first line is indented by `first`, the others by `indent`.
fn block(text: &mut String, node: &Node, first: usize, indent: usize) {
    let mut start = first;
    match &node.content {
        Content::Mapping(entries) => {
            for (key, value) in entries {
                push_spaces(text, std::mem::replace(&mut start, indent));
                entry(text, key, value, indent);
            }
        }
        Content::Sequence(items) => {
            for value in items {
                push_spaces(text, std::mem::replace(&mut start, indent));
                item(text, value, indent);
            }
        }
        Content::Scalar { .. } => {}
    }
}

fn entry(text: &mut String, key: &Node, value: &Node, indent: usize) {
    let name = inline(key).unwrap_or_default();
    if name.chars().count() > LONGEST_SIMPLE_KEY {
        let _ = writeln!(text, "? {name}");
        push_spaces(text, indent);
        text.push(':');
    } else {
        let _ = write!(text, "{name}:");
    }
    if let Some(inline) = inline(value) {
        let _ = writeln!(text, " {inline}");
        return;
    }
    if let Some(tag) = &value.tag {
        let _ = write!(text, " {tag}");
    }
    text.push('\n');
    text.push_str(&block_below(value, indent));
}

fn item(text: &mut String, value: &Node, indent: usize) {
    text.push('-');
    match (inline(value), &value.tag) {
        (Some(inline), _) => {
            let _ = writeln!(text, " {inline}");
        }
        (None, Some(tag)) => {
            let _ = writeln!(text, " {tag}");
            block(text, value, indent + 2, indent + 2);
        }
        (None, None) => block(text, value, 1, indent + 2),
    }
}

fn push_spaces(text: &mut String, count: usize) {
    text.extend(std::iter::repeat_n(' ', count));
}

/// A text in double quotes, with everything escaped that YAML would fold, trim or refuse.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            ' '..='~' | '\u{A1}'..='\u{2027}' | '\u{202A}'..='\u{D7FF}' => quoted.push(character),
            other => {
                let _ = match u32::from(other) {
                    code @ 0..=0xFF => write!(quoted, "\\x{code:02X}"),
                    code @ 0x100..=0xFFFF => write!(quoted, "\\u{code:04X}"),
                    code => write!(quoted, "\\U{code:08X}"),
                };
            }
        }
    }
    quoted.push('"');
    quoted
}
