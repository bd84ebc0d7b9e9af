//! A repository shows what it links, and nothing else.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::content::Document;
use crate::names::{Digest, Reference, Tag};

use super::StoreError;

/// A repository of one of the two worlds. Cheap to clone.
#[derive(Clone)]
pub struct Repository {}

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
    #[serde(serialize_with = "as_text")]
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
    pub async fn link_blob(&self, _digest: &Digest) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether the repository shows a blob: it is linked, here or arriving.
    pub fn has_blob(&self, _digest: &Digest) -> bool {
        false
    }

    /// Whether the repository was ever told to show a blob, which may have made room since.
    pub fn links(&self, _digest: &Digest) -> bool {
        false
    }

    /// Keeps a manifest, shows it and what it names, and makes all of it durable.
    pub async fn put_manifest(
        &self,
        _document: &Document,
        _tag: Option<&Tag>,
        _links: &[Digest],
        _subject: Option<Subject>,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// A manifest by tag or digest.
    pub fn manifest(&self, _reference: &Reference) -> Option<Document> {
        None
    }

    /// The tags, sorted.
    pub fn tags(&self) -> Vec<String> {
        Vec::new()
    }

    /// Removes a tag; false when there was none.
    pub async fn delete_tag(&self, _tag: &Tag) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Removes a manifest, its tags, and the blobs that only it named; false when there was none.
    pub async fn delete_manifest(&self, _digest: &Digest) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// No longer shows a blob; false when it did not.
    pub async fn delete_blob(&self, _digest: &Digest) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// The manifests that are about another one.
    pub fn referrers(&self, _subject: &Digest) -> Vec<ReferrerDescriptor> {
        Vec::new()
    }
}

fn as_text<S: serde::Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(digest.as_str())
}
