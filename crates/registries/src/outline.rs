//! A document as lines with its secrets masked by position.
//!
//! Where a value stands decides whether it is shown, never what it looks like or whether it equals another. Maps are
//! sorted and aliases written out, so that two documents that say the same have the same lines.

use std::collections::BTreeMap;

use secrecy::zeroize::Zeroizing;

use crate::canonical::quote;
use crate::error::{ErrorKind, ParseError};
use crate::mask::{redact_key, redact_path, redact_rewrite, redact_unknown_key, redact_url};
use crate::secret::REDACTED;
use crate::yaml::scalar::{self, Value};
use crate::yaml::tree::{Content, Id, Node, Tree};

/// More values than this, aliases written out, are not printed.
const MAX_VALUES: usize = 100_000;
const MAX_DEPTH: usize = 64;

/// One line of the redacted document.
pub(crate) struct Line {
    /// The line itself, masked and indented.
    pub(crate) text: String,
    /// Where it stands; masked list items carry their index, so that equal secrets at different places never meet.
    pub(crate) path: Vec<String>,
    /// What the mask hides, for comparing old with new at the same place only.
    pub(crate) hidden: Option<Zeroizing<String>>,
}

/// The lines of a document.
pub(crate) fn lines(document: &[u8]) -> Result<Vec<Line>, ParseError> {
    let tree = Tree::read(document)?;
    let mut outline = Outline {
        tree: &tree,
        lines: Vec::new(),
        path: Vec::new(),
        following: Vec::new(),
        values: 0,
        aliases: false,
    };
    if let Some(root) = tree.root {
        match &tree.resolve(root).content {
            Content::Mapping(_) => outline.map(root, Position::Root, 0)?,
            Content::Scalar(scalar) if scalar::is_plain_null(scalar) => {}
            _ => {
                let hidden = outline.raw(root)?;
                outline.push(0, REDACTED, Some(hidden));
            }
        }
    }
    Ok(outline.lines)
}

/// What stands at a place, and so what may be shown of it.
#[derive(Clone, Copy, PartialEq)]
enum Position {
    Root,
    Mirrors,
    Mirror,
    Endpoints,
    Rewrites,
    Replacement,
    Configs,
    Config,
    Auths,
    Auth,
    Tls,
    TlsPath,
    Verify,
    /// Nobody knows this place, or it holds a credential.
    Hidden,
}

impl Position {
    fn child(self, key: &str) -> Self {
        match (self, key) {
            (Self::Root, "mirrors") => Self::Mirrors,
            (Self::Root, "configs") => Self::Configs,
            (Self::Root, "auths") => Self::Auths,
            (Self::Mirrors, _) => Self::Mirror,
            (Self::Mirror, "endpoint") => Self::Endpoints,
            (Self::Mirror, "rewrite") => Self::Rewrites,
            (Self::Rewrites, _) => Self::Replacement,
            (Self::Configs, _) => Self::Config,
            (Self::Config, "auth") | (Self::Auths, _) => Self::Auth,
            (Self::Config, "tls") => Self::Tls,
            (Self::Tls, "ca_file" | "cert_file" | "key_file") => Self::TlsPath,
            (Self::Tls, "insecure_skip_verify") => Self::Verify,
            _ => Self::Hidden,
        }
    }

    fn show_key(self, key: &str, child: Self, value_is_null: bool) -> String {
        match self {
            Self::Mirrors | Self::Configs | Self::Auths => redact_key(key),
            Self::Rewrites => redact_rewrite(key),
            // `{user:password}` is a key without a value.
            Self::Auth
                if value_is_null
                    && !matches!(key, "username" | "password" | "auth" | "identity_token") =>
            {
                REDACTED.to_owned()
            }
            _ if child == Self::Hidden => redact_unknown_key(key),
            _ => key.to_owned(),
        }
    }

    fn is_map(self) -> bool {
        !matches!(
            self,
            Self::Endpoints | Self::Replacement | Self::TlsPath | Self::Verify | Self::Hidden
        )
    }

    /// What may be shown of a single text.
    fn show_text(self, text: &str) -> String {
        match self {
            Self::Endpoints => quote(&redact_url(text)),
            Self::Replacement => mask_or_quote(redact_rewrite(text)),
            Self::TlsPath => mask_or_quote(redact_path(text)),
            _ => REDACTED.to_owned(),
        }
    }
}

