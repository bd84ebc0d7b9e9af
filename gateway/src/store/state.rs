//! What is linked, tagged and known: a pure function of the journal.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::facts::Binding;
use super::journal::{Place, Record, Shown};
use crate::names::{Digest, MirroredName, Tag};

/// Everything but the blobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) repositories: BTreeMap<Place, Links>,
    pub(super) images: BTreeMap<Digest, Digest>,
    pub(super) bindings: BTreeMap<Digest, BTreeMap<MirroredName, Binding>>,
}

/// What a repository shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Links {
    pub(super) blobs: BTreeSet<Digest>,
    pub(super) manifests: BTreeMap<Digest, Shown>,
    pub(super) tags: BTreeMap<Tag, Digest>,
}

impl Links {
    fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.manifests.is_empty() && self.tags.is_empty()
    }

    /// What must change so that the repository, which is at `at`, no longer shows a manifest: the manifest, and the blobs only it named.
    pub(super) fn without_manifest(&self, at: &Place, digest: &Digest) -> Option<Vec<Record>> {
        let shown = self.manifests.get(digest)?;
        let others: HashSet<_> = self
            .manifests
            .iter()
            .filter(|(other, _)| *other != digest)
            .flat_map(|(_, shown)| &shown.links)
            .collect();
        let mut records = vec![Record::NoManifest {
            at: at.clone(),
            digest: digest.clone(),
        }];
        let alone = shown
            .links
            .iter()
            .filter(|blob| self.blobs.contains(*blob) && !others.contains(blob));
        records.extend(alone.map(|blob| Record::NoBlob {
            at: at.clone(),
            digest: blob.clone(),
        }));
        Some(records)
    }

    fn all(&self) -> impl Iterator<Item = &Digest> {
        self.blobs.iter().chain(self.manifests.keys())
    }
}

impl State {
    /// Makes a change.
    pub(super) fn apply(&mut self, record: Record) {
        match record {
            Record::Blob { at, digest } => {
                self.links(at).blobs.insert(digest);
            }
            Record::NoBlob { at, digest } => self.change(&at, |links| {
                links.blobs.remove(&digest);
            }),
            Record::Manifest { at, digest, shown } => {
                self.links(at).manifests.insert(digest, shown);
            }
            Record::NoManifest { at, digest } => self.change(&at, |links| {
                links.manifests.remove(&digest);
                links.tags.retain(|_, tagged| *tagged != digest);
            }),
            Record::Tag { at, tag, digest } => {
                self.links(at).tags.insert(tag, digest);
            }
            Record::NoTag { at, tag } => self.change(&at, |links| {
                links.tags.remove(&tag);
            }),
            Record::Image { image, manifest } => {
                self.images.insert(image, manifest);
            }
            Record::Bound {
                image,
                host,
                name: repository,
                binding,
            } => {
                let to = MirroredName { host, repository };
                self.bindings.entry(image).or_default().insert(to, binding);
            }
            Record::NoImage { image } => {
                self.images.remove(&image);
                self.bindings.remove(&image);
            }
        }
    }

    /// The shortest journal that leads here.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (at, links) in &self.repositories {
            let at = || at.clone();
            records.extend(links.blobs.iter().map(|digest| Record::Blob {
                at: at(),
                digest: digest.clone(),
            }));
            records.extend(
                links
                    .manifests
                    .iter()
                    .map(|(digest, shown)| Record::Manifest {
                        at: at(),
                        digest: digest.clone(),
                        shown: shown.clone(),
                    }),
            );
            records.extend(links.tags.iter().map(|(tag, digest)| Record::Tag {
                at: at(),
                tag: tag.clone(),
                digest: digest.clone(),
            }));
        }
        records.extend(self.images.iter().map(|(image, manifest)| Record::Image {
            image: image.clone(),
            manifest: manifest.clone(),
        }));
        for (image, bound) in &self.bindings {
            let bound = bound.iter();
            records.extend(bound.map(|(to, binding)| Record::bound(image, to, *binding)));
        }
        records
    }

    /// Forgets what the blobs that are here cannot keep: manifests that are gone with their tags, and links of pushed
    /// repositories that lead nowhere. Mirrored content may come again, so its links stay.
    pub(super) fn prune(&mut self, has: impl Fn(&Digest) -> bool) {
        for (place, links) in &mut self.repositories {
            links.manifests.retain(|digest, _| has(digest));
            let manifests = &links.manifests;
            links
                .tags
                .retain(|_, digest| manifests.contains_key(digest));
            if place.host.is_none() {
                links.blobs.retain(|digest| has(digest));
            }
        }
        self.repositories.retain(|_, links| !links.is_empty());
        self.images.retain(|_, manifest| has(manifest));
    }

    /// Whether anything leads to a blob.
    pub(super) fn is_linked(&self, digest: &Digest) -> bool {
        let mut repositories = self.repositories.values();
        repositories
            .any(|links| links.blobs.contains(digest) || links.manifests.contains_key(digest))
            || self.images.values().any(|manifest| manifest == digest)
    }

    /// Every blob that something leads to.
    pub(super) fn linked(&self) -> HashSet<Digest> {
        let links = self.repositories.values().flat_map(Links::all);
        links.chain(self.images.values()).cloned().collect()
    }

    /// Every blob of what was pushed.
    pub(super) fn pushed(&self) -> HashSet<Digest> {
        let places = self.repositories.iter();
        places
            .filter(|(place, _)| place.host.is_none())
            .flat_map(|(_, links)| links.all())
            .cloned()
            .collect()
    }

    fn links(&mut self, at: Place) -> &mut Links {
        self.repositories.entry(at).or_default()
    }

    fn change(&mut self, at: &Place, change: impl FnOnce(&mut Links)) {
        if let Some(links) = self.repositories.get_mut(at) {
            change(links);
            if links.is_empty() {
                self.repositories.remove(at);
            }
        }
    }
}
