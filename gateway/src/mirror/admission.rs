//! Who is let through, decided by what is kept of an image and by its registry.

use std::sync::Arc;

use docker::models::ImageInspect;

use super::access::{Standing, Way, standing, way};
use super::engine_mirror::{Asked, Shared};
use super::holding::id_of;
use super::link::Connected;
use super::memory::Linked;
use super::pull::shown_in;
use super::reference::{intent_of, proof_of};
use super::{Caller, MirrorError};
use crate::names::{Digest, MirroredName, Reference};
use crate::store::Binding;

impl Shared {
    /// How an image stands in a repository, kept when it is seen for the first time.
    pub(super) async fn see(
        &self,
        name: &MirroredName,
        image: &ImageInspect,
        asked: &Reference,
    ) -> Result<(Standing, Reference), MirrorError> {
        let id = id_of(image)?;
        let facts = self.store.facts();
        let known = facts.binding(&id, name);
        let references = shown_in(name, image);
        if self.is_of_others(name, image)? {
            return Ok((Standing::Bound, proof_of(&references, asked)));
        }
        let pulling = known.is_none() && self.has_intent(name);
        let (standing, keep) = standing(known, pulling, self.settings.local_images);
        match keep {
            Some(Binding::PulledWithCredentials) => {
                let bound = Binding::PulledWithCredentials;
                facts.set_binding(&id, name, bound).await?;
            }
            // A request need not wait for the disk to keep what is true without it.
            Some(Binding::EngineHad) => {
                let (store, name) = (self.store.clone(), name.clone());
                tokio::spawn(async move {
                    let facts = store.facts();
                    if let Err(error) = facts.set_binding(&id, &name, Binding::EngineHad).await {
                        tracing::warn!(image.id = %id, error = %error, "failed to keep a fact");
                    }
                });
            }
            None => {}
        }
        Ok((standing, proof_of(&references, asked)))
    }

    /// Lets a caller have an image, or says why not.
    pub(super) async fn admit(
        &self,
        asked: Asked<'_>,
        image: &ImageInspect,
    ) -> Result<Linked, MirrorError> {
        let (standing, proof) = self.see(asked.name, image, asked.reference).await?;
        self.pass(asked.name, standing, &proof, asked.caller)
            .await?;
        Ok(Linked {
            image: id_of(image)?,
            standing,
            proof,
            digests: Arc::default(),
        })
    }

    /// Lets a caller pass, or says why not.
    pub(super) async fn pass(
        &self,
        name: &MirroredName,
        standing: Standing,
        proof: &Reference,
        caller: &Caller,
    ) -> Result<(), MirrorError> {
        match way(standing, caller.reach) {
            Way::Free => Ok(()),
            Way::Closed => Err(MirrorError::Unknown(format!(
                "{name} is only for who proves it at its registry, which this request does not name (?ns=)"
            ))),
            Way::Proof => self.prove(name, proof, caller).await,
        }
    }

    /// Whether images of a repository may have come by a pull with a caller's credentials that was not seen to end.
    pub(super) fn has_intent(&self, name: &MirroredName) -> bool {
        let kept = |intent| self.store.facts().binding(&intent, name).is_some();
        intent_of(name).is_some_and(kept)
    }

    /// Keeps that a pull with a caller's credentials begins: nobody must see its image without knowing for whom it came.
    /// What is there by now was there before.
    pub(super) async fn begin_intent(
        &self,
        connected: &Connected,
        name: &MirroredName,
    ) -> Result<(), MirrorError> {
        let mut intents = self.intents.lock().await;
        if !self.has_intent(name) {
            self.settle(connected, name, Binding::EngineHad).await?;
            if let Some(intent) = intent_of(name) {
                let bound = Binding::PulledWithCredentials;
                self.store.facts().set_binding(&intent, name, bound).await?;
            }
        }
        *intents.entry(name.clone()).or_default() += 1;
        Ok(())
    }

    /// The pull has ended: whatever it brought is bound before it is forgotten.
    pub(super) async fn end_intent(
        &self,
        connected: &Connected,
        name: &MirroredName,
    ) -> Result<(), MirrorError> {
        let bound = Binding::PulledWithCredentials;
        let mut intents = self.intents.lock().await;
        self.settle(connected, name, bound).await?;
        let left = intents.get(name).map_or(0, |count| count.saturating_sub(1));
        if left > 0 {
            intents.insert(name.clone(), left);
            return Ok(());
        }
        intents.remove(name);
        if let Some(intent) = intent_of(name) {
            self.store.facts().forget(&intent).await?;
        }
        Ok(())
    }

    /// Keeps how the images of a repository came that nobody has looked at yet.
    async fn settle(
        &self,
        connected: &Connected,
        name: &MirroredName,
        binding: Binding,
    ) -> Result<(), MirrorError> {
        let facts = self.store.facts();
        for id in self.images_of(connected, name).await? {
            let Ok(id) = Digest::parse(&id) else { continue };
            if facts.binding(&id, name).is_some() || self.is_bound_to_others(name, &id) {
                continue;
            }
            facts.set_binding(&id, name, binding).await?;
        }
        Ok(())
    }
}
