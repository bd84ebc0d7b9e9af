//! Image names as go-containerregistry reads them.

use super::{DOCKER_HUB, DOCKER_HUB_KEY};
use crate::go::url::GoUrl;
use crate::image::ImageObject;

/// An image name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Docker Hub is `index.docker.io`.
    pub registry: String,
    /// Repository, with `library/` where it is left out on Docker Hub.
    pub repository: String,
    object: ImageObject,
}

/// Why a text is no image name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid image name: expected [registry/]repository[:tag][@sha256:digest], the repository of 2 to 255 characters"
)]
pub struct NameError;

impl Name {
    /// Reads a tag, or else a digest.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        tagged(name).or_else(|NameError| digested(name))
    }

    /// The full name.
    pub fn normalized(&self) -> String {
        self.object.of(&self.registry, &self.repository)
    }

    pub(super) fn object(&self) -> &str {
        self.object.text()
    }
}

fn tagged(name: &str) -> Result<Name, NameError> {
    // What follows the last colon may be a port.
    let (base, tag) = match name.rsplit_once(':') {
        Some((base, tag)) if !tag.contains('/') => (base, tag),
        _ => (name, ""),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if !tag.is_empty() && (tag.len() > 128 || !tag.chars().all(allowed)) {
        return Err(NameError);
    }
    let (registry, repository) = located(base)?;
    let tag = if tag.is_empty() { "latest" } else { tag };
    Ok(Name {
        registry,
        repository,
        object: ImageObject::Tag(tag.to_owned()),
    })
}

fn digested(name: &str) -> Result<Name, NameError> {
    let (base, digest) = name.split_once('@').ok_or(NameError)?;
    let hex = digest.strip_prefix("sha256:").ok_or(NameError)?;
    if hex.len() != 64 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(NameError);
    }
    let (registry, repository) = match tagged(base) {
        Ok(name) => (name.registry, name.repository),
        Err(NameError) => located(base)?,
    };
    Ok(Name {
        registry,
        repository,
        object: ImageObject::Digest(digest.to_owned()),
    })
}

fn located(base: &str) -> Result<(String, String), NameError> {
    let (registry, repository) = match base.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("", base),
    };
    if !is_repository(repository) {
        return Err(NameError);
    }
    let registry = match registry {
        "" | DOCKER_HUB_KEY => DOCKER_HUB,
        other => other,
    };
    let url = GoUrl::parse(&format!("//{registry}")).map_err(|_| NameError)?;
    if url.host_text() != registry {
        return Err(NameError);
    }
    let repository = if registry == DOCKER_HUB && !repository.contains('/') {
        format!("library/{repository}")
    } else {
        repository.to_owned()
    };
    Ok((registry.to_owned(), repository))
}

/// Lower-case letters, digits, `_ - . /`; 2 to 255 characters.
pub(super) fn is_repository(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-./".contains(c);
    (2..=255).contains(&text.len()) && text.chars().all(allowed)
}
