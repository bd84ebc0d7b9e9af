//! Image names, normalised as containerd's CRI plugin does it.

use std::sync::LazyLock;

use regex::Regex;

use crate::endpoint::DOCKER_HUB;
use crate::go::url::GoUrl;

/// The longest repository that a reference may name.
const LONGEST_REPOSITORY: usize = 255;

/// An image name with registry, repository and tag or digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    /// The key looked up in certs.d, and in `mirrors`.
    pub registry: String,
    /// What rewrites see.
    pub repository: String,
    /// Tag or digest.
    pub object: ImageObject,
}

/// What of a repository is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageObject {
    /// A movable name.
    Tag(String),
    /// `algorithm:hex`.
    Digest(String),
}

/// Why a text is no image name; `message` repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The grammar does not allow it.
    #[error("invalid image name: expected [registry/]repository[:tag][@digest] without a scheme")]
    Format,
    /// Repositories are written in lower case.
    #[error("invalid image name: the repository must be in lower case")]
    UpperCase,
    /// The text could be an image id.
    #[error("invalid image name: 64 hexadecimal digits are an image id, not a name")]
    Identifier,
    /// Longer than registries accept.
    #[error("invalid image name: the repository is longer than 255 characters")]
    TooLong,
    /// Unknown algorithm, or not as many lower-case digits as the algorithm has.
    #[error("invalid image name: the digest is no sha256, sha384 or sha512 in lower case")]
    Digest,
}

impl ImageReference {
    /// Reads an image name as a pod gives it.
    pub fn parse(name: &str) -> Result<Self, ImageError> {
        if name.len() == 64 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ImageError::Identifier);
        }
        let (domain, remainder) = split_domain(name);
        let before_tag = remainder.split(':').next().unwrap_or_default();
        if before_tag.to_lowercase() != before_tag {
            return Err(ImageError::UpperCase);
        }
        parse_canonical(&format!("{domain}/{remainder}"))
    }

    /// The full name, as events and `crictl` show it.
    pub fn normalized(&self) -> String {
        self.object.of(&self.registry, &self.repository)
    }
}

impl ImageObject {
    /// The full name of this object of a repository.
    pub(crate) fn of(&self, registry: &str, repository: &str) -> String {
        match self {
            Self::Tag(tag) => format!("{registry}/{repository}:{tag}"),
            Self::Digest(digest) => format!("{registry}/{repository}@{digest}"),
        }
    }

    /// The last segment of the request for the manifest.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Tag(text) | Self::Digest(text) => text,
        }
    }
}

/// The first component is a registry if it looks like a host; everything else is on Docker Hub.
fn split_domain(name: &str) -> (&str, String) {
    let Some((first, rest)) = name.split_once('/') else {
        return (DOCKER_HUB, format!("library/{name}"));
    };
    let (domain, remainder) = match first {
        "index.docker.io" => (DOCKER_HUB, rest),
        "localhost" => (first, rest),
        _ if first.contains(['.', ':']) || first.to_lowercase() != first => (first, rest),
        _ => (DOCKER_HUB, name),
    };
    if domain == DOCKER_HUB && !remainder.contains('/') {
        return (domain, format!("library/{remainder}"));
    }
    (domain, remainder.to_owned())
}

fn parse_canonical(name: &str) -> Result<ImageReference, ImageError> {
    static REFERENCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        const LABEL: &str = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
        const PART: &str = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
        let domain = format!(r"(?:{LABEL}(?:\.{LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?");
        let path = format!("{PART}(?:/{PART})*");
        let digest = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
        Regex::new(&format!(
            r"^(?:({domain})/)?({path})(?::([0-9A-Za-z_][0-9A-Za-z_.-]{{0,127}}))?(?:@({digest}))?$"
        ))
        .ok()
    });

    let captures = REFERENCE
        .as_ref()
        .and_then(|pattern| pattern.captures(name))
        .ok_or(ImageError::Format)?;
    let part = |index: usize| captures.get(index).map(|found| found.as_str());
    let path = part(2).unwrap_or_default();
    if path.len() > LONGEST_REPOSITORY {
        return Err(ImageError::TooLong);
    }
    let (registry, repository) = match part(1) {
        Some(domain) => (domain, path),
        // A host that is no domain name can still be the first part of a path.
        None => path.split_once('/').ok_or(ImageError::Format)?,
    };
    let object = match (part(4), part(3)) {
        (Some(digest), _) => ImageObject::Digest(valid_digest(digest)?.to_owned()),
        (None, Some(tag)) => ImageObject::Tag(tag.to_owned()),
        (None, None) => ImageObject::Tag("latest".to_owned()),
    };
    // containerd reads the name again as a URL, which refuses brackets around no IPv6 address.
    GoUrl::parse(&format!("dummy://{registry}/")).map_err(|_| ImageError::Format)?;
    Ok(ImageReference {
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        object,
    })
}

fn valid_digest(digest: &str) -> Result<&str, ImageError> {
    let (algorithm, hex) = digest.split_once(':').ok_or(ImageError::Digest)?;
    let digits = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err(ImageError::Digest),
    };
    let lower = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if hex.len() == digits && lower {
        Ok(digest)
    } else {
        Err(ImageError::Digest)
    }
}

#[cfg(test)]
mod tests {
    use super::{ImageError, ImageReference};

    #[test]
    fn refuses_what_containerd_refuses() {
        let long = format!("quay.io/{}", "a".repeat(256));
        let short_digest = format!("quay.io/a@sha256:{}", "0".repeat(63));
        let upper_digest = format!("quay.io/a@sha256:{}", "A".repeat(64));
        let unknown_digest = format!("quay.io/a@md5:{}", "0".repeat(32));
        let table = [
            ("https://docker.io/nginx", ImageError::Format),
            ("quay.io/a:b:c", ImageError::Format),
            ("quay.io/", ImageError::Format),
            ("-host.io/a", ImageError::Format),
            ("quay.io/a..b", ImageError::Format),
            ("[a:b]/foo", ImageError::Format),
            (long.as_str(), ImageError::TooLong),
            (short_digest.as_str(), ImageError::Digest),
            (upper_digest.as_str(), ImageError::Digest),
            (unknown_digest.as_str(), ImageError::Digest),
            ("quay.io/App", ImageError::UpperCase),
        ];
        for (name, expected) in table {
            assert_eq!(ImageReference::parse(name), Err(expected), "{name}");
        }
    }

    #[test]
    fn a_host_with_an_underscore_is_still_looked_up_as_registry() {
        let image = ImageReference::parse("my_host.lan/app:1").unwrap();
        assert_eq!(
            (image.registry.as_str(), image.repository.as_str()),
            ("my_host.lan", "app")
        );
    }
}
