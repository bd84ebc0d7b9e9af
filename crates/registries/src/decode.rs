//! From the tree to the typed document, step by step as yaml.v2 decodes into k3s's structs.
//!
//! The one walk gives three readings: the typed document, what k3s drops in silence, and where each value stands.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{Auth, HostConfig, Mirror, Registries, Tls};
use crate::error::{ErrorKind, ParseError, Place, Shape};
use crate::secret::Secret;
use crate::strict::{Ignored, IgnoredKind};
use crate::yaml::scalar::{self, Value};
use crate::yaml::tree::{Content, Id, Node, Tree};

/// More levels of aliases and merges than any registries.yaml.
const MAX_DEPTH: usize = 64;

/// A document with all that is known about its text.
#[derive(Default)]
pub(crate) struct Decoded {
    pub(crate) registries: Registries,
    pub(crate) ignored: Vec<Ignored>,
    /// Key or list item to where it stands.
    pub(crate) places: Places,
}

/// Where keys and list items stand, as a tree of names of keys and indices of items, as the document writes them.
#[derive(Default)]
pub(crate) struct Places {
    /// `None` for the document itself.
    own: Option<Place>,
    below: BTreeMap<String, Places>,
}

impl Places {
    pub(crate) fn get(&self, path: &[&str]) -> Option<Place> {
        let found = path
            .iter()
            .try_fold(self, |places, step| places.below.get(*step))?;
        found.own
    }
}

/// Decodes the first document of a tree.
pub(crate) fn decode(tree: &Tree) -> Result<Decoded, ParseError> {
    let mut decoder = Decoder::new(tree);
    let mut registries = Registries::default();
    if let Some(root) = tree.root {
        decoder.structure(root, &mut registries, Decoder::registries_field)?;
    }
    let mut faults = decoder.faults.into_iter();
    if let Some(first) = faults.next() {
        return Err(ParseError {
            also: faults.collect(),
            ..first
        });
    }
    if let Some(place) = tree.second_document {
        decoder.ignored.push(Ignored::new(
            IgnoredKind::FurtherDocument,
            String::new(),
            place,
        ));
    }
    Ok(Decoded {
        registries,
        ignored: decoder.ignored,
        places: decoder.places,
    })
}

/// What the value of a map is, `None` when it was left empty.
type Entry<T> = Option<T>;
type Reader<'r, 't, T> = Box<dyn FnOnce(&mut Decoder<'t>, &'t Node) -> Result<T, ParseError> + 'r>;
/// Whether a struct has a field of that name.
type Known = bool;
/// Whether a value fitted; what did not fit is noted as a fault and reported with all others.
type Fitted = bool;
type Field<'t, T> = fn(&mut Decoder<'t>, &mut T, &str, Id) -> Result<Known, ParseError>;
type Element<'t, T> = fn(&mut Decoder<'t>, Id) -> Result<Option<T>, ParseError>;

struct Decoder<'t> {
    tree: &'t Tree,
    faults: Vec<ParseError>,
    ignored: Vec<Ignored>,
    /// Those at and below the key that is being read.
    places: Places,
    path: Vec<String>,
    /// Aliases that are being followed.
    following: Vec<Id>,
    merging: usize,
    depth: usize,
    decoded: usize,
    decoded_in_aliases: usize,
}

impl<'t> Decoder<'t> {
    fn new(tree: &'t Tree) -> Self {
        Self {
            tree,
            faults: Vec::new(),
            ignored: Vec::new(),
            places: Places::default(),
            path: Vec::new(),
            following: Vec::new(),
            merging: 0,
            depth: 0,
            decoded: 0,
            decoded_in_aliases: 0,
        }
    }

    fn registries_field(
        &mut self,
        out: &mut Registries,
        key: &str,
        value: Id,
    ) -> Result<Known, ParseError> {
        match key {
            "mirrors" => self.map(value, &mut out.mirrors, Self::mirror)?,
            "configs" => self.map(value, &mut out.configs, Self::host_config)?,
            "auths" => self.map(value, &mut out.auths, Self::auth)?,
            _ => return Ok(false),
        };
        Ok(true)
    }

