//! Small blobs that are kept and read as a whole.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use super::StoreError;
use super::core::Core;
use super::reading::Pin;
use super::writer::Writer;
use crate::content::Document;
use crate::names::Digest;

/// Keeps a document; it stays while the pin is held.
pub(super) async fn put(core: &Arc<Core>, document: &Document) -> Result<Pin, StoreError> {
    if let Some(pin) = core.pin([&document.digest]).pop() {
        return Ok(pin);
    }
    let mut writer = Writer::new(Arc::clone(core), None, false)?;
    writer.write(document.bytes.clone()).await?;
    let (_, _, pin) = writer.commit_pinned(Some(&document.digest)).await?;
    Ok(pin)
}

/// A document; it is verified once more, for that costs next to nothing.
pub(super) fn read(core: &Core, digest: &Digest) -> Option<Bytes> {
    let _pin = core.pin([digest]);
    let bytes = std::fs::read(core.folder.blob(digest)).ok()?;
    digest.is_of(&bytes).then(|| bytes.into())
}

/// What a document says it is, or what its fields make it.
pub(crate) fn media_type(document: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
        config: Option<serde::de::IgnoredAny>,
    }
    let fields: Fields = serde_json::from_slice(document).ok()?;
    match (fields.media_type, fields.manifests, fields.config) {
        (Some(said), _, _) if !said.is_empty() => Some(said),
        (_, Some(_), _) => Some("application/vnd.oci.image.index.v1+json".to_owned()),
        (_, None, Some(_)) => Some("application/vnd.oci.image.manifest.v1+json".to_owned()),
        _ => None,
    }
}
