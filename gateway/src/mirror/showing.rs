//! What a repository shows: blobs are had only through it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::MirrorError;
use super::access::Standing;
use super::engine_mirror::{Shared, inspect};
use super::holding::{Effort, Held, id_of};
use super::memory::Linked;
use super::parts::parts;
use super::reference::fetched_of;
use crate::content::Document;
use crate::names::{Digest, MirroredName, Reference};
use crate::store::Space;

impl Shared {
    /// Shows an image in a repository, now and after a restart.
    pub(super) fn show(self: &Arc<Self>, name: &MirroredName, held: &Arc<Held>, linked: Linked) {
        let known = self.memory.linked(name, &held.manifest.digest);
        let known = known.iter().find(|known| known.image == linked.image);
        if known.is_some_and(|known| known.is_as(&linked)) {
            return;
        }
        let first = known.is_none();
        let digests = Arc::new(held.digests());
        self.memory.link(name, Linked { digests, ..linked });
        if !first {
            return;
        }
        let (shared, name, held) = (Arc::clone(self), name.clone(), Arc::clone(held));
        tokio::spawn(async move {
            for document in held.documents.values() {
                if let Err(error) = shared.keep(&name, document).await {
                    tracing::warn!(image.name = %name, error = %error, "failed to keep a manifest");
                }
            }
        });
    }

    /// Shows a manifest below an image, which its export gave only now, and with it what that names.
    pub(super) async fn show_child(
        &self,
        name: &MirroredName,
        held: &Held,
        document: &Document,
        linked: Linked,
    ) -> Result<(), MirrorError> {
        let held = Arc::new(held.with(document.clone()));
        self.memory.hold(&held);
        let digests = Arc::new(held.digests());
        self.memory.link(name, Linked { digests, ..linked });
        self.keep(name, document).await
    }

    /// Keeps a document and what it names in a repository.
    pub(super) async fn keep(
        &self,
        name: &MirroredName,
        document: &Document,
    ) -> Result<(), MirrorError> {
        let space = Space::Mirrored(name.host.clone());
        let repository = self.store.repository(space, &name.repository);
        if repository
            .manifest(&Reference::Digest(document.digest.clone()))
            .is_some()
        {
            return Ok(());
        }
        let parts = parts(document);
        let links: Vec<Digest> = parts.blobs.into_iter().map(|part| part.digest).collect();
        repository
            .put_manifest(document, None, &links, None)
            .await
            .map_err(MirrorError::from)
    }

    /// Shows in a repository what came from its registry without the Engine.
    pub(super) fn link_fetched(
        &self,
        name: &MirroredName,
        document: &Document,
        standing: Standing,
    ) {
        let parts = parts(document);
        let parts = parts.blobs.into_iter().chain(parts.children);
        let mut digests: BTreeSet<Digest> = parts.map(|part| part.digest).collect();
        digests.insert(document.digest.clone());
        let Some(image) = fetched_of(name, &document.digest) else {
            return;
        };
        let linked = Linked {
            image,
            standing,
            proof: Reference::Digest(document.digest.clone()),
            digests: Arc::new(digests),
        };
        self.memory.link(name, linked);
    }

    /// A document that the repository showed once, perhaps before a restart.
    pub(super) fn kept(&self, name: &MirroredName, reference: &Reference) -> Option<Document> {
        let space = Space::Mirrored(name.host.clone());
        self.store
            .repository(space, &name.repository)
            .manifest(reference)
    }

    /// Learns what the images of a repository have, without an export.
    pub(super) async fn learn(self: &Arc<Self>, name: &MirroredName) -> Result<(), MirrorError> {
        let connected = self.connected().await?;
        for id in self.images_of(&connected, name).await? {
            let Some(image) = inspect(&connected, &id).await? else {
                continue;
            };
            if self.is_of_others(name, &image)? {
                continue;
            }
            let Some(held) = self.hold(&connected, &image, Effort::Look).await? else {
                continue;
            };
            let asked = Reference::Digest(held.manifest.digest.clone());
            let (standing, proof) = self.see(name, &image, &asked).await?;
            let linked = Linked {
                image: id_of(&image)?,
                standing,
                proof,
                digests: Arc::default(),
            };
            self.show(name, &held, linked);
        }
        Ok(())
    }
}