    fn mirror(&mut self, id: Id) -> Result<Option<Entry<Mirror>>, ParseError> {
        self.entry(id, Self::mirror_field)
    }

    fn mirror_field(
        &mut self,
        out: &mut Mirror,
        key: &str,
        value: Id,
    ) -> Result<Known, ParseError> {
        match key {
            "endpoint" => self.list(value, &mut out.endpoint)?,
            "rewrite" => self.map(value, &mut out.rewrite, Self::text)?,
            _ => return Ok(false),
        };
        Ok(true)
    }

    fn host_config(&mut self, id: Id) -> Result<Option<Entry<HostConfig>>, ParseError> {
        self.entry(id, Self::host_config_field)
    }

    fn host_config_field(
        &mut self,
        out: &mut HostConfig,
        key: &str,
        value: Id,
    ) -> Result<Known, ParseError> {
        match key {
            "auth" => self.pointer(value, &mut out.auth, Self::auth_field)?,
            "tls" => self.pointer(value, &mut out.tls, Self::tls_field)?,
            _ => return Ok(false),
        };
        Ok(true)
    }

    fn auth(&mut self, id: Id) -> Result<Option<Entry<Auth>>, ParseError> {
        self.entry(id, Self::auth_field)
    }

    fn auth_field(&mut self, out: &mut Auth, key: &str, value: Id) -> Result<Known, ParseError> {
        let field = match key {
            "username" => &mut out.username,
            "password" => &mut out.password,
            "auth" => &mut out.auth,
            "identity_token" => &mut out.identity_token,
            _ => return Ok(false),
        };
        if let Some(text) = self.text(value)? {
            *field = Secret::from(text);
        }
        Ok(true)
    }

    fn tls_field(&mut self, out: &mut Tls, key: &str, value: Id) -> Result<Known, ParseError> {
        let field = match key {
            "ca_file" => &mut out.ca_file,
            "cert_file" => &mut out.cert_file,
            "key_file" => &mut out.key_file,
            "insecure_skip_verify" => {
                self.boolean(value, &mut out.insecure_skip_verify)?;
                return Ok(true);
            }
            _ => return Ok(false),
        };
        if let Some(text) = self.text(value)? {
            *field = text;
        }
        Ok(true)
    }

    /// A struct as the value of a map: `None` inside for a value that was left empty.
    fn entry<T: Default>(
        &mut self,
        id: Id,
        field: Field<'t, T>,
    ) -> Result<Option<Entry<T>>, ParseError> {
        if matches!(&self.tree.resolve(id).content, Content::Scalar(scalar) if scalar::is_plain_null(scalar))
        {
            return self.visit(id, |_, _| Ok(Some(None)));
        }
        let mut out = T::default();
        Ok(self.structure(id, &mut out, field)?.then_some(Some(out)))
    }

    /// A struct behind a Go pointer: null clears it, a second one adds to the first.
    fn pointer<T: Default>(
        &mut self,
        id: Id,
        out: &mut Option<T>,
        field: Field<'t, T>,
    ) -> Result<Fitted, ParseError> {
        if matches!(&self.tree.resolve(id).content, Content::Scalar(scalar) if scalar::is_plain_null(scalar))
        {
            return self.visit(id, |_, _| {
                *out = None;
                Ok(true)
            });
        }
        self.structure(id, out.get_or_insert_default(), field)
    }

