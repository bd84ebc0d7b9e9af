//! Writes a parsed expression in the syntax of the `regex` crate, spelling out whatever the two read differently.

use std::fmt::Write as _;

use regex_syntax::hir::ClassUnicode;

use super::node::{Kind, Node, Repeat};

/// The expression for the `regex` crate; groups keep their numbers and lose their names.
pub(super) fn print(node: &Node) -> String {
    let mut pattern = String::new();
    push(&mut pattern, node);
    pattern
}

fn push(pattern: &mut String, node: &Node) {
    match &node.kind {
        Kind::Empty => pattern.push_str("(?:)"),
        Kind::Literal(character) => push_character(pattern, *character),
        Kind::Class(class) => push_class(pattern, class),
        Kind::AnyChar => pattern.push_str("(?s:.)"),
        Kind::AnyCharNotNewline => pattern.push_str(r"[^\n]"),
        Kind::BeginLine => pattern.push_str("(?m:^)"),
        Kind::EndLine => pattern.push_str("(?m:$)"),
        Kind::BeginText => pattern.push_str(r"\A"),
        Kind::EndText => pattern.push_str(r"\z"),
        Kind::WordBoundary => pattern.push_str(r"(?-u:\b)"),
        Kind::NoWordBoundary => pattern.push_str(r"(?-u:\B)"),
        Kind::Capture(inner) => push_group(pattern, "(", inner),
        Kind::Repeat(inner, repeat) => {
            push_group(pattern, "(?:", inner);
            push_repeat(pattern, *repeat);
        }
        Kind::Concat(parts) => {
            for part in parts {
                if matches!(part.kind, Kind::Alternate(_)) {
                    push_group(pattern, "(?:", part);
                } else {
                    push(pattern, part);
                }
            }
        }
        Kind::Alternate(parts) => {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    pattern.push('|');
                }
                push(pattern, part);
            }
        }
    }
}

fn push_group(pattern: &mut String, open: &str, inner: &Node) {
    pattern.push_str(open);
    push(pattern, inner);
    pattern.push(')');
}

fn push_repeat(pattern: &mut String, repeat: Repeat) {
    // Writing to a String cannot fail.
    let _ = match (repeat.min, repeat.max) {
        (0, None) => write!(pattern, "*"),
        (1, None) => write!(pattern, "+"),
        (0, Some(1)) => write!(pattern, "?"),
        (min, None) => write!(pattern, "{{{min},}}"),
        (min, Some(max)) => write!(pattern, "{{{min},{max}}}"),
    };
    if !repeat.greedy {
        pattern.push('?');
    }
}

fn push_class(pattern: &mut String, class: &ClassUnicode) {
    if class.ranges().is_empty() {
        pattern.push_str(r"[^\x00-\x{10FFFF}]");
        return;
    }
    pattern.push('[');
    for range in class.iter() {
        push_character(pattern, range.start());
        if range.start() != range.end() {
            pattern.push('-');
            push_character(pattern, range.end());
        }
    }
    pattern.push(']');
}

fn push_character(pattern: &mut String, character: char) {
    if character.is_ascii_alphanumeric() {
        pattern.push(character);
    } else {
        let _ = write!(pattern, "\\x{{{:X}}}", u32::from(character));
    }
}
