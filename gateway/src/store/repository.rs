//! A repository shows what it links, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::core::Core;
use super::journal::{Place, Record, Shown};
use super::state::Links;
use super::writer::blocking;
use super::{REST, StoreError, documents};
use crate::content::Document;
use crate::names::{Digest, Reference, Tag};

/// A repository of one of the two worlds. Cheap to clone.
#[derive(Clone)]
pub struct Repository {
    pub(super) core: Arc<Core>,
    pub(super) at: Place,
}

/// What a manifest is about: another one, as signatures and SBOMs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The other one.
    pub digest: Digest,
    /// What kind of artifact this manifest is.
    pub artifact_type: Option<String>,
    /// This manifest's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A manifest that is about another one, as the list of referrers shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReferrerDescriptor {
    /// Type of the manifest.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
    /// What kind of artifact it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Its annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Repository {
    /// Shows a blob that the store has or that arrives.
    #[expect(
        clippy::unused_async,
        reason = "who keeps something need not know what waits for the disk"
    )]
    pub async fn link_blob(&self, digest: &Digest) -> Result<(), StoreError> {
        let mut inner = self.core.lock();
        if !inner.is_here_or_arriving(digest) {
            return Err(StoreError::Missing(digest.clone()));
        }
        let is_linked = inner
            .state
            .repositories
            .get(&self.at)
            .is_some_and(|links| links.blobs.contains(digest));
        if is_linked {
            return Ok(());
        }
        inner.record(vec![self.link(digest)])
    }

    /// Whether the repository shows a blob: it is linked, and here or arriving.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.links(digest) && self.core.is_here_or_arriving(digest)
    }

    /// Whether the repository was ever told to show a blob, which may have made room since.
    pub fn links(&self, digest: &Digest) -> bool {
        self.look(|links| links.blobs.contains(digest) || links.manifests.contains_key(digest))
    }

    /// Keeps a manifest and shows it, under a tag too if there is one. When it returns, what was pushed is on the disk;
    /// what is mirrored gets there later, for it can come again.
    ///
    /// In a mirrored repository all that the manifest names is shown with it. In a pushed one it is not: whoever pushes
    /// could otherwise have any blob of the store by naming it; blobs are shown by their uploads and by mounting.
    pub async fn put_manifest(
        &self,
        document: &Document,
        tag: Option<&Tag>,
        links: &[Digest],
        subject: Option<Subject>,
    ) -> Result<(), StoreError> {
        let _pin = documents::put(&self.core, document).await?;
        self.record_manifest(document, tag, links, subject)?;
        let digests: Vec<_> = links.iter().chain([&document.digest]).cloned().collect();
        let core = Arc::clone(&self.core);
        let sync = blocking(move || core.sync(&digests).map_err(StoreError::io("sync")));
        if self.at.host.is_none() {
            sync.await?;
        } else {
            tokio::spawn(async move {
                tokio::time::sleep(REST).await;
                if let Err(error) = sync.await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "failed to sync");
                }
            });
        }
        Ok(())
    }

    fn record_manifest(
        &self,
        document: &Document,
        tag: Option<&Tag>,
        links: &[Digest],
        subject: Option<Subject>,
    ) -> Result<(), StoreError> {
        let (of, artifact_type, annotations) = match subject {
            Some(subject) => (
                Some(subject.digest),
                subject.artifact_type,
                subject.annotations,
            ),
            None => (None, None, BTreeMap::new()),
        };
        let shown = Shown {
            media_type: document.media_type.clone(),
            size: document.bytes.len() as u64,
            links: links.to_vec(),
            subject: of,
            artifact_type,
            annotations,
        };
        let mut inner = self.core.lock();
        let none = Links::default();
        let known = inner.state.repositories.get(&self.at).unwrap_or(&none);
        let mut records = Vec::new();
        if known.manifests.get(&document.digest) != Some(&shown) {
            records.push(Record::Manifest {
                at: self.at.clone(),
                digest: document.digest.clone(),
                shown,
            });
        }
        if self.at.host.is_some() {
            let new = links.iter().filter(|link| !known.blobs.contains(*link));
            records.extend(new.map(|link| self.link(link)));
        }
        let tag = tag.filter(|tag| known.tags.get(*tag) != Some(&document.digest));
        records.extend(tag.map(|tag| Record::Tag {
            at: self.at.clone(),
            tag: tag.clone(),
            digest: document.digest.clone(),
        }));
        inner.record(records)
    }

    /// A manifest by tag or digest. Everything it names counts as used.
    pub fn manifest(&self, reference: &Reference) -> Option<Document> {
        let (digest, media_type) = {
            let mut inner = self.core.lock();
            let links = inner.state.repositories.get(&self.at)?;
            let digest = match reference {
                Reference::Digest(digest) => digest,
                Reference::Tag(tag) => links.tags.get(tag)?,
            };
            let (digest, shown) = links.manifests.get_key_value(digest)?;
            let (digest, shown) = (digest.clone(), shown.clone());
            for link in &shown.links {
                inner.touch(link);
            }
            (digest, shown.media_type)
        };
        let bytes = documents::read(&self.core, &digest)?;
        Some(Document {
            media_type,
            digest,
            bytes,
        })
    }

    /// The tags, sorted.
    pub fn tags(&self) -> Vec<String> {
        self.look(|links| links.tags.keys().map(ToString::to_string).collect())
    }

    /// Removes a tag; false when there was none.
    pub async fn delete_tag(&self, tag: &Tag) -> Result<bool, StoreError> {
        let record = Record::NoTag {
            at: self.at.clone(),
            tag: tag.clone(),
        };
        self.delete(|links| links.tags.contains_key(tag).then_some(vec![record]))
            .await
    }

    /// Removes a manifest, its tags, and the blobs that only it named; false when there was none.
    pub async fn delete_manifest(&self, digest: &Digest) -> Result<bool, StoreError> {
        self.delete(|links| links.without_manifest(&self.at, digest))
            .await
    }

    /// No longer shows a blob; false when it did not.
    pub async fn delete_blob(&self, digest: &Digest) -> Result<bool, StoreError> {
        let record = Record::NoBlob {
            at: self.at.clone(),
            digest: digest.clone(),
        };
        self.delete(|links| links.blobs.contains(digest).then_some(vec![record]))
            .await
    }

    /// Makes changes that remove something, if there is something to remove. What was said to be gone does not come back.
    async fn delete(
        &self,
        changes: impl FnOnce(&Links) -> Option<Vec<Record>>,
    ) -> Result<bool, StoreError> {
        let unlinked: Vec<_> = {
            let mut inner = self.core.lock();
            let links = inner.state.repositories.get(&self.at);
            let Some(records) = links.and_then(changes) else {
                return Ok(false);
            };
            let unlinked = records.iter().filter_map(unlinked).collect();
            inner.record(records)?;
            unlinked
        };
        self.core.collect(unlinked);
        let core = Arc::clone(&self.core);
        blocking(move || core.sync(&[]).map_err(StoreError::io("sync"))).await?;
        Ok(true)
    }

    /// The manifests that are about another one, sorted by digest; the other one need not be here.
    pub fn referrers(&self, subject: &Digest) -> Vec<ReferrerDescriptor> {
        self.look(|links| {
            let about = links.manifests.iter();
            about
                .filter(|(_, shown)| shown.subject.as_ref() == Some(subject))
                .map(|(digest, shown)| ReferrerDescriptor {
                    media_type: shown.media_type.clone(),
                    digest: digest.clone(),
                    size: shown.size,
                    artifact_type: shown.artifact_type.clone(),
                    annotations: shown.annotations.clone(),
                })
                .collect()
        })
    }

    fn look<T: Default>(&self, look: impl FnOnce(&Links) -> T) -> T {
        let inner = self.core.lock();
        let links = inner.state.repositories.get(&self.at);
        links.map(look).unwrap_or_default()
    }

    fn link(&self, digest: &Digest) -> Record {
        Record::Blob {
            at: self.at.clone(),
            digest: digest.clone(),
        }
    }
}

fn unlinked(record: &Record) -> Option<Digest> {
    match record {
        Record::NoBlob { digest, .. } | Record::NoManifest { digest, .. } => Some(digest.clone()),
        _ => None,
    }
}
