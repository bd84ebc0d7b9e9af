//! A configuration as a tree whose every value knows where it comes from: file, flag, variable or nobody.
//!
//! Files of old versions are migrated, and variables and flags are laid over, on this tree, so that whatever turns out to
//! be wrong later can still be shown where the user wrote it.

use std::fmt;

use serde_json::{Map, Number};

use super::problem::Place;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
    /// Whether a text stands without quotes in a file.
    pub(super) plain: bool,
}

#[derive(Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(String, Node)>),
}

impl fmt::Debug for Value {
    /// Texts may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Map(pairs) => f
                .debug_map()
                .entries(pairs.iter().map(|(key, node)| (key, &node.value)))
                .finish(),
            other => f.write_str(other.type_name()),
        }
    }
}

impl Value {
    /// The name of its type in JSON schemas.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Float(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) => "object",
        }
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn empty_map() -> Self {
        Self::Map(Vec::new())
    }

    /// Whether it says nothing: null, or an empty text, list or map.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(pairs) => pairs.is_empty(),
            Self::Bool(_) | Self::Integer(_) | Self::Float(_) => false,
        }
    }
}

impl Node {
    pub(super) fn new(place: &Place, value: Value) -> Self {
        Self {
            place: place.clone(),
            value,
            plain: false,
        }
    }

    /// A map of these keys, all at one place.
    pub(super) fn map<const N: usize>(place: &Place, pairs: [(&str, Value); N]) -> Self {
        let pairs = pairs.map(|(key, value)| (key.to_owned(), Self::new(place, value)));
        Self::new(place, Value::Map(pairs.into()))
    }

    /// A list of texts, all at one place.
    pub(super) fn texts(place: &Place, texts: impl IntoIterator<Item = String>) -> Self {
        let items = texts
            .into_iter()
            .map(|text| Self::new(place, Value::Text(text)))
            .collect();
        Self::new(place, Value::List(items))
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn items_mut(&mut self) -> &mut [Node] {
        match &mut self.value {
            Value::List(items) => items,
            _ => &mut [],
        }
    }

    pub(super) fn pairs(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// The value of one key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.pairs()
            .iter()
            .find_map(|(name, node)| (name == key).then_some(node))
    }

    /// The value of one key, taken out.
    pub(super) fn take(&mut self, key: &str) -> Option<Node> {
        let Value::Map(pairs) = &mut self.value else {
            return None;
        };
        let index = pairs.iter().position(|(name, _)| name == key)?;
        Some(pairs.remove(index).1)
    }

    /// The value at a dotted path of keys.
    pub(super) fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| node.get(key))
    }

    pub(super) fn at_mut(&mut self, path: &str) -> Option<&mut Node> {
        path.split('.')
            .try_fold(self, |node, key| match &mut node.value {
                Value::Map(pairs) => pairs
                    .iter_mut()
                    .find_map(|(name, node)| (name == key).then_some(node)),
                _ => None,
            })
    }

    /// Puts a value at a dotted path of keys; maps on the way are made.
    pub(super) fn set(&mut self, path: &str, new: Node) {
        let (key, rest) = path
            .split_once('.')
            .map_or((path, None), |(key, rest)| (key, Some(rest)));
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::empty_map();
        }
        let Value::Map(pairs) = &mut self.value else {
            return;
        };
        let index = pairs.iter().position(|(name, _)| name == key);
        match (rest, index) {
            (None, Some(index)) => pairs[index].1 = new,
            (None, None) => pairs.push((key.to_owned(), new)),
            (Some(rest), Some(index)) => pairs[index].1.set(rest, new),
            (Some(rest), None) => {
                let mut map = Node::new(&new.place, Value::empty_map());
                map.set(rest, new);
                pairs.push((key.to_owned(), map));
            }
        }
    }

    /// Puts a value at the end of the list at a dotted path; the list is made if need be.
    pub(super) fn push(&mut self, path: &str, new: Node) {
        if let Some(Value::List(items)) = self.at_mut(path).map(|node| &mut node.value) {
            items.push(new);
        } else {
            let place = new.place.clone();
            self.set(path, Node::new(&place, Value::List(vec![new])));
        }
    }

    /// The place of the deepest value on the way to a path such as `ports[2].port`.
    pub(super) fn place_of(&self, path: &str) -> &Place {
        let mut node = self;
        for step in path.split(['.', '[']) {
            let next = match step.strip_suffix(']') {
                Some(index) => index.parse().ok().and_then(|i: usize| node.items().get(i)),
                None => node.get(step),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        &node.place
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Integer(value) => (*value).into(),
            // Infinities have no form in JSON; nothing here takes a number that they would pass for.
            Value::Float(value) => {
                Number::from_f64(*value).map_or(serde_json::Value::Null, Into::into)
            }
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(pairs) => pairs
                .iter()
                .map(|(key, node)| (key.clone(), node.to_json()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_and_found_by_paths() {
        let (file, flag) = (Place::Default, Place::flag("--x"));
        let mut root = Node::new(&file, Value::empty_map());
        root.set("a.b.c", Node::new(&flag, Value::Integer(1)));
        root.push("a.list", Node::map(&file, [("k", Value::text("v"))]));
        root.push("a.list", Node::map(&flag, [("k", Value::text("w"))]));
        assert_eq!(
            root.to_json(),
            serde_json::json!({"a": {"b": {"c": 1}, "list": [{"k": "v"}, {"k": "w"}]}})
        );
        assert_eq!(root.place_of("a.list[1].k"), &flag);
        assert_eq!(root.place_of("a.list[0].missing"), &file);
        assert_eq!(root.place_of("a.list[7]"), &file);
        assert_eq!(
            root.at_mut("a.b")
                .and_then(|b| b.take("c"))
                .map(|c| c.value),
            Some(Value::Integer(1))
        );
    }

    #[test]
    fn debug_output_shows_no_text() {
        let node = Node::map(&Place::Default, [("token", Value::text("hunter2"))]);
        assert!(!format!("{node:?}").contains("hunter2"));
    }
}
