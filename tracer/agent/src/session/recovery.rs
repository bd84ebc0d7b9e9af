//! Pulls that were over before anybody looked: what they were is read from the names and blobs that they left.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tracer_model::Source;

use super::facts::Facts;
use super::layer::Seen;
use super::pull::Pull;
use crate::blob::Blob;
use crate::view::{Image, Lease, Want};

/// A name set for blobs older than this is no pull, but a tag or a look at the registry.
const LONGEST_UNSEEN: SignedDuration = SignedDuration::from_secs(60);

#[derive(Debug)]
pub(super) struct Recovery {
    /// What the runtime was heard to name.
    pub(super) name: String,
    /// The names of the image, once they are known.
    images: Vec<Image>,
    /// The pull's lease, where that was seen.
    lease: Option<(String, Timestamp)>,
    /// How often the node was looked at since: a pull that is not over yet has a lease.
    pub(super) looks: u32,
}

/// What a recovery comes to.
pub(super) enum Outcome {
    /// More is to be asked.
    Waiting,
    /// It was no pull.
    Nothing,
    /// It was this one.
    Pull(Box<Pull>),
}

impl Recovery {
    pub(super) fn of_event(name: String) -> Self {
        Self {
            name,
            images: Vec::new(),
            lease: None,
            looks: 0,
        }
    }

    pub(super) fn of_lease(lease: &Lease, images: Vec<Image>) -> Self {
        Self {
            name: images
                .first()
                .map(|image| image.name.clone())
                .unwrap_or_default(),
            images,
            lease: Some((lease.id.clone(), lease.created_at)),
            looks: 2,
        }
    }

    pub(super) fn target(&self) -> Option<&str> {
        self.images.first().map(|image| image.target.as_str())
    }

    pub(super) fn is_named(&mut self, image: Image) {
        self.images = vec![image];
    }

    /// Every digest that may belong to the image.
    fn digests(&self, facts: &Facts) -> BTreeSet<String> {
        let mut digests: BTreeSet<String> = self.target().map(str::to_owned).into_iter().collect();
        if let Some(Blob::Index(children)) = self.target().and_then(|root| facts.blob(root)) {
            let present = children
                .iter()
                .filter(|child| facts.content(child).is_some());
            digests.extend(present.cloned());
        }
        digests
    }

    pub(super) fn wants(&self, facts: &Facts, wants: &mut BTreeSet<Want>) {
        let Some(root) = self.target() else {
            if self.looks >= 2 {
                wants.insert(Want::Name(self.name.clone()));
            }
            return;
        };
        facts.need_content(root, wants);
        facts.need_blob(root, wants);
        if let Some(Blob::Index(children)) = facts.blob(root) {
            for child in children {
                facts.need_content(child, wants);
            }
        }
        let digests = self.digests(facts);
        for digest in &digests {
            facts.need_blob(digest, wants);
        }
        if let Some((_, manifest)) = facts.documents(&digests).manifest {
            facts.need_content(&manifest.config, wants);
            for layer in &manifest.layers {
                facts.need_content(&layer.digest, wants);
            }
        }
    }

    pub(super) fn outcome(&self, facts: &Facts, now: Timestamp) -> Outcome {
        let mut open = BTreeSet::new();
        self.wants(facts, &mut open);
        let (Some(root), true) = (self.target(), open.is_empty()) else {
            return Outcome::Waiting;
        };
        let named_at = self
            .images
            .iter()
            .map(|image| image.updated_at)
            .max()
            .unwrap_or(now);
        let began = facts.content(root).map(|content| content.created_at);
        let lease = match (&self.lease, began) {
            (Some((id, started)), _) => self.lease(id.clone(), *started, facts),
            (None, Some(began)) if named_at.duration_since(began) <= LONGEST_UNSEEN => {
                self.lease(format!("image-{}", began.as_nanosecond()), began, facts)
            }
            _ => return Outcome::Nothing,
        };
        let source = match self.lease {
            Some(_) => Source::Lease,
            None => Source::ImageEvent,
        };
        let mut pull = Pull::new(lease.clone(), source);
        pull.holds(lease);
        pull.read(facts);
        let started_at = pull.started_at();
        for layer in &mut pull.layers {
            let seen = Seen {
                is_here: facts.content(&layer.digest).is_some(),
                created_at: facts
                    .content(&layer.digest)
                    .map(|content| content.created_at),
                ..Seen::default()
            };
            layer.settle(&seen, started_at, now);
        }
        pull.root = Some(root.to_owned());
        pull.succeed(&self.images, now);
        Outcome::Pull(Box::new(pull))
    }

    fn lease(&self, id: String, created_at: Timestamp, facts: &Facts) -> Lease {
        Lease {
            id,
            created_at,
            content: self.digests(facts).into_iter().collect(),
            ingests: Vec::new(),
            snapshots: Vec::new(),
        }
    }

    pub(super) fn needs(&self, key: &str, facts: &Facts) -> bool {
        let digests = self.digests(facts);
        digests.contains(key)
            || facts
                .documents(&digests)
                .manifest
                .is_some_and(|(_, manifest)| {
                    manifest.config == key
                        || manifest.layers.iter().any(|layer| layer.digest == key)
                })
    }
}
