//! What k3s drops in silence: unknown and repeated keys, and further documents.

use crate::decode::decode;
use crate::error::{ParseError, Place};
use crate::mask::{redact_key, redact_unknown_key};
use crate::yaml::tree::Tree;

/// Something of the document that has no effect, or less than it seems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Why it is ignored.
    pub kind: IgnoredKind,
    /// Path of the key, as in `mirrors.docker.io.endpoints`; empty for a further document. Never shows a secret.
    pub path: String,
    /// Line of the key, from one.
    pub line: u32,
    /// Column of the key, from one.
    pub column: u32,
}

impl Ignored {
    pub(crate) fn new(kind: IgnoredKind, path: String, place: Place) -> Self {
        Self {
            kind,
            path,
            line: place.line,
            column: place.column,
        }
    }
}

/// Why something is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoredKind {
    /// Nobody knows a key of that name here.
    UnknownKey,
    /// The key stands twice; the later one wins, or both are merged where they are maps of known keys.
    DuplicateKey,
    /// A second YAML document, which is not read.
    FurtherDocument,
}

/// What of a document k3s would drop in silence, in the order of the document's reading.
pub fn read_strictly(document: &[u8]) -> Result<Vec<Ignored>, ParseError> {
    Ok(decode(&Tree::read(document)?)?.ignored)
}

/// A path for people: names of keys joined by dots, without what may be secret.
pub(crate) fn show_path<'a>(steps: impl IntoIterator<Item = &'a str>) -> String {
    let mut shown = String::new();
    let steps: Vec<&str> = steps.into_iter().collect();
    for (level, step) in steps.iter().enumerate() {
        let in_list = level == 3 && steps[0] == "mirrors" && steps[2] == "endpoint";
        if in_list {
            shown.extend(["[", step, "]"]);
            continue;
        }
        if level > 0 {
            shown.push('.');
        }
        shown.push_str(&match level {
            1 if matches!(steps[0], "mirrors" | "configs" | "auths") => redact_key(step),
            3 if steps[0] == "mirrors" && steps[2] == "rewrite" => {
                crate::mask::redact_rewrite(step)
            }
            // Every word is shown, the known keys among them.
            _ => redact_unknown_key(step),
        });
    }
    shown
}
