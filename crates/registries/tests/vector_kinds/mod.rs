//! One module per kind of vector; each compares every field of `expected`.

mod change;
mod document;
mod names;
mod pulls;
mod redaction;
mod regex;
mod registries;
mod render;
mod wharfie;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

pub(crate) type Checked = Result<(), String>;

/// Fields that describe a vector and say nothing about behaviour.
const DESCRIPTION: [&str; 6] = [
    "name",
    "description",
    "source",
    "since",
    "confidence",
    "note",
];

pub(crate) fn check(kind: &str, vector: &Value) -> Checked {
    match kind {
        "registries" => registries::check(vector),
        "normalize_endpoint" => names::endpoint(vector),
        "host_directory" => names::host_directory(vector),
        "image_reference" => names::image_reference(vector),
        "regex" => regex::check(vector),
        "change" => change::check(vector),
        "wharfie" => wharfie::check(vector),
        "redaction" => redaction::check(vector),
        other => Err(format!("unknown kind {other}")),
    }
}

/// Refuses a vector with an input that the check would not look at.
pub(crate) fn only_inputs(vector: &Value, known: &[&str]) -> Checked {
    let known =
        |field: &str| known.contains(&field) || DESCRIPTION.contains(&field) || field == "expected";
    only(fields(vector, "the vector")?, known)
}

/// Refuses an expectation that the check would not look at.
pub(crate) fn only_expected(vector: &Value, known: &[&str]) -> Checked {
    only(fields(&vector["expected"], "expected")?, |field| {
        known.contains(&field)
    })
}

pub(crate) fn fields<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| format!("{what} is no object"))
}

fn only(fields: &Map<String, Value>, known: impl Fn(&str) -> bool) -> Checked {
    match fields.keys().find(|field| !known(field)) {
        None => Ok(()),
        Some(field) => Err(format!("unknown field {field}")),
    }
}

pub(crate) fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str, String> {
    value[field]
        .as_str()
        .ok_or_else(|| format!("{field} is no text"))
}

/// The document under test, as text or as base64.
pub(crate) fn document(vector: &Value, field: &str) -> Result<Vec<u8>, String> {
    if let Some(text) = vector[field].as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let encoded = text(vector, &format!("{field}_base64"))?;
    STANDARD.decode(encoded).map_err(|error| error.to_string())
}

pub(crate) fn equal(what: &str, found: &Value, expected: &Value) -> Checked {
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "{what}:\n     found {found}\n  expected {expected}"
    ))
}
