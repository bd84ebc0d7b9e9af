//! `/v2/<name>/manifests/<reference>`.

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use serde_json::json;

use super::ask::{Ask, Incoming};
use super::document::{self, Manifest};
use super::error::Refusal;
use super::reply::{self, Reply};
use super::{Gateway, adopt, look};
use crate::content::Document;
use crate::names::{Digest, Name, Reference, Tag};
use crate::store::Repository;

const READS: &str = "GET, HEAD";

pub(super) async fn get(
    gateway: &Gateway,
    ask: &Ask,
    name: Name,
    reference: &Reference,
) -> Result<Response<Body>, Refusal> {
    let target = look::meant(gateway, ask, name)?;
    let document = look::manifest(gateway, ask, &target, reference).await?;
    Ok(reply::document(ask, document))
}

pub(super) async fn put(
    gateway: &Gateway,
    ask: &Ask,
    name: Name,
    reference: Reference,
    mut body: Incoming,
) -> Result<Response<Body>, Refusal> {
    let (name, repository) = look::writable(gateway, ask, name, READS).await?;
    let tags = tags(ask, &reference)?;
    let bytes = body
        .whole(gateway.limits.manifest, gateway.limits.body_rest)
        .await?;
    let manifest = document::read(&bytes, ask.header(&header::CONTENT_TYPE))
        .map_err(|message| Refusal::bad("MANIFEST_INVALID", message))?;
    let digest = match &reference {
        Reference::Digest(digest) if digest.is_of(&bytes) => digest.clone(),
        Reference::Digest(digest) => {
            let message = format!("the manifest is not {digest}, but {}", Digest::of(&bytes));
            return Err(Refusal::bad("DIGEST_INVALID", message));
        }
        Reference::Tag(_) => Digest::of(&bytes),
    };
    let links = present(gateway, ask, &name, &repository, &manifest).await?;
    let document = Document {
        media_type: manifest.media_type,
        digest,
        bytes,
    };
    let subject = manifest
        .subject
        .as_ref()
        .map(|subject| subject.digest.clone());
    if tags.is_empty() {
        repository
            .put_manifest(&document, None, &links, manifest.subject.clone())
            .await?;
    }
    for tag in &tags {
        repository
            .put_manifest(&document, Some(tag), &links, manifest.subject.clone())
            .await?;
    }
    let mut reply = Reply::new(StatusCode::CREATED)
        .of(&document.digest)
        .with("location", format!("/v2/{name}/manifests/{reference}"));
    if let Some(subject) = subject {
        reply = reply.with("oci-subject", subject.as_str());
    }
    for tag in ask.query_all("tag") {
        reply = reply.with("oci-tag", tag);
    }
    Ok(reply.done())
}

pub(super) async fn delete(
    gateway: &Gateway,
    ask: &Ask,
    name: Name,
    reference: &Reference,
) -> Result<Response<Body>, Refusal> {
    let (name, repository) = look::writable(gateway, ask, name, READS).await?;
    let gone = match reference {
        Reference::Tag(tag) => repository.delete_tag(tag).await?,
        Reference::Digest(digest) => repository.delete_manifest(digest).await?,
    };
    if gone {
        return Ok(Reply::new(StatusCode::ACCEPTED).done());
    }
    let target = look::meant(gateway, ask, name)?;
    match look::manifest(gateway, ask, &target, reference).await {
        Ok(_) => Err(Refusal::method(
            READS,
            "this is an image of the Engine; remove it with docker rmi",
        )),
        Err(refusal) => Err(refusal),
    }
}

/// The tags that a manifest gets: the one that it is put under, or those of the query beside a digest.
fn tags(ask: &Ask, reference: &Reference) -> Result<Vec<Tag>, Refusal> {
    match reference {
        Reference::Tag(tag) => Ok(vec![tag.clone()]),
        Reference::Digest(_) => Ok(ask
            .query_all("tag")
            .map(Tag::parse)
            .collect::<Result<_, _>>()?),
    }
}

/// What the repository has of all that a manifest names; everything that it must have is there, or comes from the Engine.
async fn present(
    gateway: &Gateway,
    ask: &Ask,
    name: &Name,
    repository: &Repository,
    manifest: &Manifest,
) -> Result<Vec<Digest>, Refusal> {
    let has_child = |digest: &Digest| {
        let reference = Reference::Digest(digest.clone());
        repository.manifest(&reference).is_some()
    };
    let (mut here, mut missing) = (Vec::new(), Vec::new());
    for digest in &manifest.blobs {
        let found = repository.has_blob(digest)
            || adopt::blob(gateway, ask, name, repository, digest).await?;
        let list = if found { &mut here } else { &mut missing };
        list.push(digest.clone());
    }
    for digest in &manifest.children {
        let found =
            has_child(digest) || adopt::manifest(gateway, ask, name, repository, digest).await?;
        let list = if found { &mut here } else { &mut missing };
        list.push(digest.clone());
    }
    let elsewhere = manifest.elsewhere.iter();
    here.extend(
        elsewhere
            .filter(|digest| repository.has_blob(digest))
            .cloned(),
    );
    if missing.is_empty() || gateway.limits.sparse {
        return Ok(here);
    }
    let message = format!(
        "the manifest names content that was not pushed to this repository: {}",
        missing.len()
    );
    Err(Refusal::bad("MANIFEST_BLOB_UNKNOWN", message).about(json!({ "digests": missing })))
}
