//! The schemas of config files: keys in any case become those of the schema, and everything that does not fit is listed
//! at once, with k3d's sentences, places and what to write instead. No value of the file is ever shown.

use std::sync::Arc;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{Draft, ValidationError, Validator};

use super::expand::has_variable;
use super::problem::{Findings, Problem, Wrong};
use super::read::read;
use super::tree::{Node, Value};
use super::versions::Version;

/// The schema of one version, in the order in which keys are written.
pub(super) struct Schema {
    validator: Validator,
    root: Node,
}

impl Schema {
    pub(super) fn of(version: Version) -> Result<Self, Problem> {
        let text = match version {
            Version::V1alpha2 => include_str!("schema/v1alpha2.json"),
            Version::V1alpha3 => include_str!("schema/v1alpha3.json"),
            Version::V1alpha4 => include_str!("schema/v1alpha4.json"),
            Version::V1alpha5 => include_str!("schema/v1alpha5.json"),
        };
        // JSON is YAML; read as such, keys keep their order.
        let file = Arc::from(version.name());
        let root = read(text, &file, &|line| line, &mut Findings::default())?;
        let validator = validator(text).ok_or_else(|| {
            Wrong::new(
                "failed to read the schema of this version, which is an error of this program",
            )
            .at(&root.place)
        })?;
        Ok(Self { validator, root })
    }

    pub(super) fn root(&self) -> Shape<'_> {
        Shape(&self.root)
    }

    /// Everything about a configuration that does not fit.
    pub(super) fn check(&self, root: &Node, findings: &mut Findings) {
        self.check_but(root, findings, &|_| false);
    }

    /// The same for a file whose variables were left as they are: whatever is written with one may be of any type.
    pub(super) fn check_unexpanded(&self, root: &Node, findings: &mut Findings) {
        self.check_but(root, findings, &|node| {
            node.as_text().is_some_and(has_variable)
        });
    }

    fn check_but(&self, root: &Node, findings: &mut Findings, is_excused: &dyn Fn(&Node) -> bool) {
        let json = root.to_json();
        for error in self.validator.iter_errors(&json) {
            let (node, shape) = self.find(root, &error);
            if !is_excused(node) {
                describe(&error, node, shape, findings);
            }
        }
    }

    fn find<'a>(
        &'a self,
        root: &'a Node,
        error: &ValidationError<'_>,
    ) -> (&'a Node, Option<Shape<'a>>) {
        let (mut node, mut shape) = (root, Some(self.root()));
        for segment in error.instance_path() {
            let next = match &segment {
                LocationSegment::Property(key) => {
                    shape = shape.and_then(|shape| shape.property(key));
                    node.get(key)
                }
                LocationSegment::Index(index) => {
                    shape = shape.and_then(Shape::items);
                    node.items().get(*index)
                }
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        (node, shape)
    }
}

fn validator(text: &str) -> Option<Validator> {
    let json = serde_json::from_str(text).ok()?;
    let options = jsonschema::options()
        .with_draft(Draft::Draft7)
        .with_format("hostname", |text: &str| is_hostname(text))
        .with_format("ip", |text: &str| text.parse::<std::net::IpAddr>().is_ok())
        .should_validate_formats(true);
    options.build(&json).ok()
}

/// What a schema says of one value.
#[derive(Clone, Copy)]
pub(super) struct Shape<'a>(&'a Node);

impl<'a> Shape<'a> {
    pub(super) fn property(self, key: &str) -> Option<Self> {
        self.0.get("properties")?.get(key).map(Shape)
    }

    pub(super) fn items(self) -> Option<Self> {
        self.0.get("items").map(Shape)
    }

    /// The keys that the schema knows, in its order.
    pub(super) fn keys(self) -> impl Iterator<Item = &'a str> {
        let properties = self
            .0
            .get("properties")
            .map(Node::pairs)
            .unwrap_or_default();
        properties.iter().map(|(key, _)| key.as_str())
    }

    pub(super) fn type_name(self) -> Option<&'a str> {
        self.0.get("type")?.as_text()
    }

    fn is_open(self) -> bool {
        self.0.get("additionalProperties").is_none()
    }
}

