//! From what is wanted and what was found to what is to be done, in order. Pure.
//!
//! The order makes every instant a good one: what was there is kept before it is replaced, a certificate file
//! stands before the document that names it, and goes only after no document names it any more.

use crate::found::{Found, Original};
use crate::hidden::HiddenBytes;
use crate::layout::{CONTESTED, DOCUMENT, ORIGINAL, ORIGINAL_ABSENT, PREVIOUS};
use crate::read::FoundFile;
use crate::wanted::Wanted;

const TEMPORARY_SUFFIX: &str = ".berth-new";

/// A file, by its folder and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// In our own folder, else beside the document.
    pub own: bool,
    pub name: String,
}

impl At {
    pub fn document() -> Self {
        Self::beside_document(DOCUMENT)
    }

    pub fn own(name: &str) -> Self {
        Self {
            own: true,
            name: name.to_owned(),
        }
    }

    pub(crate) fn beside_document(name: &str) -> Self {
        Self {
            own: false,
            name: name.to_owned(),
        }
    }

    pub fn is_document(&self) -> bool {
        !self.own && self.name == DOCUMENT
    }
}

/// One step. `Debug` shows names, never contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Replace the file whole, or create it: mode 0600, all or nothing.
    Write(At, HiddenBytes),
    /// Give a file that is safe on disk a second name, which spares writing it again; a copy where that cannot be.
    Link {
        from: At,
        to: At,
        bytes: HiddenBytes,
    },
    /// Take the file away from everybody but its owner.
    Restrict(At),
    Remove(At),
}

impl Action {
    pub fn at(&self) -> &At {
        match self {
            Self::Write(at, _)
            | Self::Link { to: at, .. }
            | Self::Restrict(at)
            | Self::Remove(at) => at,
        }
    }

    /// Whether k3s could see the difference: the document or a certificate file, and no bookkeeping of ours.
    pub fn matters_to_k3s(&self) -> bool {
        match self {
            Self::Write(at, _) | Self::Restrict(at) => {
                at.is_document() || crate::layout::is_pem_file_name(&at.name)
            }
            Self::Remove(at) => at.is_document(),
            Self::Link { .. } => false,
        }
    }
}

/// What brings a node to `wanted`; nothing when it is there.
pub fn decide(wanted: &Wanted, found: &Found) -> Vec<Action> {
    let mut actions = sweep(found);
    actions.extend(record_missing_original(found));
    for (name, bytes) in &wanted.pems {
        let there = found.pems.get(name).and_then(Option::as_ref);
        actions.extend(make_equal(At::own(name), there, bytes));
    }
    let document = make_equal(At::document(), found.document.as_ref(), &wanted.document);
    if let (Some(Action::Write(..)), Some(old)) = (&document, &found.document)
        && old.bytes != wanted.document
    {
        actions.push(keep_previous(found, old));
    }
    actions.extend(document);
    let unused = found
        .pems
        .keys()
        .filter(|name| !wanted.pems.contains_key(*name));
    actions.extend(unused.map(|name| Action::Remove(At::own(name))));
    actions
}

/// What keeps the state before the first write, and touches nothing else.
pub fn decide_record(found: &Found) -> Vec<Action> {
    record_missing_original(found).into_iter().collect()
}

/// What puts the original back. The record of it goes last: it is what a restore that was interrupted resumes from.
///
/// A node without a record was never written to, so there is nothing to put back.
pub fn decide_restore(found: &Found) -> Vec<Action> {
    let mut actions = sweep(found);
    let record = match &found.original {
        Original::Unrecorded => return actions,
        Original::Absent => {
            actions.extend(
                found
                    .document
                    .as_ref()
                    .map(|_| Action::Remove(At::document())),
            );
            ORIGINAL_ABSENT
        }
        Original::Document(bytes) => {
            actions.extend(make_equal(At::document(), found.document.as_ref(), bytes));
            ORIGINAL
        }
    };
    actions.extend(found.pems.keys().map(|name| Action::Remove(At::own(name))));
    if found.has_previous {
        actions.push(Action::Remove(At::own(PREVIOUS)));
    }
    if found.contested.is_some() {
        actions.push(Action::Remove(At::own(CONTESTED)));
    }
    actions.push(Action::Remove(At::own(record)));
    actions
}

/// A fixed name beside the file: whoever owns the folder is its only writer, and knows what to sweep.
pub(crate) fn temporary_name(name: &str) -> String {
    format!(".{name}{TEMPORARY_SUFFIX}")
}

pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(TEMPORARY_SUFFIX)
}

fn sweep(found: &Found) -> Vec<Action> {
    found
        .leftovers
        .iter()
        .cloned()
        .map(Action::Remove)
        .collect()
}

fn record_missing_original(found: &Found) -> Option<Action> {
    match (&found.original, &found.document) {
        (Original::Unrecorded, Some(file)) => {
            Some(Action::Write(At::own(ORIGINAL), file.bytes.clone()))
        }
        (Original::Unrecorded, None) => Some(Action::Write(
            At::own(ORIGINAL_ABSENT),
            HiddenBytes::default(),
        )),
        _ => None,
    }
}

/// Not the document itself where others may read it: both names are one file.
fn keep_previous(found: &Found, old: &FoundFile) -> Action {
    let (to, bytes) = (At::own(PREVIOUS), old.bytes.clone());
    if old.ours && old.is_restricted() {
        Action::Link {
            from: At::document(),
            to,
            bytes,
        }
    } else if found.original == Original::Unrecorded {
        Action::Link {
            from: At::own(ORIGINAL),
            to,
            bytes,
        }
    } else {
        Action::Write(to, bytes)
    }
}

fn make_equal(at: At, there: Option<&FoundFile>, bytes: &HiddenBytes) -> Option<Action> {
    match there {
        // Only its owner may change the mode of a file, and all capabilities are dropped.
        Some(file) if file.bytes == *bytes && file.ours => {
            (!file.is_restricted()).then_some(Action::Restrict(at))
        }
        _ => Some(Action::Write(at, bytes.clone())),
    }
}
