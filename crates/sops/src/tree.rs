//! A document as a tree that keeps the order of its keys and the line of every value.

use zeroize::Zeroizing;

/// A value and where it stands.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// No `Debug` on purpose: decrypted trees hold secrets.
#[derive(Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// A number beyond 64 bits with sign, which sops itself refuses.
    HugeInt,
    Float(f64),
    /// A point in time, in the one notation that sops hashes and prints.
    Time(String),
    /// Mostly UTF-8; `!!binary` makes exceptions.
    Text(Zeroizing<Vec<u8>>),
    /// What sops makes of a comment inside an encrypted list: an item that is gone once it is decrypted.
    Comment,
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) line: usize,
    pub(crate) value: Node,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Key {
    Text(String),
    /// `<<`, which readers of YAML 1.1 take as "merge this map".
    Merge,
    /// Numbers, maps and the like, which sops refuses.
    Other,
}

impl Key {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Merge => "<<",
            Self::Other => "?",
        }
    }
}

impl Node {
    /// The value of a key of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|entry| entry.key.text() == key)
            .map(|entry| &entry.value)
    }

    /// The entries of a map; none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// Text, and times, which YAML reads out of plain scalars.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(bytes) => std::str::from_utf8(bytes).ok(),
            Value::Time(text) => Some(text),
            _ => None,
        }
    }
}

/// Longer keys are cut, and deeper paths lose their middle.
const SHOWN_CHARS: usize = 80;
const SHOWN_KEYS: usize = 10;

/// How a path is shown: dotted, keys that are not plain words quoted, credentials in keys left out.
pub(crate) fn show_path<'a>(keys: impl IntoIterator<Item = &'a str>) -> String {
    let mut shown: Vec<String> = keys.into_iter().map(show_key).collect();
    if shown.is_empty() {
        return "the top of the document".to_owned();
    }
    if shown.len() > SHOWN_KEYS {
        let middle = SHOWN_KEYS / 2..shown.len() - SHOWN_KEYS / 2;
        shown.splice(middle, ["…".to_owned()]);
    }
    shown.join(".")
}

pub(crate) fn show_key(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-[]".contains(c);
    let host = key.rsplit('@').next().unwrap_or(key);
    let host = host.split(['?', '#']).next().unwrap_or(host);
    let short: String = host.chars().take(SHOWN_CHARS).collect();
    let end = if host.chars().nth(SHOWN_CHARS).is_some() {
        "…"
    } else {
        ""
    };
    if !short.is_empty() && short.chars().all(plain) {
        return format!("{short}{end}");
    }
    // What is escaped takes up to ten characters for one.
    let quoted: String = format!("{short:?}").chars().take(2 * SHOWN_CHARS).collect();
    format!("{quoted}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_leave_out_what_a_url_may_carry_and_stay_short() {
        assert_eq!(
            show_path(["configs", "mirror:5000", "auth"]),
            "configs.\"mirror:5000\".auth"
        );
        let shown = show_path(["https://user:hunter2@host/?token=hunter2#hunter2"]);
        assert_eq!(shown, "\"host/\"");
        assert!(show_path([&*"x".repeat(1000), "\n"]).len() < 100);
        assert!(show_path([&*"\u{1}".repeat(1000)]).len() < 200);
        let deep = ["mirrors"; 100];
        assert_eq!(show_path(deep).matches("mirrors").count(), 10);
        assert_eq!(show_path([]), "the top of the document");
    }
}
