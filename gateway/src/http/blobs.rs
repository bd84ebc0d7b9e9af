//! `/v2/<name>/blobs/<digest>`.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::ask::Ask;
use super::error::Refusal;
use super::reply::{self, Reply};
use super::{Gateway, look};
use crate::names::{Digest, Name};

const READS: &str = "GET, HEAD";

pub(super) async fn get(
    gateway: &Gateway,
    ask: &Ask,
    name: Name,
    digest: &Digest,
) -> Result<Response<Body>, Refusal> {
    let target = look::meant(gateway, ask, name)?;
    let blob = look::blob(gateway, ask, &target, digest).await?;
    reply::blob(ask, &blob)
}

pub(super) async fn delete(
    gateway: &Gateway,
    ask: &Ask,
    name: Name,
    digest: &Digest,
) -> Result<Response<Body>, Refusal> {
    let (name, repository) = look::writable(gateway, ask, name, READS).await?;
    if repository.delete_blob(digest).await? {
        return Ok(Reply::new(StatusCode::ACCEPTED).done());
    }
    let target = look::meant(gateway, ask, name)?;
    match look::blob(gateway, ask, &target, digest).await {
        Ok(_) => Err(Refusal::method(
            READS,
            "this blob belongs to an image of the Engine; remove it with docker rmi",
        )),
        Err(refusal) => Err(refusal),
    }
}
