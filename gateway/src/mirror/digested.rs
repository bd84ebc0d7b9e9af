//! Digests: whoever has them, the Engine first.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use docker::models::ImageInspect;

use super::access::standing;
use super::engine_mirror::{Asked, Shared, inspect};
use super::holding::{Effort, id_of};
use super::link::Connected;
use super::parts::{Part, Parts, parts};
use super::reference::{engine_name, fetched_of};
use super::{Caller, MirrorError, Reach};
use crate::content::Document;
use crate::names::{Digest, MirroredName, Reference};

impl Shared {
    pub(super) async fn by_digest(
        self: &Arc<Self>,
        name: &MirroredName,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Document, MirrorError> {
        let who = self.identity(caller);
        // Who asks the Engine only is answered anew: it takes milliseconds, and the registry may know more.
        if caller.reach == Reach::Upstream
            && let Some(error) = self.memory.miss(name, digest, who, Instant::now())
        {
            return Err(error);
        }
        let reference = &Reference::Digest(digest.clone());
        let asked = Asked {
            name,
            reference,
            caller,
        };
        let connected = self.connected().await?;
        if let Some(document) = self.digest_of_engine(&connected, asked, digest).await? {
            return Ok(document);
        }
        if let Some(document) = self.digest_of_store(asked, digest).await? {
            return Ok(document);
        }
        let unknown = || MirrorError::Unknown(format!("nobody has a manifest {digest} of {name}"));
        let found = match caller.reach {
            Reach::Engine => return Err(unknown()),
            Reach::Upstream
                if connected.containerd_images && !self.is_bound_to_others(name, digest) =>
            {
                self.pull_digest(&connected, asked, digest).await
            }
            Reach::Upstream => self.fetch_manifest(name, reference, caller).await,
        };
        if let Err(error @ (MirrorError::Unknown(_) | MirrorError::Unauthorized(_))) = &found {
            let (now, lifetime) = (Instant::now(), self.settings.miss);
            let key = (name, digest, who);
            self.memory.set_miss(key, error.clone(), now, lifetime);
        }
        found
    }

    /// A manifest that an image of the Engine has: one that was shown before, one that the Engine knows by this digest, or
    /// one of the images of the repository.
    pub(super) async fn digest_of_engine(
        self: &Arc<Self>,
        connected: &Connected,
        asked: Asked<'_>,
        digest: &Digest,
    ) -> Result<Option<Document>, MirrorError> {
        let mut tried = BTreeSet::new();
        let shown = self.memory.linked(asked.name, digest);
        let mut candidates: Vec<Digest> = shown.into_iter().map(|linked| linked.image).collect();
        if let Some(document) = self.kept(asked.name, asked.reference) {
            // To graph drivers an image is its configuration, to containerd its manifest.
            candidates.extend(parts(&document).config);
            candidates.push(document.digest);
        }
        let names = candidates.iter().map(ToString::to_string);
        let names = names.chain([engine_name(asked.name, asked.reference)]);
        for name in names.collect::<BTreeSet<String>>() {
            if let Some(image) = inspect(connected, &name).await?
                && let Some(document) = self
                    .digest_of_image(connected, asked, digest, &image)
                    .await?
            {
                return Ok(Some(document));
            }
            tried.insert(name);
        }
        for id in self.images_of(connected, asked.name).await? {
            if tried.insert(id.clone())
                && let Some(image) = inspect(connected, &id).await?
                && let Some(document) = self
                    .digest_of_image(connected, asked, digest, &image)
                    .await?
            {
                return Ok(Some(document));
            }
        }
        Ok(None)
    }

    pub(super) async fn digest_of_image(
        self: &Arc<Self>,
        connected: &Connected,
        asked: Asked<'_>,
        digest: &Digest,
        image: &ImageInspect,
    ) -> Result<Option<Document>, MirrorError> {
        if self.is_of_others(asked.name, image)? {
            return Ok(None);
        }
        // Only of an image that is this manifest it is certain that an export has it.
        let effort = if id_of(image)? == *digest {
            Effort::Export
        } else {
            Effort::Look
        };
        let Some(held) = self.hold(connected, image, effort).await? else {
            return Ok(None);
        };
        if !held.may_have(digest) {
            return Ok(None);
        }
        let linked = self.admit(asked, image).await?;
        let Some(document) = self.document_of(connected, &held, digest).await? else {
            return Ok(None);
        };
        self.bind_below(connected, asked.name, &held).await?;
        if held.documents.contains_key(digest) {
            self.show(asked.name, &held, linked);
        } else {
            self.show_child(asked.name, &held, &document, linked)
                .await?;
        }
        self.ensure_whole(asked.name, &held, asked.caller).await?;
        Ok(Some(document))
    }

    /// A manifest that was fetched from its registry, when all of it is still here.
    pub(super) async fn digest_of_store(
        &self,
        asked: Asked<'_>,
        digest: &Digest,
    ) -> Result<Option<Document>, MirrorError> {
        let fetched = fetched_of(asked.name, digest);
        let binding = fetched.and_then(|key| self.store.facts().binding(&key, asked.name));
        let Some(binding) = binding else {
            return Ok(None);
        };
        let Some(document) = self.kept(asked.name, asked.reference) else {
            return Ok(None);
        };
        let parts = parts(&document);
        if !self.is_whole(asked.name, &parts) {
            return Ok(None);
        }
        let (standing, _) = standing(Some(binding), false, self.settings.local_images);
        self.pass(asked.name, standing, asked.reference, asked.caller)
            .await?;
        self.link_fetched(asked.name, &document, standing);
        Ok(Some(document))
    }

    pub(super) async fn pull_digest(
        self: &Arc<Self>,
        connected: &Connected,
        asked: Asked<'_>,
        digest: &Digest,
    ) -> Result<Document, MirrorError> {
        let Asked {
            name,
            reference,
            caller,
        } = asked;
        if let Some(image) = self.pull(connected, name, reference, caller).await?
            && let Some(document) = self
                .digest_of_image(connected, asked, digest, &image)
                .await?
        {
            return Ok(document);
        }
        self.fetch_manifest(name, reference, caller).await
    }

    /// Whether all blobs that a manifest names are here, given to this repository.
    fn is_whole(&self, name: &MirroredName, parts: &Parts) -> bool {
        let is_here =
            |part: &Part| self.store.has(&part.digest) && self.given(name, &part.digest).is_some();
        parts.blobs.iter().all(is_here)
    }
}