    fn structure<T: Default>(
        &mut self,
        id: Id,
        out: &mut T,
        field: Field<'t, T>,
    ) -> Result<Fitted, ParseError> {
        self.visit(id, |decoder, node| {
            let Content::Mapping(pairs) = &node.content else {
                return decoder.null_or_misfit(node, Shape::Map, || *out = T::default());
            };
            let mut seen = BTreeSet::new();
            for (key, value) in pairs {
                if decoder.is_merge_key(*key) {
                    decoder.merge(*value, &mut |decoder, id| decoder.structure(id, out, field))?;
                    continue;
                }
                let Some(name) = decoder.text(*key)? else {
                    continue;
                };
                let place = decoder.tree.node(*key).place;
                let known = decoder.within(name.clone(), place, |decoder| {
                    field(decoder, out, &name, *value)
                })?;
                if !known {
                    decoder.ignore(IgnoredKind::UnknownKey, &name, place);
                } else if !seen.insert(name.clone()) {
                    decoder.ignore(IgnoredKind::DuplicateKey, &name, place);
                }
            }
            Ok(true)
        })
    }

    fn map<T>(
        &mut self,
        id: Id,
        out: &mut BTreeMap<String, T>,
        element: Element<'t, T>,
    ) -> Result<Fitted, ParseError> {
        self.visit(id, |decoder, node| {
            let Content::Mapping(pairs) = &node.content else {
                return decoder.null_or_misfit(node, Shape::Map, || out.clear());
            };
            // A key that a merge brought may be overridden; one that an earlier block wrote is a duplicate.
            let mut seen: BTreeSet<String> = if decoder.merging == 0 {
                out.keys().cloned().collect()
            } else {
                BTreeSet::new()
            };
            for (key, value) in pairs {
                if decoder.is_merge_key(*key) {
                    decoder.merge(*value, &mut |decoder, id| decoder.map(id, out, element))?;
                    continue;
                }
                let Some(name) = decoder.text(*key)? else {
                    continue;
                };
                let place = decoder.tree.node(*key).place;
                let read =
                    decoder.within(name.clone(), place, |decoder| element(decoder, *value))?;
                if !seen.insert(name.clone()) {
                    decoder.ignore(IgnoredKind::DuplicateKey, &name, place);
                }
                if let Some(read) = read {
                    out.insert(name, read);
                }
            }
            Ok(true)
        })
    }

    fn list(&mut self, id: Id, out: &mut Vec<String>) -> Result<Fitted, ParseError> {
        self.visit(id, |decoder, node| {
            let Content::Sequence(items) = &node.content else {
                return decoder.null_or_misfit(node, Shape::List, || out.clear());
            };
            let mut texts = Vec::with_capacity(items.len());
            for item in items {
                let place = decoder.tree.node(*item).place;
                let read = decoder.within(texts.len().to_string(), place, |decoder| {
                    decoder.text(*item)
                })?;
                texts.extend(read);
            }
            *out = texts;
            Ok(true)
        })
    }

    fn text(&mut self, id: Id) -> Result<Option<String>, ParseError> {
        self.visit(id, |decoder, node| {
            let Content::Scalar(scalar) = &node.content else {
                decoder.faults.push(ParseError::at(
                    ErrorKind::WrongShape {
                        expected: Shape::Text,
                    },
                    node.place,
                ));
                return Ok(None);
            };
            Ok(Some(match typed(scalar, node)? {
                Value::Null => String::new(),
                Value::Bool(_) => scalar.text.to_string(),
                Value::Text(text) => text,
            }))
        })
    }

    fn boolean(&mut self, id: Id, out: &mut bool) -> Result<Fitted, ParseError> {
        self.visit(id, |decoder, node| {
            if let Content::Scalar(scalar) = &node.content
                && let Value::Bool(value) = typed(scalar, node)?
            {
                *out = value;
                return Ok(true);
            }
            decoder.null_or_misfit(node, Shape::Bool, || *out = false)
        })
    }

