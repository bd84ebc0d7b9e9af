//! Lists: the catalog, tags, referrers; and `/v2/` itself.

use axum::body::Body;
use axum::http::Response;
use serde_json::json;

use super::ask::Ask;
use super::document::OCI_INDEX;
use super::error::Refusal;
use super::{Gateway, look, paging, reply};
use crate::access::{Forbidden, Push};
use crate::names::{Digest, Name};
use crate::store::Space;
use crate::target::{Target, shown_name};

const JSON: &str = "application/json";

/// Says that this is a registry. Where pushing needs a login, `docker` must hear of it here.
pub(super) async fn base(gateway: &Gateway, ask: &Ask) -> Result<Response<Body>, Refusal> {
    let is_wrong = match &gateway.access.push {
        Push::Users(users) => match &ask.login {
            Some(login) => !users.know(login).await,
            None => true,
        },
        Push::Off | Push::Local => false,
    };
    if is_wrong {
        return Err(look::forbidden(Forbidden::Login));
    }
    Ok(reply::json(JSON, None, &json!({})))
}

pub(super) async fn catalog(gateway: &Gateway, ask: &Ask) -> Result<Response<Body>, Refusal> {
    let pushed = gateway.store.names(&Space::Pushed);
    let mut names: Vec<String> = pushed.iter().map(|name| name.as_str().to_owned()).collect();
    match gateway.mirror.repositories().await {
        Ok(images) => names.extend(images.iter().map(shown_name)),
        Err(error) => {
            tracing::warn!(%error, "failed to ask the Engine for its images; the catalog lists pushed ones");
        }
    }
    names.sort();
    names.dedup();
    let (repositories, next) = paging::page(names, &ask.page()?);
    let link = next.map(|last| link("/v2/_catalog", ask, &last));
    Ok(reply::json(
        JSON,
        link,
        &json!({ "repositories": repositories }),
    ))
}

pub(super) async fn tags(
    gateway: &Gateway,
    ask: &Ask,
    name: Name,
) -> Result<Response<Body>, Refusal> {
    let path = format!("/v2/{name}/tags/list");
    let target = look::meant(gateway, ask, name.clone())?;
    let page = ask.page()?;
    let tags = look::tags(gateway, ask, &target).await?.ok_or_else(|| {
        Refusal::unknown("NAME_UNKNOWN", "there is no such repository")
            .about(json!({"name": name.as_str()}))
    })?;
    let (tags, next) = paging::page(tags, &page);
    let link = next.map(|last| link(&path, ask, &last));
    Ok(reply::json(
        JSON,
        link,
        &json!({"name": name.as_str(), "tags": tags}),
    ))
}

/// The manifests that are about another one. Nobody refers to images of others here.
pub(super) fn referrers(
    gateway: &Gateway,
    ask: &Ask,
    name: Name,
    digest: &Digest,
) -> Result<Response<Body>, Refusal> {
    let mut found = match look::meant(gateway, ask, name)? {
        Target::Local(name) => gateway
            .store
            .repository(Space::Pushed, &name)
            .referrers(digest),
        Target::Mirrored(_) => Vec::new(),
    };
    let kind = ask.query("artifactType");
    if let Some(kind) = kind {
        found.retain(|descriptor| descriptor.artifact_type.as_deref() == Some(kind));
    }
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found});
    let mut response = reply::json(OCI_INDEX, None, &index);
    if kind.is_some() {
        let filters = axum::http::HeaderValue::from_static("artifactType");
        response
            .headers_mut()
            .insert("oci-filters-applied", filters);
    }
    Ok(response)
}

/// The way to the next page, which keeps what else the query says.
fn link(path: &str, ask: &Ask, last: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for key in ["ns", "n"] {
        if let Some(value) = ask.query(key) {
            query.append_pair(key, value);
        }
    }
    query.append_pair("last", last);
    format!("<{path}?{}>; rel=\"next\"", query.finish())
}