struct Outline<'t> {
    tree: &'t Tree,
    lines: Vec<Line>,
    path: Vec<String>,
    following: Vec<Id>,
    values: usize,
    /// Whether any alias was followed.
    aliases: bool,
}

impl<'t> Outline<'t> {
    /// The entries of a map, sorted, each on its line with its value behind or below it.
    fn map(&mut self, id: Id, position: Position, level: usize) -> Result<(), ParseError> {
        self.visit(id, |outline, node| {
            let Content::Mapping(pairs) = &node.content else {
                return Ok(());
            };
            let mut entries: Vec<(Zeroizing<String>, Id, Id)> = Vec::with_capacity(pairs.len());
            for (key, value) in pairs {
                entries.push((outline.raw(*key)?, *key, *value));
            }
            entries.sort_by(|(left, ..), (right, ..)| left.cmp(right));
            let mut shown = BTreeMap::new();
            for (key, key_id, value) in &entries {
                outline.entry(key, *key_id, *value, position, level, &mut shown)?;
            }
            Ok(())
        })
    }

    fn entry(
        &mut self,
        key: &str,
        key_id: Id,
        value: Id,
        position: Position,
        level: usize,
        shown: &mut BTreeMap<String, usize>,
    ) -> Result<(), ParseError> {
        let content = &self.tree.resolve(value).content;
        let key_is_scalar = matches!(self.tree.resolve(key_id).content, Content::Scalar(_));
        // What `<<` brings stands where the map itself stands.
        let is_merge = self.is_merge_key(key_id) && matches!(content, Content::Mapping(_));
        let child = if is_merge {
            position
        } else {
            position.child(key)
        };
        let name = match (is_merge, key_is_scalar) {
            (true, _) => "<<".to_owned(),
            (false, true) => position.show_key(key, child, is_null(content)),
            (false, false) => REDACTED.to_owned(),
        };
        let occurrence = shown
            .entry(name.clone())
            .and_modify(|count| *count += 1)
            .or_insert(0);
        let step = if *occurrence == 0 {
            name.clone()
        } else {
            format!("{name}#{occurrence}")
        };
        let hidden = (name != key).then(|| Zeroizing::new(key.to_owned()));
        self.path.push(step);
        let start = if is_merge {
            "<<:".to_owned()
        } else {
            format!("{}:", show_name(&name))
        };
        let result = self.value(&start, hidden, value, child, level);
        self.path.pop();
        result
    }

    fn value(
        &mut self,
        start: &str,
        hidden_key: Option<Zeroizing<String>>,
        value: Id,
        position: Position,
        level: usize,
    ) -> Result<(), ParseError> {
        let content = &self.tree.resolve(value).content;
        match content {
            Content::Mapping(pairs) if position.is_map() && pairs.is_empty() => {
                self.push(level, &format!("{start} {{}}"), hidden_key);
            }
            Content::Mapping(_) if position.is_map() => {
                self.push(level, start, hidden_key);
                self.map(value, position, level + 1)?;
            }
            Content::Sequence(items) if position == Position::Endpoints && items.is_empty() => {
                self.push(level, &format!("{start} []"), hidden_key);
            }
            Content::Sequence(_) if position == Position::Endpoints => {
                self.push(level, start, hidden_key);
                self.list(value, level + 1)?;
            }
            _ if position.is_map() && is_null(content) => {
                self.push(level, start, hidden_key);
            }
            Content::Scalar(scalar) => {
                let typed = scalar::value(scalar).ok();
                let (shown, raw) = match (position, typed) {
                    (Position::Verify, Some(Value::Bool(value))) => (value.to_string(), None),
                    (_, Some(Value::Text(text))) if position != Position::Verify => {
                        let shown = position.show_text(&text);
                        let hidden = (shown != quote(&text))
                            .then(|| self.raw(value))
                            .transpose()?;
                        (shown, hidden)
                    }
                    _ => (REDACTED.to_owned(), Some(self.raw(value)?)),
                };
                self.push(level, &format!("{start} {shown}"), join(hidden_key, raw));
            }
            _ => {
                let raw = self.raw(value)?;
                self.push(
                    level,
                    &format!("{start} {REDACTED}"),
                    join(hidden_key, Some(raw)),
                );
            }
        }
        Ok(())
    }

