//! Where content is looked for: what was pushed, then what the Engine has; or the registry that `ns` names.

use axum::http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::Gateway;
use super::ask::Ask;
use super::document;
use super::error::Refusal;
use crate::access::Forbidden;
use crate::content::{Blob, Document};
use crate::mirror::{Caller, MirrorError, Reach};
use crate::names::{Digest, MirroredName, Name, Reference};
use crate::store::{Repository, Space};
use crate::target::{Target, engine_names, target};

/// What a path's name is about.
pub(super) fn meant(gateway: &Gateway, ask: &Ask, name: Name) -> Result<Target, Refusal> {
    Ok(target(
        name,
        ask.query("ns"),
        ask.own.as_ref(),
        &gateway.registries,
    )?)
}

/// The repository that a request may write to.
pub(super) async fn writable(
    gateway: &Gateway,
    ask: &Ask,
    name: Name,
    reads: &'static str,
) -> Result<(Name, Repository), Refusal> {
    let name = match meant(gateway, ask, name)? {
        Target::Local(name) => name,
        Target::Mirrored(name) => {
            let message =
                format!("{name} belongs to another registry; pushes go to names without ns");
            return Err(Refusal::method(reads, message));
        }
    };
    match gateway.access.push(ask.peer, ask.login.as_ref()).await {
        Ok(()) => {}
        Err(Forbidden::Off) => return Err(Refusal::method(reads, Forbidden::Off.to_string())),
        Err(why) => return Err(forbidden(why)),
    }
    let repository = gateway.store.repository(Space::Pushed, &name);
    Ok((name, repository))
}

pub(super) fn forbidden(why: Forbidden) -> Refusal {
    match why {
        Forbidden::Login => Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", why.to_string())
            .with(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"berth-gateway\""),
            ),
        _ => Refusal::new(StatusCode::FORBIDDEN, "DENIED", why.to_string()),
    }
}

/// A manifest of what a name is about.
pub(super) async fn manifest(
    gateway: &Gateway,
    ask: &Ask,
    target: &Target,
    reference: &Reference,
) -> Result<Document, Refusal> {
    let name = match target {
        Target::Mirrored(name) => {
            let caller = caller(gateway, ask, Reach::Upstream);
            let answer = gateway.mirror.manifest(name, reference, &caller).await;
            return answer.map_err(|error| refusal(&error, "MANIFEST_UNKNOWN", ask, name));
        }
        Target::Local(name) => name,
    };
    let pushed = gateway.store.repository(Space::Pushed, name);
    if let Some(document) = pushed.manifest(reference) {
        return Ok(document);
    }
    let document = engine_manifest(gateway, ask, name, reference).await?;
    if ask.is_head() && is_being_pushed(&pushed, &document) {
        return Err(no_manifest(name, reference));
    }
    Ok(document)
}

/// A manifest of an image that the Engine has under a name of ours.
pub(super) async fn engine_manifest(
    gateway: &Gateway,
    ask: &Ask,
    name: &Name,
    reference: &Reference,
) -> Result<Document, Refusal> {
    let caller = caller(gateway, ask, Reach::Engine);
    let mut refused = None;
    for image in engine_images(gateway, ask, name, "MANIFEST_UNKNOWN").await? {
        match gateway.mirror.manifest(&image, reference, &caller).await {
            Ok(document) => return Ok(document),
            Err(error) => keep_worst(&mut refused, error, &image),
        }
    }
    Err(match refused {
        Some((error, image)) => refusal(&error, "MANIFEST_UNKNOWN", ask, &image),
        None => no_manifest(name, reference),
    })
}

fn no_manifest(name: &Name, reference: &Reference) -> Refusal {
    let message =
        format!("nothing was pushed as {name}:{reference}, and the Engine has no such image");
    Refusal::unknown("MANIFEST_UNKNOWN", message)
        .about(json!({"name": name.as_str(), "reference": reference.to_string()}))
}

/// Whether everything that an image of the Engine names was pushed as well: then its manifest is what comes next, and a
/// client that heard that it is here already would leave it out.
fn is_being_pushed(pushed: &Repository, document: &Document) -> bool {
    let Ok(manifest) = document::read(&document.bytes, None) else {
        return false;
    };
    let has_child = |digest: &Digest| {
        pushed
            .manifest(&Reference::Digest(digest.clone()))
            .is_some()
    };
    let named = manifest.blobs.len() + manifest.children.len();
    named > 0
        && manifest.blobs.iter().all(|digest| pushed.has_blob(digest))
        && manifest.children.iter().all(has_child)
}

