//! A push may leave out what the Engine has under the name, because it was told that it is here: then it is kept as if
//! it had been pushed.

use futures::StreamExt as _;

use super::ask::Ask;
use super::document;
use super::error::Refusal;
use super::{Gateway, look};
use crate::names::{Digest, Name, Reference};
use crate::store::Repository;

/// Keeps a blob of the Engine. False when it has none such.
pub(super) async fn blob(
    gateway: &Gateway,
    ask: &Ask,
    name: &Name,
    repository: &Repository,
    digest: &Digest,
) -> Result<bool, Refusal> {
    let Ok(found) = look::engine_blob(gateway, ask, name, digest).await else {
        return Ok(false);
    };
    if !gateway.store.has(digest) {
        let mut writer = gateway.store.writer(None).await?;
        let mut bytes = found.bytes.read(0..found.size);
        while let Some(piece) = bytes.next().await {
            let Ok(piece) = piece else {
                return Ok(false);
            };
            writer.write(piece).await?;
        }
        writer.commit(Some(digest)).await?;
    }
    repository.link_blob(digest).await?;
    Ok(true)
}

/// Keeps a manifest of the Engine with its blobs. False when it has none such, or not all of it.
pub(super) async fn manifest(
    gateway: &Gateway,
    ask: &Ask,
    name: &Name,
    repository: &Repository,
    digest: &Digest,
) -> Result<bool, Refusal> {
    let reference = Reference::Digest(digest.clone());
    let Ok(found) = look::engine_manifest(gateway, ask, name, &reference).await else {
        return Ok(false);
    };
    let Ok(read) = document::read(&found.bytes, Some(&found.media_type)) else {
        return Ok(false);
    };
    for digest in &read.blobs {
        let is_here =
            repository.has_blob(digest) || blob(gateway, ask, name, repository, digest).await?;
        if !is_here {
            return Ok(false);
        }
    }
    repository
        .put_manifest(&found, None, &read.blobs, read.subject)
        .await?;
    Ok(true)
}
