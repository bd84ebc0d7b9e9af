//! Tags: what the Engine has under them now, and what is done when it has nothing.

use std::sync::Arc;
use std::time::Instant;

use docker::models::ImageInspect;

use super::engine_mirror::{Asked, Shared, inspect};
use super::holding::Effort;
use super::pull::shown_in;
use super::reference::engine_name;
use super::{Caller, MirrorError, Reach, UpstreamPolicy};
use crate::content::Document;
use crate::names::{MirroredName, Reference, Tag};

impl Shared {
    pub(super) async fn by_tag(
        self: &Arc<Self>,
        name: &MirroredName,
        tag: &Tag,
        caller: &Caller,
    ) -> Result<Document, MirrorError> {
        let reference = &Reference::Tag(tag.clone());
        let connected = self.connected().await?;
        let asked = Asked {
            name,
            reference,
            caller,
        };
        let shown = engine_name(name, reference);
        let mut image = inspect(&connected, &shown).await?;
        if let Some(seen) = &image
            && self.is_of_others(name, seen)?
        {
            image = None;
        } else if let Some(seen) = &image {
            self.see(name, seen, reference).await?;
            if self.is_stale(asked, tag, seen).await {
                match self.pull(&connected, name, reference, caller).await {
                    Ok(pulled) => image = pulled.or(image),
                    Err(error) => {
                        tracing::info!(image.name = %shown, error = %error, "served as it is");
                    }
                }
            }
        } else if caller.reach == Reach::Engine {
            return Err(MirrorError::Unknown(format!(
                "the Docker Engine has no {shown}"
            )));
        } else {
            image = self.pull(&connected, name, reference, caller).await?;
        }
        let Some(image) = image else {
            // It was pulled, and yet the Engine does not show it: containerd took layers for present that are not. Or what it
            // shows came for somebody else.
            return self.fetch_manifest(name, reference, caller).await;
        };
        let linked = self.admit(asked, &image).await?;
        let Some(held) = self.hold(&connected, &image, Effort::Export).await? else {
            return Err(MirrorError::Failed(format!("failed to read {shown}")));
        };
        self.bind_below(&connected, name, &held).await?;
        self.show(name, &held, linked);
        self.ensure_whole(name, &held, caller).await?;
        Ok(held.manifest.clone())
    }

    /// Whether the registry has something else under a tag, and is to be asked.
    pub(super) async fn is_stale(&self, asked: Asked<'_>, tag: &Tag, image: &ImageInspect) -> bool {
        let UpstreamPolicy::Always(lifetime) = self.settings.upstream else {
            return false;
        };
        let came_by = shown_in(asked.name, image);
        let came = came_by.iter().any(|it| matches!(it, Reference::Digest(_)));
        let now = Instant::now();
        if !came || asked.caller.reach == Reach::Engine || self.memory.checked(asked.name, tag, now)
        {
            return false;
        }
        match self
            .current(asked.name, asked.reference, asked.caller)
            .await
        {
            Ok(digest) => {
                self.memory.set_checked((asked.name, tag), now, lifetime);
                digest.is_some_and(|digest| !came_by.contains(&Reference::Digest(digest)))
            }
            Err(error) => {
                tracing::info!(image.name = %asked.name, error = %error, "served as it is");
                false
            }
        }
    }
}