    fn list(&mut self, id: Id, level: usize) -> Result<(), ParseError> {
        self.visit(id, |outline, node| {
            let Content::Sequence(items) = &node.content else {
                return Ok(());
            };
            for (index, item) in items.iter().enumerate() {
                let raw = outline.raw(*item)?;
                let is_text = matches!(outline.tree.resolve(*item).content, Content::Scalar(_));
                let shown = if is_text {
                    Position::Endpoints.show_text(&raw)
                } else {
                    REDACTED.to_owned()
                };
                let hidden = (shown != quote(&raw)).then_some(raw);
                let step = if hidden.is_some() {
                    format!("[{index}]")
                } else {
                    "[]".to_owned()
                };
                outline.path.push(step);
                outline.push(level, &format!("- {shown}"), hidden);
                outline.path.pop();
            }
            Ok(())
        })
    }

    fn push(&mut self, level: usize, text: &str, hidden: Option<Zeroizing<String>>) {
        let text = format!("{}{text}", "  ".repeat(level));
        self.lines.push(Line {
            text,
            path: self.path.clone(),
            hidden,
        });
    }

    fn is_merge_key(&self, key: Id) -> bool {
        matches!(&self.tree.node(key).content, Content::Scalar(scalar) if scalar::is_merge_key(scalar))
    }

    /// Everything a value says, for telling whether it changed.
    fn raw(&mut self, id: Id) -> Result<Zeroizing<String>, ParseError> {
        let mut raw = Zeroizing::new(String::new());
        self.collect(id, &mut raw)?;
        Ok(raw)
    }

    fn collect(&mut self, id: Id, raw: &mut Zeroizing<String>) -> Result<(), ParseError> {
        self.visit(id, |outline, node| {
            match &node.content {
                Content::Scalar(scalar) => match scalar::value(scalar) {
                    Ok(Value::Null) => {}
                    Ok(Value::Text(text)) => raw.push_str(&text),
                    Ok(Value::Bool(_)) | Err(_) => raw.push_str(&scalar.text),
                },
                Content::Sequence(items) => {
                    raw.push('[');
                    for item in items {
                        outline.collect(*item, raw)?;
                        raw.push('\u{1}');
                    }
                }
                Content::Mapping(pairs) => {
                    raw.push('{');
                    for (key, value) in pairs {
                        outline.collect(*key, raw)?;
                        raw.push('\u{2}');
                        outline.collect(*value, raw)?;
                        raw.push('\u{1}');
                    }
                }
                Content::Alias(_) => {}
            }
            Ok(())
        })
    }

    /// Follows an alias, within the bounds.
    fn visit<T>(
        &mut self,
        id: Id,
        read: impl FnOnce(&mut Self, &'t Node) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        let tree = self.tree;
        let target = match tree.node(id).content {
            Content::Alias(target) => target,
            _ => id,
        };
        let fault = |kind| Err(ParseError::at(kind, tree.node(id).place));
        self.values += 1;
        self.aliases |= target != id;
        if self.values > MAX_VALUES && self.aliases {
            return fault(ErrorKind::ExcessiveAliasing);
        }
        if self.values > MAX_VALUES {
            return fault(ErrorKind::TooManyValues);
        }
        if self.following.contains(&target) {
            return fault(ErrorKind::RecursiveAlias);
        }
        if self.following.len() >= MAX_DEPTH {
            return fault(ErrorKind::TooDeep);
        }
        self.following.push(target);
        let result = read(self, tree.node(target));
        self.following.pop();
        result
    }
}

fn is_null(content: &Content) -> bool {
    matches!(content, Content::Scalar(scalar) if matches!(scalar::value(scalar), Ok(Value::Null)))
}

fn join(
    key: Option<Zeroizing<String>>,
    value: Option<Zeroizing<String>>,
) -> Option<Zeroizing<String>> {
    match (key, value) {
        (Some(key), Some(value)) => Some(Zeroizing::new(format!("{}\u{1}{}", *key, *value))),
        (key, value) => key.or(value),
    }
}

fn mask_or_quote(text: String) -> String {
    if text == REDACTED { text } else { quote(&text) }
}

/// A key as people write it: without quotes when YAML needs none.
fn show_name(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
        && scalar::is_text(name);
    if plain || name == REDACTED {
        name.to_owned()
    } else {
        quote(name)
    }
}
