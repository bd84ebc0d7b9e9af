//! The documents of an archive.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// What names some content. The order of its fields is that of what is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Type of the content.
    #[serde(default)]
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size of the content.
    pub size: u64,
    /// Where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Notes, for example names.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "nothing_or"
    )]
    pub annotations: BTreeMap<String, String>,
}

/// Where an image runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// As Go names it, for example `amd64`.
    #[serde(default)]
    pub architecture: String,
    /// For example `linux`.
    #[serde(default)]
    pub os: String,
    /// For example `v8`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// Go writes an empty map as null.
fn nothing_or<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An entry of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Saved {
    pub(super) config: String,
    #[serde(default, deserialize_with = "nothing_or")]
    pub(super) repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "nothing_or")]
    pub(super) layers: Vec<String>,
    /// Only graph drivers write it.
    pub(super) layer_sources: Option<serde::de::IgnoredAny>,
}

/// An index or a manifest, whichever fields it has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) manifests: Option<Vec<Descriptor>>,
    pub(super) config: Option<Descriptor>,
    #[serde(default, deserialize_with = "nothing_or")]
    pub(super) layers: Vec<Descriptor>,
}

/// What of a configuration concerns its layers.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    pub(super) rootfs: RootFs,
    #[serde(flatten)]
    pub(super) platform: Platform,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RootFs {
    #[serde(default, deserialize_with = "nothing_or")]
    pub(super) diff_ids: Vec<Digest>,
}

/// What describes a legacy layer.
#[derive(Debug, Deserialize)]
pub(super) struct Description {
    pub(super) id: String,
    pub(super) rootfs: Option<serde::de::IgnoredAny>,
}

/// The manifest that is made here: these fields in this order, nothing else.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MadeManifest<'a> {
    pub(super) schema_version: u8,
    pub(super) media_type: &'static str,
    pub(super) config: &'a Descriptor,
    pub(super) layers: Vec<&'a Descriptor>,
}

/// The index that is made here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MadeIndex {
    pub(super) schema_version: u8,
    pub(super) media_type: &'static str,
    pub(super) manifests: Vec<Descriptor>,
}
