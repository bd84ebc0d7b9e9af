//! What the Engine has, as registries list it.

use std::collections::BTreeSet;

use super::access::{Standing, standing};
use super::classify::engine_error;
use super::engine_mirror::{Shared, inspect};
use super::link::Connected;
use super::pull::shown_in;
use super::reference::read;
use super::{Caller, MirrorError};
use crate::names::{Digest, MirroredName, Reference};

impl Shared {
    pub(super) async fn tags(
        &self,
        name: &MirroredName,
        caller: &Caller,
    ) -> Result<Option<Vec<String>>, MirrorError> {
        let connected = self.connected().await?;
        let mut tags = BTreeSet::new();
        let mut refusal = None;
        for id in self.images_of(&connected, name).await? {
            let Some(image) = inspect(&connected, &id).await? else {
                continue;
            };
            let shown = shown_in(name, &image);
            let is_tag = |it: &&Reference| matches!(it, Reference::Tag(_));
            let Some(first) = shown.iter().find(is_tag) else {
                continue;
            };
            let (standing, proof) = self.see(name, &image, first).await?;
            match self.pass(name, standing, &proof, caller).await {
                Ok(()) => tags.extend(shown.iter().filter(is_tag).map(ToString::to_string)),
                Err(error) => refusal = Some(error),
            }
        }
        match refusal {
            Some(refusal) if tags.is_empty() => Err(refusal),
            _ => Ok((!tags.is_empty()).then(|| tags.into_iter().collect())),
        }
    }

    pub(super) async fn repositories(&self) -> Result<Vec<MirroredName>, MirrorError> {
        let connected = self.connected().await?;
        let images = connected.engine.images().await;
        let mut names = BTreeSet::new();
        for image in images.map_err(|error| engine_error(&error))? {
            let Ok(id) = Digest::parse(&image.id) else {
                continue;
            };
            for (name, _) in image.repo_tags.iter().filter_map(|shown| read(shown)) {
                let known = self.store.facts().binding(&id, &name);
                let pulling = self.has_intent(&name);
                let (standing, _) = standing(known, pulling, self.settings.local_images);
                if standing == Standing::Open {
                    names.insert(name);
                }
            }
        }
        Ok(names.into_iter().collect())
    }

    /// The ids of the Engine's images that a repository shows.
    pub(super) async fn images_of(
        &self,
        connected: &Connected,
        name: &MirroredName,
    ) -> Result<Vec<String>, MirrorError> {
        let images = connected.engine.images().await;
        let images = images.map_err(|error| engine_error(&error))?;
        let shows = |shown: &String| read(shown).is_some_and(|(found, _)| found == *name);
        let ours = images
            .into_iter()
            .filter(|image| image.repo_tags.iter().chain(&image.repo_digests).any(shows));
        Ok(ours.map(|image| image.id).collect())
    }
}