    /// Follows aliases, counts what is decoded as yaml.v2 does, and bounds the depth.
    fn visit<T>(
        &mut self,
        id: Id,
        read: impl FnOnce(&mut Self, &'t Node) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        let tree = self.tree;
        let node = tree.node(id);
        self.decoded += 1;
        self.decoded_in_aliases += usize::from(!self.following.is_empty());
        if is_excessive(self.decoded, self.decoded_in_aliases) {
            return Err(ParseError::at(ErrorKind::ExcessiveAliasing, node.place));
        }
        if self.depth >= MAX_DEPTH {
            return Err(ParseError::at(ErrorKind::TooDeep, node.place));
        }
        self.depth += 1;
        let result = match node.content {
            Content::Alias(_) if self.following.contains(&id) => {
                Err(ParseError::at(ErrorKind::RecursiveAlias, node.place))
            }
            Content::Alias(target) => {
                self.following.push(id);
                let result = self.visit_boxed(target, Box::new(read));
                self.following.pop();
                result
            }
            _ => read(self, node),
        };
        self.depth -= 1;
        result
    }

    /// Breaks the recursion of types that `visit` calling itself with the same closure would be.
    fn visit_boxed<'r, T>(&mut self, id: Id, read: Reader<'r, 't, T>) -> Result<T, ParseError> {
        self.visit(id, read)
    }

    fn merge(
        &mut self,
        id: Id,
        read: &mut dyn FnMut(&mut Self, Id) -> Result<Fitted, ParseError>,
    ) -> Result<(), ParseError> {
        let tree = self.tree;
        let node = tree.node(id);
        let merged: Vec<Id> = match &node.content {
            // Earlier maps of the list win, so they are read last.
            Content::Sequence(items) => items.iter().rev().copied().collect(),
            _ => vec![id],
        };
        for id in merged {
            if !matches!(tree.resolve(id).content, Content::Mapping(_)) {
                return Err(ParseError::at(ErrorKind::Merge, tree.node(id).place));
            }
            self.merging += 1;
            let result = read(self, id);
            self.merging -= 1;
            result?;
        }
        Ok(())
    }

    fn is_merge_key(&self, key: Id) -> bool {
        matches!(&self.tree.node(key).content, Content::Scalar(scalar) if scalar::is_merge_key(scalar))
    }

    fn null_or_misfit(
        &mut self,
        node: &Node,
        expected: Shape,
        clear: impl FnOnce(),
    ) -> Result<Fitted, ParseError> {
        if let Content::Scalar(scalar) = &node.content
            && matches!(typed(scalar, node)?, Value::Null)
        {
            clear();
            return Ok(true);
        }
        self.faults.push(ParseError::at(
            ErrorKind::WrongShape { expected },
            node.place,
        ));
        Ok(false)
    }

    fn within<T>(
        &mut self,
        step: String,
        place: Place,
        read: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        // A key that stands twice keeps what was found below its first place.
        let mut inner = self.places.below.remove(&step).unwrap_or_default();
        inner.own = Some(place);
        let outer = std::mem::replace(&mut self.places, inner);
        self.path.push(step);
        let result = read(self);
        let inner = std::mem::replace(&mut self.places, outer);
        if let Some(step) = self.path.pop() {
            self.places.below.insert(step, inner);
        }
        result
    }

    fn ignore(&mut self, kind: IgnoredKind, name: &str, place: Place) {
        let path = crate::strict::show_path(self.path.iter().map(String::as_str).chain([name]));
        self.ignored.push(Ignored::new(kind, path, place));
    }
}

fn typed(scalar: &crate::yaml::tree::Scalar, node: &Node) -> Result<Value, ParseError> {
    scalar::value(scalar).map_err(|kind| ParseError::at(kind, node.place))
}

/// The budget of yaml.v2: up to 400,000 values, 99 of 100 may come out of aliases; from 4,000,000 on, 10.
fn is_excessive(decoded: usize, in_aliases: usize) -> bool {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts stay far below what a float holds exactly"
    )]
    let (decoded_f, in_aliases_f) = (decoded as f64, in_aliases as f64);
    let allowed = (0.99 - 0.89 * ((decoded_f - 400_000.0) / 3_600_000.0)).clamp(0.10, 0.99);
    in_aliases > 100 && decoded > 1000 && in_aliases_f / decoded_f > allowed
}
