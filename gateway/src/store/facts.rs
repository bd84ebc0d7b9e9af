//! What is known about the Engine's images, across restarts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::core::Core;
use super::journal::Record;
use super::writer::blocking;
use crate::names::{Digest, MirroredName};

/// How an image came to the Engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// The Engine had it before we asked for it.
    EngineHad,
    /// We had it pulled with a caller's credentials.
    PulledWithCredentials,
}

/// Small things that outlive the process. Cheap to clone.
#[derive(Clone)]
pub struct Facts {
    pub(super) core: Arc<Core>,
}

impl Facts {
    /// The manifest of an image, by the image's id. Its document may have made room since; [`super::Store::document`] tells.
    pub fn manifest_of(&self, image: &Digest) -> Option<Digest> {
        self.core.lock().state.images.get(image).cloned()
    }

    /// Keeps which manifest an image has.
    #[expect(
        clippy::unused_async,
        reason = "who keeps something need not know what waits for the disk"
    )]
    pub async fn set_manifest_of(
        &self,
        image: &Digest,
        manifest: &Digest,
    ) -> Result<(), StoreError> {
        let is_known = self.manifest_of(image).as_ref() == Some(manifest);
        if is_known {
            return Ok(());
        }
        self.core.record(vec![Record::Image {
            image: image.clone(),
            manifest: manifest.clone(),
        }])
    }

    /// How an image came to the Engine, as far as a repository is concerned.
    pub fn binding(&self, image: &Digest, repository: &MirroredName) -> Option<Binding> {
        let inner = self.core.lock();
        inner.state.bindings.get(image)?.get(repository).copied()
    }

    /// Every repository that an image was bound to.
    pub fn bindings(&self, image: &Digest) -> Vec<(MirroredName, Binding)> {
        let inner = self.core.lock();
        let bound = inner.state.bindings.get(image).into_iter().flatten();
        bound.map(|(to, binding)| (to.clone(), *binding)).collect()
    }

    /// Keeps how an image came; durable when this returns.
    pub async fn set_binding(
        &self,
        image: &Digest,
        repository: &MirroredName,
        binding: Binding,
    ) -> Result<(), StoreError> {
        if self.binding(image, repository) == Some(binding) {
            return Ok(());
        }
        self.core
            .record(vec![Record::bound(image, repository, binding)])?;
        self.sync().await
    }

    /// Forgets an image that the Engine no longer has: its manifest and its bindings.
    pub async fn forget(&self, image: &Digest) -> Result<(), StoreError> {
        let manifest = self.manifest_of(image);
        if manifest.is_none() && self.bindings(image).is_empty() {
            return Ok(());
        }
        self.core.record(vec![Record::NoImage {
            image: image.clone(),
        }])?;
        self.core.collect(manifest);
        self.sync().await
    }

    async fn sync(&self) -> Result<(), StoreError> {
        let core = Arc::clone(&self.core);
        blocking(move || core.sync(&[]).map_err(StoreError::io("write the journal"))).await
    }
}
