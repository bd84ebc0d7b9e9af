//! Who is let through, decided by what is kept of an image and by its registry.

use std::sync::Arc;

use docker::models::ImageInspect;

use super::access::{Standing, Way, standing, way};
use super::engine_mirror::{Asked, Shared};
use super::holding::id_of;
use super::memory::Linked;
use super::pull::shown_in;
use super::reference::proof_of;
use super::{Caller, MirrorError};
use crate::names::{MirroredName, Reference};
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
}
