//! What is known about the Engine's images, across restarts.

use crate::names::{Digest, MirroredName};

use super::StoreError;

/// How an image came to the Engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The Engine had it before we asked for it.
    EngineHad,
    /// We had it pulled with a caller's credentials.
    PulledWithCredentials,
}

/// Small things that outlive the process. Cheap to clone.
#[derive(Clone)]
pub struct Facts {}

impl Facts {
    /// The manifest of an image, by the image's id.
    pub fn manifest_of(&self, _image: &Digest) -> Option<Digest> {
        None
    }

    /// Keeps which manifest an image has.
    pub async fn set_manifest_of(
        &self,
        _image: &Digest,
        _manifest: &Digest,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// How an image came to the Engine, as far as a repository is concerned.
    pub fn binding(&self, _image: &Digest, _repository: &MirroredName) -> Option<Binding> {
        None
    }

    /// Every repository that an image was bound to.
    pub fn bindings(&self, _image: &Digest) -> Vec<(MirroredName, Binding)> {
        Vec::new()
    }

    /// Keeps how an image came; durable when this returns.
    pub async fn set_binding(
        &self,
        _image: &Digest,
        _repository: &MirroredName,
        _binding: Binding,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// Forgets an image that the Engine no longer has.
    pub async fn forget(&self, _image: &Digest) -> Result<(), StoreError> {
        Ok(())
    }
}
