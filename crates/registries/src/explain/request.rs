//! The requests that resolve an image, as a registry gets to see them.

use super::{Attempt, Explanation};
use crate::endpoint::{DOCKER_HUB, DOCKER_HUB_HOST};
use crate::go::path;
use crate::go::url::{GoUrl, query_with};
use crate::image::{ImageObject, ImageReference};

/// The host of a request: an empty port is dropped.
pub(super) fn host_asked(host: &str) -> String {
    let (before, port) = host.rsplit_once(':').unwrap_or((host, "-"));
    if port.is_empty() { before } else { host }.to_owned()
}

impl Explanation {
    /// The requests made when every host answers "not found"; nothing if chance decides what is asked for.
    pub fn requests(&self) -> Option<Vec<String>> {
        let attempts = self.attempts.as_ref().ok()?;
        let has_one = |attempt: &Attempt| attempt.repositories.len() == 1 && !attempt.is_partial;
        if !attempts.iter().all(has_one) {
            return None;
        }
        let kinds: &[&str] = match self.image.object {
            ImageObject::Tag(_) => &["manifests"],
            // A digest is looked for among blobs once no host has such a manifest.
            ImageObject::Digest(_) => &["manifests", "blobs"],
        };
        let needed: &[&str] = match self.image.object {
            ImageObject::Tag(_) => &["pull", "resolve"],
            ImageObject::Digest(_) => &["pull"],
        };
        let asked = |attempt: &&Attempt| {
            needed
                .iter()
                .all(|need| attempt.capabilities.contains(need))
        };
        let requests = kinds.iter().flat_map(|kind| {
            let asked = attempts.iter().filter(asked);
            asked.filter_map(move |attempt| request(attempt, &self.image, kind))
        });
        Some(requests.collect())
    }
}

/// `HEAD <url>`, or nothing where no URL comes of it.
fn request(attempt: &Attempt, image: &ImageReference, kind: &str) -> Option<String> {
    let repository = attempt.repositories.first()?;
    let path = path::join(&["/", &attempt.path, repository, kind, image.object.text()]);
    let text = format!(
        "{}://{}{}",
        attempt.scheme,
        attempt.host,
        with_namespace(path, attempt, image)
    );
    let mut url = GoUrl::parse(&text).ok()?;
    url.remove_empty_port();
    Some(format!("HEAD {url}"))
}

/// Hosts other than the registry are told which registry is meant.
fn with_namespace(path: String, attempt: &Attempt, image: &ImageReference) -> String {
    let registry = &image.registry;
    let is_registry =
        *registry == attempt.host || (registry == DOCKER_HUB && attempt.host == DOCKER_HUB_HOST);
    if is_registry {
        return path;
    }
    // A rewrite may have put a query there, which is read and written anew.
    let (before, query) = path.split_once('?').unwrap_or((&path, ""));
    format!("{before}?{}", query_with(query, "ns", registry))
}
