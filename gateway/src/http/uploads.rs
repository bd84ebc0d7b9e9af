//! `/v2/<name>/blobs/uploads/`: in one request, in several, in pieces, or from another repository.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::ask::{Ask, Incoming};
use super::error::Refusal;
use super::reply::Reply;
use super::{Gateway, look, range};
use crate::names::{Digest, Name};
use crate::store::{Repository, Space, StoreError, Upload, UploadId};

/// Methods of a session for those that may not write: there are none.
const NONE: &str = "";

pub(super) async fn start(
    gateway: &Gateway,
    ask: &Ask,
    name: Name,
    body: Incoming,
) -> Result<Response<Body>, Refusal> {
    let (name, repository) = look::writable(gateway, ask, name, NONE).await?;
    if let Some(digest) = ask.query("mount") {
        let digest = Digest::parse(digest)?;
        if mount(gateway, ask, &repository, &digest).await? {
            return Ok(created(&name, &digest));
        }
    } else if let Some(digest) = ask.query("digest") {
        let digest = Digest::parse(digest)?;
        return at_once(gateway, &name, &repository, &digest, body).await;
    }
    let id = gateway.store.start_upload(&name, ask.peer).await?;
    Ok(session(StatusCode::ACCEPTED, &name, &id, 0).done())
}

/// A request about a session that is there.
pub(super) async fn go_on(
    gateway: &Gateway,
    ask: &Ask,
    name: Name,
    id: Option<UploadId>,
    body: Incoming,
) -> Result<Response<Body>, Refusal> {
    let (name, _) = look::writable(gateway, ask, name, NONE).await?;
    let unknown = || {
        Refusal::unknown(
            "BLOB_UPLOAD_UNKNOWN",
            "there is no such upload; begin one with POST",
        )
    };
    let id = id.ok_or_else(unknown)?;
    let upload = gateway.store.upload(&name, &id).await.ok_or_else(unknown)?;
    match ask.method {
        Method::GET | Method::HEAD => {
            Ok(session(StatusCode::NO_CONTENT, &name, &id, upload.offset()).done())
        }
        Method::PATCH => append(gateway, ask, &name, &id, upload, body).await,
        Method::PUT => finish(gateway, ask, &name, &id, upload, body).await,
        Method::DELETE => {
            upload.cancel().await;
            Ok(Reply::new(StatusCode::NO_CONTENT).done())
        }
        _ => Err(Refusal::method(
            "GET, HEAD, PATCH, PUT, DELETE",
            "an upload has no such method",
        )),
    }
}

/// Shows a blob of another repository here. Without `from` it is of any repository that was pushed to.
async fn mount(
    gateway: &Gateway,
    ask: &Ask,
    repository: &Repository,
    digest: &Digest,
) -> Result<bool, Refusal> {
    let holds = |name: &Name| {
        gateway
            .store
            .repository(Space::Pushed, name)
            .has_blob(digest)
    };
    let found = match ask.query("from") {
        Some(from) => holds(&Name::parse(from)?),
        None => gateway.store.names(&Space::Pushed).iter().any(holds),
    };
    let found = found || repository.has_blob(digest);
    if found {
        repository.link_blob(digest).await?;
    }
    Ok(found)
}

/// A whole blob in one POST.
async fn at_once(
    gateway: &Gateway,
    name: &Name,
    repository: &Repository,
    digest: &Digest,
    mut body: Incoming,
) -> Result<Response<Body>, Refusal> {
    let mut writer = gateway.store.writer(None).await?;
    while let Some(bytes) = body.next(gateway.limits.body_rest).await? {
        check_size(gateway, writer.offset(), bytes.len())?;
        gateway.metrics.received(bytes.len());
        writer.write(bytes).await?;
    }
    writer.commit(Some(digest)).await?;
    repository.link_blob(digest).await?;
    Ok(created(name, digest))
}

async fn append(
    gateway: &Gateway,
    ask: &Ask,
    name: &Name,
    id: &UploadId,
    mut upload: Upload,
    body: Incoming,
) -> Result<Response<Body>, Refusal> {
    pour(gateway, ask, name, id, &mut upload, body).await?;
    Ok(session(StatusCode::ACCEPTED, name, id, upload.offset()).done())
}

async fn finish(
    gateway: &Gateway,
    ask: &Ask,
    name: &Name,
    id: &UploadId,
    mut upload: Upload,
    body: Incoming,
) -> Result<Response<Body>, Refusal> {
    let digest = ask
        .query("digest")
        .ok_or_else(|| Refusal::bad("DIGEST_INVALID", "the last request needs ?digest="))?;
    let digest = Digest::parse(digest)?;
    pour(gateway, ask, name, id, &mut upload, body).await?;
    upload.finish(&digest).await?;
    Ok(created(name, &digest))
}

/// Adds a body to an upload, where the request says that it belongs.
async fn pour(
    gateway: &Gateway,
    ask: &Ask,
    name: &Name,
    id: &UploadId,
    upload: &mut Upload,
    mut body: Incoming,
) -> Result<(), Refusal> {
    let start = upload.offset();
    let announced = match ask.header(&header::CONTENT_RANGE) {
        None => None,
        Some(text) => {
            let place = range::chunk(text).ok_or_else(|| {
                Refusal::bad("BLOB_UPLOAD_INVALID", "Content-Range is not <first>-<last>")
            })?;
            if place.start != start {
                return Err(out_of_order(name, id, start));
            }
            Some(place.end - place.start)
        }
    };
    let wrong_size = || {
        Refusal::bad(
            "SIZE_INVALID",
            "the body is not as long as Content-Range says",
        )
    };
    if announced.is_some() && ask.length().is_some() && ask.length() != announced {
        return Err(wrong_size());
    }
    while let Some(bytes) = body.next(gateway.limits.body_rest).await? {
        check_size(gateway, upload.offset(), bytes.len())?;
        gateway.metrics.received(bytes.len());
        upload.append(upload.offset(), bytes).await?;
    }
    if announced.is_some_and(|announced| upload.offset() - start != announced) {
        return Err(wrong_size());
    }
    Ok(())
}

fn check_size(gateway: &Gateway, offset: u64, more: usize) -> Result<(), Refusal> {
    let limit = gateway.limits.blob;
    // A length in memory fits into 64 bits.
    if offset.saturating_add(more as u64) > limit {
        return Err(StoreError::TooLarge { limit }.into());
    }
    Ok(())
}

fn out_of_order(name: &Name, id: &UploadId, offset: u64) -> Refusal {
    let mut refusal: Refusal = StoreError::OutOfOrder { offset }.into();
    for (header, value) in [
        ("location", location(name, id)),
        ("range", range_of(offset)),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            refusal = refusal.with(HeaderName::from_static(header), value);
        }
    }
    refusal
}

fn created(name: &Name, digest: &Digest) -> Response<Body> {
    Reply::new(StatusCode::CREATED)
        .of(digest)
        .with("location", format!("/v2/{name}/blobs/{digest}"))
        .done()
}

fn session(status: StatusCode, name: &Name, id: &UploadId, offset: u64) -> Reply {
    Reply::new(status)
        .with("location", location(name, id))
        .with("range", range_of(offset))
        .with("docker-upload-uuid", id.as_str())
}

fn location(name: &Name, id: &UploadId) -> String {
    format!("/v2/{name}/blobs/uploads/{}", id.as_str())
}

/// Where an upload stands, as clients expect it: an empty one also says `0-0`.
fn range_of(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}
