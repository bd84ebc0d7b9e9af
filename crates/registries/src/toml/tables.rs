//! The tables of a file as they grow, and what may not be defined twice.

use std::collections::BTreeMap;

use super::{TomlErrorKind, Value};

/// How a table came to be, which decides what may be added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Only named on the way to another table.
    Implicit,
    /// By a `[header]`.
    Header,
    /// By a dotted key.
    Dotted,
}

#[derive(Debug)]
enum Item {
    Value(Value),
    Table(Growing),
    Tables(Vec<Growing>),
}

#[derive(Debug)]
struct Growing {
    origin: Origin,
    items: BTreeMap<String, Item>,
}

impl Growing {
    fn new(origin: Origin) -> Self {
        Self {
            origin,
            items: BTreeMap::new(),
        }
    }
}

/// All tables of a file, and the one that lines now belong to.
#[derive(Debug)]
pub(super) struct Tables {
    root: Growing,
    current: Vec<String>,
}

type Outcome<T> = Result<T, TomlErrorKind>;

impl Tables {
    pub(super) fn new() -> Self {
        Self {
            root: Growing::new(Origin::Header),
            current: Vec::new(),
        }
    }

    /// `[a.b.c]`
    pub(super) fn open(&mut self, path: &[String]) -> Outcome<()> {
        let (last, parents) = path.split_last().ok_or(TomlErrorKind::Syntax)?;
        let parent = descend(&mut self.root, parents, Origin::Implicit)?;
        match parent.items.get_mut(last) {
            None => {
                let table = Item::Table(Growing::new(Origin::Header));
                parent.items.insert(last.clone(), table);
            }
            Some(Item::Table(table)) if table.origin == Origin::Implicit => {
                table.origin = Origin::Header;
            }
            Some(_) => return Err(TomlErrorKind::Duplicate),
        }
        self.current = path.to_vec();
        Ok(())
    }

    /// `[[a.b.c]]`
    pub(super) fn open_in_array(&mut self, path: &[String]) -> Outcome<()> {
        let (last, parents) = path.split_last().ok_or(TomlErrorKind::Syntax)?;
        let parent = descend(&mut self.root, parents, Origin::Implicit)?;
        let entry = parent.items.entry(last.clone());
        match entry.or_insert_with(|| Item::Tables(Vec::new())) {
            Item::Tables(tables) => tables.push(Growing::new(Origin::Header)),
            Item::Value(_) | Item::Table(_) => return Err(TomlErrorKind::Duplicate),
        }
        self.current = path.to_vec();
        Ok(())
    }

    /// `a.b = value` in the open table.
    pub(super) fn insert(&mut self, path: &[String], value: Value) -> Outcome<()> {
        let (last, parents) = path.split_last().ok_or(TomlErrorKind::Syntax)?;
        let open = descend(&mut self.root, &self.current, Origin::Implicit)?;
        let parent = descend_dotted(open, parents)?;
        if parent.items.contains_key(last) {
            return Err(TomlErrorKind::Duplicate);
        }
        parent.items.insert(last.clone(), Item::Value(value));
        Ok(())
    }

    pub(super) fn finish(self) -> BTreeMap<String, Value> {
        finish(self.root)
    }
}

fn descend<'a>(
    mut table: &'a mut Growing,
    path: &[String],
    origin: Origin,
) -> Outcome<&'a mut Growing> {
    for key in path {
        let entry = table.items.entry(key.clone());
        table = match entry.or_insert_with(|| Item::Table(Growing::new(origin))) {
            Item::Table(inner) => inner,
            Item::Tables(tables) => tables.last_mut().ok_or(TomlErrorKind::Syntax)?,
            Item::Value(_) => return Err(TomlErrorKind::Duplicate),
        };
    }
    Ok(table)
}

/// Dotted keys may go through tables that dotted keys made, not through those of headers.
fn descend_dotted<'a>(mut table: &'a mut Growing, path: &[String]) -> Outcome<&'a mut Growing> {
    for key in path {
        table = descend(table, std::slice::from_ref(key), Origin::Dotted)?;
        if table.origin == Origin::Header {
            return Err(TomlErrorKind::Duplicate);
        }
    }
    Ok(table)
}

fn finish(table: Growing) -> BTreeMap<String, Value> {
    let items = table.items.into_iter();
    items
        .map(|(key, item)| {
            let value = match item {
                Item::Value(value) => value,
                Item::Table(inner) => Value::Table(finish(inner)),
                Item::Tables(tables) => Value::Array(
                    tables
                        .into_iter()
                        .map(|inner| Value::Table(finish(inner)))
                        .collect(),
                ),
            };
            (key, value)
        })
        .collect()
}

/// Puts `a.b = value` into an inline table.
pub(super) fn insert_inline(
    table: &mut BTreeMap<String, Value>,
    path: &[String],
    value: Value,
) -> Outcome<()> {
    let (first, rest) = path.split_first().ok_or(TomlErrorKind::Syntax)?;
    if rest.is_empty() {
        return match table.insert(first.clone(), value) {
            None => Ok(()),
            Some(_) => Err(TomlErrorKind::Duplicate),
        };
    }
    let entry = table.entry(first.clone());
    match entry.or_insert_with(|| Value::Table(BTreeMap::new())) {
        Value::Table(inner) => insert_inline(inner, rest, value),
        _ => Err(TomlErrorKind::Duplicate),
    }
}