/// A blob of what a name is about.
pub(super) async fn blob(
    gateway: &Gateway,
    ask: &Ask,
    target: &Target,
    digest: &Digest,
) -> Result<Blob, Refusal> {
    let name = match target {
        Target::Mirrored(name) => {
            let caller = caller(gateway, ask, Reach::Upstream);
            let answer = gateway.mirror.blob(name, digest, &caller).await;
            return answer.map_err(|error| refusal(&error, "BLOB_UNKNOWN", ask, name));
        }
        Target::Local(name) => name,
    };
    let pushed = gateway.store.repository(Space::Pushed, name);
    if let Some(blob) = Some(digest)
        .filter(|digest| pushed.has_blob(digest))
        .and_then(|digest| gateway.store.blob(digest))
    {
        return Ok(blob);
    }
    // Docker asks for blobs in this way before it pushes them, and never before it pulls. What is pushed shall be kept
    // here, also when the Engine that has it is the one that pushes.
    if ask.is_head() && ask.is_docker() {
        return Err(no_blob(name, digest));
    }
    engine_blob(gateway, ask, name, digest).await
}

/// A blob of an image that the Engine has under a name of ours.
pub(super) async fn engine_blob(
    gateway: &Gateway,
    ask: &Ask,
    name: &Name,
    digest: &Digest,
) -> Result<Blob, Refusal> {
    let caller = caller(gateway, ask, Reach::Engine);
    let mut refused = None;
    for image in engine_images(gateway, ask, name, "BLOB_UNKNOWN").await? {
        match gateway.mirror.blob(&image, digest, &caller).await {
            Ok(blob) => return Ok(blob),
            Err(error) => keep_worst(&mut refused, error, &image),
        }
    }
    Err(match refused {
        Some((error, image)) => refusal(&error, "BLOB_UNKNOWN", ask, &image),
        None => no_blob(name, digest),
    })
}

fn no_blob(name: &Name, digest: &Digest) -> Refusal {
    Refusal::unknown("BLOB_UNKNOWN", format!("{name} has no blob {digest}"))
        .about(json!({"name": name.as_str(), "digest": digest.as_str()}))
}

/// The tags of what a name is about; none when nobody knows it.
pub(super) async fn tags(
    gateway: &Gateway,
    ask: &Ask,
    target: &Target,
) -> Result<Option<Vec<String>>, Refusal> {
    let name = match target {
        Target::Mirrored(name) => {
            let caller = caller(gateway, ask, Reach::Upstream);
            let answer = gateway.mirror.tags(name, &caller).await;
            return answer.map_err(|error| refusal(&error, "NAME_UNKNOWN", ask, name));
        }
        Target::Local(name) => name,
    };
    let mut tags = gateway.store.repository(Space::Pushed, name).tags();
    let mut known = !tags.is_empty() || gateway.store.names(&Space::Pushed).contains(name);
    let caller = caller(gateway, ask, Reach::Engine);
    let images = match engine_images(gateway, ask, name, "NAME_UNKNOWN").await {
        // What was pushed is known without the Engine.
        Err(_) if known => Vec::new(),
        images => images?,
    };
    for image in images {
        match gateway.mirror.tags(&image, &caller).await {
            Ok(Some(more)) => {
                known = true;
                tags.extend(more);
            }
            Ok(None) => {}
            Err(error) if known => {
                tracing::warn!(%error, image = %image, "failed to list the tags of an image");
            }
            Err(error) => return Err(refusal(&error, "NAME_UNKNOWN", ask, &image)),
        }
    }
    tags.sort();
    tags.dedup();
    Ok(known.then_some(tags))
}

/// The images of the Engine that a name of ours stands for. Without an Engine a HEAD finds nothing, so that pushing works:
/// it begins with asking what is here already.
async fn engine_images(
    gateway: &Gateway,
    ask: &Ask,
    name: &Name,
    code: &'static str,
) -> Result<Vec<MirroredName>, Refusal> {
    match gateway.mirror.repositories().await {
        Ok(held) => Ok(engine_names(name, ask.own.as_ref(), &held)),
        Err(error) if ask.is_head() => {
            tracing::warn!(%error, "failed to ask the Engine for its images; only pushed content is found");
            Ok(Vec::new())
        }
        Err(error) => Err(Refusal::of_mirror(&error, code, None)),
    }
}

/// A refusal says more than that an image is unknown.
fn keep_worst(
    kept: &mut Option<(MirrorError, MirroredName)>,
    error: MirrorError,
    image: &MirroredName,
) {
    let says_more = !matches!(error, MirrorError::Unknown(_));
    if kept.is_none() || says_more {
        *kept = Some((error, image.clone()));
    }
}

fn refusal(error: &MirrorError, code: &'static str, ask: &Ask, name: &MirroredName) -> Refusal {
    // A client that sent a login and is challenged again would ask for ever.
    let realm = Some(name.host.as_str()).filter(|_| ask.login.is_none());
    Refusal::of_mirror(error, code, realm).about(json!({"name": name.to_string()}))
}

/// Whom the mirror shall believe. A login of our own htpasswd file is nothing for other registries.
fn caller(gateway: &Gateway, ask: &Ask, reach: Reach) -> Caller {
    let is_ours = reach == Reach::Engine && gateway.access.challenges();
    Caller {
        address: ask.peer,
        login: ask.login.clone().filter(|_| !is_ours),
        reach,
    }
}
