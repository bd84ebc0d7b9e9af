//! `ReplaceAllString` with Go's templates.

use std::sync::LazyLock;

use regex::{CaptureLocations, Regex};

/// Replaces every match that does not overlap an earlier one.
pub(super) fn replace_all(
    regex: &Regex,
    names: &[Option<String>],
    text: &str,
    replacement: &str,
) -> String {
    let template = Template::parse(replacement, names);
    let mut locations = regex.capture_locations();
    let mut replaced = String::new();
    let (mut search_from, mut copied_to) = (0, 0);
    while search_from <= text.len() {
        let Some(found) = regex.captures_read_at(&mut locations, text, search_from) else {
            break;
        };
        let (start, end) = (found.start(), found.end());
        replaced.push_str(&text[copied_to..start]);
        // An empty match right behind the match before it does not count.
        if end > copied_to || start == 0 {
            template.expand(&mut replaced, text, &locations);
        }
        copied_to = end;
        let width = text[search_from..].chars().next().map_or(1, char::len_utf8);
        search_from = end.max(search_from + width);
    }
    replaced.push_str(text.get(copied_to..).unwrap_or_default());
    replaced
}

/// Whether a replacement names a group that there is not.
pub(super) fn names_unknown_group(names: &[Option<String>], replacement: &str) -> bool {
    let template = Template::parse(replacement, names);
    template
        .pieces
        .iter()
        .any(|piece| matches!(piece, Piece::Groups(groups) if groups.is_empty()))
}

/// A replacement, taken apart once.
struct Template<'a> {
    pieces: Vec<Piece<'a>>,
}

enum Piece<'a> {
    Text(&'a str),
    /// The first of these groups that took part in the match.
    Groups(Vec<usize>),
}

impl<'a> Template<'a> {
    fn parse(template: &'a str, names: &[Option<String>]) -> Self {
        let mut pieces = Vec::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            pieces.push(Piece::Text(before));
            if let Some(behind) = after.strip_prefix('$') {
                pieces.push(Piece::Text("$"));
                rest = behind;
            } else if let Some((name, behind)) = reference(after) {
                pieces.push(Piece::Groups(groups(name, names)));
                rest = behind;
            } else {
                pieces.push(Piece::Text("$"));
                rest = after;
            }
        }
        pieces.push(Piece::Text(rest));
        Self { pieces }
    }

    fn expand(&self, replaced: &mut String, text: &str, locations: &CaptureLocations) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(piece) => replaced.push_str(piece),
                Piece::Groups(groups) => {
                    let taken = groups.iter().find_map(|group| locations.get(*group));
                    if let Some((start, end)) = taken {
                        replaced.push_str(&text[start..end]);
                    }
                }
            }
        }
    }
}

/// `name` or `{name}` at the start, as long as it goes: `$1x` names the group `1x`.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (text, braced) = match text.strip_prefix('{') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    let rest = if braced {
        rest.strip_prefix('}')?
    } else {
        rest
    };
    Some((name, rest))
}

/// Letters and decimal digits of any script, and the underscore.
fn is_name(character: char) -> bool {
    static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\p{L}\p{Nd}]$").ok());

    if character.is_ascii() {
        return character == '_' || character.is_ascii_alphanumeric();
    }
    let mut buffer = [0; 4];
    let text: &str = character.encode_utf8(&mut buffer);
    NAME.as_ref().is_some_and(|name| name.is_match(text))
}

fn groups(wanted: &str, names: &[Option<String>]) -> Vec<usize> {
    let is_number = wanted.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = wanted.len() > 1 && wanted.starts_with('0');
    if is_number && !leading_zero && wanted.len() <= 9 {
        let group = wanted.parse().ok().filter(|group| *group < names.len());
        return group.into_iter().collect();
    }
    names
        .iter()
        .enumerate()
        .filter(|(_, known)| known.as_deref() == Some(wanted))
        .map(|(index, _)| index)
        .collect()
}
