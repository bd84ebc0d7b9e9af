//! What the runtime has said already: asked once, kept while a pull needs it.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::blob::{Blob, Manifest};
use crate::view::{Content, Fact, Want};

#[derive(Debug, Default)]
pub(super) struct Facts {
    contents: HashMap<String, Option<Content>>,
    blobs: HashMap<String, Option<Blob>>,
    snapshots: HashMap<String, Option<Timestamp>>,
}

/// The documents of one image, as far as they are read.
#[derive(Debug, Default)]
pub(super) struct Documents<'a> {
    pub(super) root: Option<&'a str>,
    pub(super) manifest: Option<(&'a str, &'a Manifest)>,
}

impl Facts {
    /// Keeps what is asked once and for all.
    pub(super) fn learn(&mut self, fact: Fact) {
        match fact {
            Fact::Content(digest, content) => {
                self.contents.insert(digest, content);
            }
            Fact::Blob(digest, blob) => {
                self.blobs.insert(digest, blob);
            }
            Fact::Snapshot(chain_id, at) => self.unpacked(chain_id, at),
            Fact::NamesOf(..) | Fact::AllNames(_) | Fact::Name(..) => {}
        }
    }

    /// The first time that is known stays.
    pub(super) fn unpacked(&mut self, chain_id: String, at: Option<Timestamp>) {
        let known = self.snapshots.entry(chain_id).or_default();
        if known.is_none() {
            *known = at;
        }
    }

    /// A snapshot that was not there when it was asked for is there.
    pub(super) fn is_unpacked_now(&mut self, chain_id: &str, now: Timestamp) {
        if let Some(known @ None) = self.snapshots.get_mut(chain_id) {
            *known = Some(now);
        }
    }

    pub(super) fn content(&self, digest: &str) -> Option<&Content> {
        self.contents.get(digest)?.as_ref()
    }

    pub(super) fn blob(&self, digest: &str) -> Option<&Blob> {
        self.blobs.get(digest)?.as_ref()
    }

    pub(super) fn unpacked_at(&self, chain_id: &str) -> Option<Timestamp> {
        *self.snapshots.get(chain_id)?
    }

    pub(super) fn need_content(&self, digest: &str, wants: &mut BTreeSet<Want>) {
        if !self.contents.contains_key(digest) {
            wants.insert(Want::Content(digest.to_owned()));
        }
    }

    pub(super) fn need_blob(&self, digest: &str, wants: &mut BTreeSet<Want>) {
        if !self.blobs.contains_key(digest) {
            wants.insert(Want::Blob(digest.to_owned()));
        }
    }

    pub(super) fn need_snapshot(&self, chain_id: &str, wants: &mut BTreeSet<Want>) {
        if !self.snapshots.contains_key(chain_id) {
            wants.insert(Want::Snapshot(chain_id.to_owned()));
        }
    }

    /// Labels come a moment after the blob: what lacks them, and what was not there, is asked for again.
    pub(super) fn doubt(&mut self, digests: impl Iterator<Item = impl AsRef<str>>) {
        for digest in digests {
            let digest = digest.as_ref();
            let is_labelled = |content: &Option<Content>| {
                content
                    .as_ref()
                    .is_some_and(|content| content.has_children && !content.sources.is_empty())
            };
            if !self.contents.get(digest).is_some_and(is_labelled) {
                self.contents.remove(digest);
            }
            if self.blobs.get(digest).is_some_and(Option::is_none) {
                self.blobs.remove(digest);
            }
        }
    }

    /// The root is what nothing else refers to; the manifest is the child that was taken.
    pub(super) fn documents<'a>(&'a self, digests: &'a BTreeSet<String>) -> Documents<'a> {
        let mut documents = Documents::default();
        let read = || {
            digests
                .iter()
                .filter_map(|digest| Some((digest.as_str(), self.blob(digest)?)))
        };
        let children = |digest: &str| {
            read().any(|(parent, blob)| {
                matches!(blob, Blob::Index(children) if parent != digest && children.iter().any(|child| child == digest))
            })
        };
        let manifests: Vec<_> = read()
            .filter_map(|(digest, blob)| match blob {
                Blob::Manifest(manifest) => Some((digest, manifest)),
                _ => None,
            })
            .collect();
        documents.root = read()
            .find(|(digest, blob)| matches!(blob, Blob::Index(_)) && !children(digest))
            .map(|(digest, _)| digest)
            .or_else(|| {
                let mut roots = manifests.iter().filter(|(digest, _)| !children(digest));
                roots.next().map(|(digest, _)| *digest)
            });
        // Attestations are manifests too, and come later in an index.
        let place = |digest: &str| match documents.root.and_then(|root| self.blob(root)) {
            Some(Blob::Index(children)) => {
                let found = children.iter().position(|child| child == digest);
                found.unwrap_or(children.len())
            }
            _ => usize::MAX,
        };
        documents.manifest = manifests
            .into_iter()
            .min_by_key(|(digest, _)| place(digest));
        documents
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let contents = self.contents.keys().chain(self.blobs.keys());
        contents.chain(self.snapshots.keys()).map(String::as_str)
    }

    /// Forgets what no pull needs.
    pub(super) fn keep(&mut self, is_needed: impl Fn(&str) -> bool) {
        self.contents.retain(|digest, _| is_needed(digest));
        self.blobs.retain(|digest, _| is_needed(digest));
        self.snapshots.retain(|chain_id, _| is_needed(chain_id));
    }
}