/// Gives keys the case that the schema has, takes `yes` for a boolean where one is wanted, and warns of keys that nobody
/// will look at.
pub(super) fn canonicalize(node: &mut Node, shape: Shape<'_>, findings: &mut Findings) {
    if shape.type_name() == Some("boolean") && node.plain {
        match node.as_text() {
            Some("yes" | "Yes" | "YES" | "on" | "On" | "ON") => node.value = Value::Bool(true),
            Some("no" | "No" | "NO" | "off" | "Off" | "OFF") => node.value = Value::Bool(false),
            _ => {}
        }
    }
    match node.value {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        Value::Float(number)
            if shape.type_name() == Some("integer")
                && number.fract() == 0.0
                && number.abs() < 9e15 =>
        {
            node.value = Value::Integer(number as i64);
        }
        _ => {}
    }
    if let Some(items) = shape.items() {
        for item in node.items_mut() {
            canonicalize(item, items, findings);
        }
    }
    let Value::Map(pairs) = &mut node.value else {
        return;
    };
    for index in 0..pairs.len() {
        let written = pairs[index].0.clone();
        let known = shape
            .keys()
            .find(|key| *key == written)
            .or_else(|| shape.keys().find(|key| key.eq_ignore_ascii_case(&written)));
        let Some(known) = known else {
            if shape.is_open() && shape.keys().next().is_some() {
                findings.warn(
                    &pairs[index].1.place,
                    format!("the key {written} is not known and has no effect"),
                );
            }
            continue;
        };
        if known != written && pairs.iter().any(|(key, _)| key == known) {
            let what = format!("the key {written} stands beside {known}, which means the same");
            findings.problem(
                &pairs[index].1.place,
                Wrong::new(what).mend("keep one of them"),
            );
            continue;
        }
        known.clone_into(&mut pairs[index].0);
        if let Some(shape) = shape.property(known) {
            canonicalize(&mut pairs[index].1, shape, findings);
        }
    }
}

fn describe(
    error: &ValidationError<'_>,
    node: &Node,
    shape: Option<Shape<'_>>,
    findings: &mut Findings,
) {
    let place = &node.place;
    match error.kind() {
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(many) => many
                    .iter()
                    .map(|one| one.to_string())
                    .collect::<Vec<_>>()
                    .join(" or "),
            };
            let given = node.value.type_name();
            let wrong = Wrong::new(format!(
                "Invalid type. Expected: {expected}, given: {given}"
            ));
            findings.problem(place, mend_type(wrong, &expected, &node.value));
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            for key in unexpected {
                let place = node.get(key).map_or(place, |node| &node.place);
                let known: Vec<&str> = shape.into_iter().flat_map(Shape::keys).collect();
                let wrong = Wrong::new(format!("Additional property {key} is not allowed"));
                findings.problem(place, wrong.mend(mend_key(key, &known)));
            }
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            findings.problem(place, Wrong::new(format!("{key} is required")));
        }
        ValidationErrorKind::Enum { options } => {
            let what = format!("{place} must be one of the following: {}", listed(options));
            findings.problem(place, Wrong::new(what));
        }
        ValidationErrorKind::Minimum { limit } => {
            findings.problem(
                place,
                Wrong::new(format!("Must be greater than or equal to {limit}")),
            );
        }
        ValidationErrorKind::Maximum { limit } => {
            findings.problem(
                place,
                Wrong::new(format!("Must be less than or equal to {limit}")),
            );
        }
        ValidationErrorKind::Format { format } => {
            let mend = match format.as_str() {
                "ip" => "write an IP address",
                _ => {
                    "write letters, digits, hyphens and dots, starting and ending with a letter or digit"
                }
            };
            findings.problem(
                place,
                Wrong::new(format!("Does not match format '{format}'")).mend(mend),
            );
        }
        // The library's own sentences repeat the value.
        other => findings.problem(
            place,
            Wrong::new(format!("does not fit the schema ({})", other.keyword())),
        ),
    }
}

fn mend_type(wrong: Wrong, expected: &str, given: &Value) -> Wrong {
    match (expected, given) {
        (_, Value::Null) => wrong.mend("write a value or leave the key out"),
        ("string", Value::Integer(_) | Value::Float(_) | Value::Bool(_)) => {
            wrong.mend("put the value in quotes")
        }
        ("boolean", _) => wrong.mend("write true or false, without quotes"),
        ("integer", Value::Text(_)) => wrong.mend("write a number, without quotes"),
        ("array", _) => wrong.mend("write a list, each item after a hyphen"),
        _ => wrong,
    }
}

fn mend_key(key: &str, known: &[&str]) -> String {
    let lower = key.to_ascii_lowercase();
    let near = known
        .iter()
        .map(|name| (distance(&lower, &name.to_ascii_lowercase()), *name))
        .min();
    match near {
        Some((steps, name)) if steps <= 2 || steps * 3 <= key.len() => {
            format!("did you mean {name}?")
        }
        _ => format!("there are {}", known.join(", ")),
    }
}

/// How many letters must be changed, added or taken away.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

fn listed(options: &serde_json::Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    options
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A host name: labels of letters, digits and inner hyphens, joined by dots.
pub(super) fn is_hostname(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}
