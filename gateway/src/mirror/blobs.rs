//! Blobs: where they lie, in the store, by an export, from the registry.

use std::sync::Arc;

use super::engine_mirror::{Shared, inspect};
use super::holding::Effort;
use super::{Caller, MirrorError, Reach};
use crate::content::Blob;
use crate::names::{Digest, MirroredName};
use crate::store::Space;

impl Shared {
    pub(super) async fn blob(
        self: &Arc<Self>,
        name: &MirroredName,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Blob, MirrorError> {
        let mut shown = self.memory.linked(name, digest);
        if shown.is_empty() {
            // After a restart nothing is at hand: the repository's images tell what they have.
            self.learn(name).await?;
            shown = self.memory.linked(name, digest);
        }
        if shown.is_empty() {
            return self.blob_of_nobody(name, digest, caller).await;
        }
        let mut refusal = None;
        for linked in shown {
            let passed = self
                .pass(name, linked.standing, &linked.proof, caller)
                .await;
            if let Err(error) = passed {
                refusal = Some(error);
                continue;
            }
            if let Some(blob) = self.blob_of_image(name, &linked.image, digest).await? {
                return Ok(blob);
            }
            refusal = None;
        }
        match refusal {
            Some(refusal) => Err(refusal),
            None => self.fetch_blob(name, digest, caller).await,
        }
    }

    /// A blob that the repository showed before a restart and no image of the Engine has: only its registry can say who
    /// may have it.
    pub(super) async fn blob_of_nobody(
        self: &Arc<Self>,
        name: &MirroredName,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Blob, MirrorError> {
        let space = Space::Mirrored(name.host.clone());
        let repository = self.store.repository(space, &name.repository);
        if repository.links(digest) && caller.reach == Reach::Upstream {
            return self.fetch_blob(name, digest, caller).await;
        }
        Err(MirrorError::Unknown(format!("{name} has no blob {digest}")))
    }

    /// The bytes of a blob: where they lie, in the store, or from an export. That a manifest names a blob proves nothing:
    /// what the Engine does not vouch for comes from the store only when the registry gave it to this repository.
    pub(super) async fn blob_of_image(
        self: &Arc<Self>,
        name: &MirroredName,
        image: &Digest,
        digest: &Digest,
    ) -> Result<Option<Blob>, MirrorError> {
        if self.is_bound_to_others(name, image) {
            return Ok(self.given(name, digest));
        }
        let held = if let Some(held) = self.memory.held(image) {
            held
        } else {
            let connected = self.connected().await?;
            let Some(seen) = inspect(&connected, image.as_str()).await? else {
                return Ok(self.given(name, digest));
            };
            let held = self.hold(&connected, &seen, Effort::Export).await?;
            let Some(held) = held else { return Ok(None) };
            held
        };
        if let Some(blob) = held.blobs.get(digest) {
            return Ok(Some(blob.clone()));
        }
        let Some(image) = &held.exported else {
            return Ok(self.given(name, digest));
        };
        if let Some(blob) = self.store.blob(digest) {
            return Ok(Some(blob));
        }
        let export = self.connected().await?.exports.start(image).await?;
        Ok(export.blob(digest).await?)
    }
}
