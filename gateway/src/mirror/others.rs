//! Images that were pulled for somebody else: an Engine does not fetch what it has, so that any registry that names
//! such an image makes the Engine show it under a name of that registry, which proves nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use docker::models::ImageInspect;

use super::MirrorError;
use super::engine_mirror::{Shared, inspect};
use super::holding::{Effort, Held, id_of};
use super::link::Connected;
use super::parts::parts;
use super::reference::read;
use crate::names::{Digest, MirroredName};
use crate::store::Binding::{self, EngineHad, PulledWithCredentials};

/// Whether an image is somebody else's to a repository, by what is kept of it: whoever was there first keeps it.
fn is_others(bound: &[(MirroredName, Binding)], name: &MirroredName) -> bool {
    bound.iter().all(|(to, _)| to != name)
        && bound.iter().any(|(_, how)| *how == PulledWithCredentials)
}

/// The other repositories that show an image.
fn shown_elsewhere(image: &ImageInspect, name: &MirroredName) -> BTreeSet<MirroredName> {
    let shown = image.repo_tags.iter().chain(&image.repo_digests).flatten();
    let names = shown.filter_map(|shown| Some(read(shown)?.0));
    names.filter(|other| other != name).collect()
}

impl Shared {
    /// Whether an image was pulled with a caller's credentials for other repositories, and never came to this one. It is
    /// served to this one as if the Engine lacked it: only what its registry gives.
    pub(super) fn is_bound_to_others(&self, name: &MirroredName, id: &Digest) -> bool {
        is_others(&self.store.facts().bindings(id), name)
    }

    /// The same of an image that is at hand, which also tells names whose pulls go on.
    pub(super) fn is_of_others(
        &self,
        name: &MirroredName,
        image: &ImageInspect,
    ) -> Result<bool, MirrorError> {
        let id = id_of(image)?;
        let facts = self.store.facts();
        if facts.binding(&id, name).is_some() {
            return Ok(false);
        }
        let comes =
            |other: &MirroredName| facts.binding(&id, other).is_none() && self.has_intent(other);
        Ok(self.is_bound_to_others(name, &id)
            || !self.has_intent(name) && shown_elsewhere(image, name).iter().any(comes))
    }

    /// Keeps that an image came for a caller, and with it the manifests below it, which are images by their own digests.
    pub(super) async fn bind_to_caller(
        self: &Arc<Self>,
        connected: &Connected,
        name: &MirroredName,
        image: &ImageInspect,
    ) -> Result<(), MirrorError> {
        let id = id_of(image)?;
        self.bind_first(name, &id, Some(image)).await?;
        match self.hold(connected, image, Effort::Look).await? {
            Some(held) => self.bind_below(connected, name, &held).await,
            // What is below it is known when it is exported.
            None => Ok(()),
        }
    }

    /// Keeps of the manifests below an image that they came for a caller, if the image did.
    pub(super) async fn bind_below(
        &self,
        connected: &Connected,
        name: &MirroredName,
        held: &Held,
    ) -> Result<(), MirrorError> {
        let facts = self.store.facts();
        if facts.binding(&held.image, name) != Some(PulledWithCredentials) {
            return Ok(());
        }
        let children = held.documents.values().flat_map(|it| parts(it).children);
        let digests: BTreeSet<Digest> = children.map(|part| part.digest).collect();
        for digest in digests {
            if facts.binding(&digest, name).is_none() {
                let below = inspect(connected, digest.as_str()).await?;
                self.bind_first(name, &digest, below.as_ref()).await?;
            }
        }
        Ok(())
    }

    /// Binds an image to a repository, after the names that the Engine had for it before.
    async fn bind_first(
        &self,
        name: &MirroredName,
        id: &Digest,
        image: Option<&ImageInspect>,
    ) -> Result<(), MirrorError> {
        let facts = self.store.facts();
        let bound = facts.bindings(id);
        if bound.iter().any(|(to, _)| to == name) || is_others(&bound, name) {
            return Ok(());
        }
        let others = image.map(|image| shown_elsewhere(image, name));
        for other in others.unwrap_or_default() {
            if facts.binding(id, &other).is_none() && !self.has_intent(&other) {
                facts.set_binding(id, &other, EngineHad).await?;
            }
        }
        Ok(facts.set_binding(id, name, PulledWithCredentials).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::is_others;
    use crate::names::{Host, MirroredName, Name};
    use crate::store::Binding::{EngineHad, PulledWithCredentials};

    #[test]
    fn what_was_pulled_for_somebody_is_not_for_names_that_come_later() {
        let name = |host: &str| MirroredName {
            host: Host::parse(host).unwrap(),
            repository: Name::parse("x").unwrap(),
        };
        let (private, other, late) = (name("private.io"), name("other.io"), name("late.io"));
        let pulled = (private.clone(), PulledWithCredentials);
        let had = (other.clone(), EngineHad);
        for (bound, asked, expected) in [
            (vec![], &late, false),
            (vec![had.clone()], &late, false),
            (vec![pulled.clone()], &late, true),
            (vec![pulled.clone()], &private, false),
            (vec![had.clone(), pulled.clone()], &other, false),
            (vec![had, pulled], &late, true),
        ] {
            assert_eq!(is_others(&bound, asked), expected, "{bound:?} {asked}");
        }
    }
}
