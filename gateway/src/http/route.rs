//! A raw path -> what of which repository it names. Written by hand, for names have slashes in them.

use percent_encoding::percent_decode_str;

use crate::names::{Digest, GrammarError, Name, Reference, Tag};
use crate::store::UploadId;

/// What a path below `/v2` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/v2/`: is this a registry?
    Base,
    /// `/v2/_catalog`.
    Catalog,
    /// `/v2/<name>/tags/list`.
    Tags(Name),
    /// `/v2/<name>/referrers/<digest>`.
    Referrers(Name, Digest),
    /// `/v2/<name>/manifests/<reference>`.
    Manifest(Name, Reference),
    /// `/v2/<name>/blobs/<digest>`.
    Blob(Name, Digest),
    /// `/v2/<name>/blobs/uploads/`.
    Uploads(Name),
    /// `/v2/<name>/blobs/uploads/<id>`; none when the text can be no upload's.
    Upload(Name, Option<UploadId>),
}

/// Why a path names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RouteError {
    /// There is no such path.
    NoSuchPath,
    /// A part of it does not follow the grammar.
    Grammar(GrammarError),
}

impl From<GrammarError> for RouteError {
    fn from(error: GrammarError) -> Self {
        Self::Grammar(error)
    }
}

impl Route {
    /// Reads the path as it stands in the request, percent signs and all.
    pub(super) fn parse(path: &str) -> Result<Self, RouteError> {
        let rest = match path {
            "/v2" | "/v2/" => return Ok(Self::Base),
            "/v2/_catalog" => return Ok(Self::Catalog),
            _ => path.strip_prefix("/v2/").ok_or(RouteError::NoSuchPath)?,
        };
        let parts: Vec<String> = rest.split('/').map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Ok(match parts.as_slice() {
            [name @ .., "tags", "list"] => Self::Tags(joined(name)?),
            [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
                Self::Uploads(joined(name)?)
            }
            [name @ .., "blobs", "uploads", id] => Self::Upload(joined(name)?, UploadId::parse(id)),
            [name @ .., "blobs", digest] => Self::Blob(joined(name)?, Digest::parse(digest)?),
            [name @ .., "manifests", reference] => {
                Self::Manifest(joined(name)?, manifest_reference(reference)?)
            }
            [name @ .., "referrers", digest] => {
                Self::Referrers(joined(name)?, Digest::parse(digest)?)
            }
            _ => return Err(RouteError::NoSuchPath),
        })
    }

    /// A word for logs and metrics, from a closed set.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Catalog => "catalog",
            Self::Tags(_) => "tags",
            Self::Referrers(..) => "referrers",
            Self::Manifest(..) => "manifests",
            Self::Blob(..) => "blobs",
            Self::Uploads(_) | Self::Upload(..) => "uploads",
        }
    }

    /// The methods that a resource of this kind ever has.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Base | Self::Catalog | Self::Tags(_) | Self::Referrers(..) => "GET, HEAD",
            Self::Manifest(..) => "GET, HEAD, PUT, DELETE",
            Self::Blob(..) => "GET, HEAD, DELETE",
            Self::Uploads(_) => "POST",
            Self::Upload(..) => "GET, HEAD, PATCH, PUT, DELETE",
        }
    }
}

/// A part may hold an encoded colon; an encoded slash stays inside its part, where no grammar takes it.
fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

fn joined(parts: &[&str]) -> Result<Name, GrammarError> {
    if parts.iter().any(|part| part.contains('/')) {
        return Err(GrammarError::Name);
    }
    Name::parse(&parts.join("/"))
}

/// A tag, a digest, or both: then the digest says which.
fn manifest_reference(text: &str) -> Result<Reference, GrammarError> {
    match text.split_once('@') {
        Some((tag, digest)) => {
            Tag::parse(tag)?;
            Digest::parse(digest).map(Reference::Digest)
        }
        None => Reference::parse(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn paths_name_what_the_specification_says() {
        let digest = Digest::of(b"");
        let tag = Reference::Tag(Tag::parse("1.27").unwrap());
        let id = "0123456789abcdef0123456789abcdef";
        for (path, route) in [
            ("/v2", Route::Base),
            ("/v2/", Route::Base),
            ("/v2/_catalog", Route::Catalog),
            ("/v2/a/b/tags/list", Route::Tags(name("a/b"))),
            ("/v2/tags/list/tags/list", Route::Tags(name("tags/list"))),
            (
                "/v2/a/manifests/1.27",
                Route::Manifest(name("a"), tag.clone()),
            ),
            (
                "/v2/manifests/manifests/1.27",
                Route::Manifest(name("manifests"), tag),
            ),
            ("/v2/a/blobs/uploads", Route::Uploads(name("a"))),
            ("/v2/a/blobs/uploads/", Route::Uploads(name("a"))),
            (
                &format!("/v2/a/blobs/uploads/{id}"),
                Route::Upload(name("a"), UploadId::parse(id)),
            ),
            ("/v2/a/blobs/uploads/..", Route::Upload(name("a"), None)),
            (
                &format!("/v2/a/b/c/blobs/{digest}"),
                Route::Blob(name("a/b/c"), digest.clone()),
            ),
            (
                &format!("/v2/a/blobs/{digest}").replace(':', "%3A"),
                Route::Blob(name("a"), digest.clone()),
            ),
            (
                &format!("/v2/a/manifests/t@{digest}"),
                Route::Manifest(name("a"), Reference::Digest(digest.clone())),
            ),
            (
                &format!("/v2/a/referrers/{digest}"),
                Route::Referrers(name("a"), digest),
            ),
        ] {
            assert_eq!(Route::parse(path), Ok(route), "{path}");
        }
    }

    #[test]
    fn what_does_not_follow_the_grammar_names_nothing() {
        for (path, error) in [
            ("/v3/", RouteError::NoSuchPath),
            ("/v2/a", RouteError::NoSuchPath),
            ("/v2//", RouteError::NoSuchPath),
            ("/v2/manifests/1", RouteError::Grammar(GrammarError::Name)),
            (
                "/v2/../manifests/1",
                RouteError::Grammar(GrammarError::Name),
            ),
            (
                "/v2/a%2fb/manifests/1",
                RouteError::Grammar(GrammarError::Name),
            ),
            (
                "/v2/a//b/manifests/1",
                RouteError::Grammar(GrammarError::Name),
            ),
            ("/v2/A/manifests/1", RouteError::Grammar(GrammarError::Name)),
            ("/v2/a/manifests/..", RouteError::Grammar(GrammarError::Tag)),
            (
                "/v2/a/manifests/%2e%2e",
                RouteError::Grammar(GrammarError::Tag),
            ),
            ("/v2/a/manifests/", RouteError::Grammar(GrammarError::Tag)),
            (
                "/v2/a/manifests/sha256:baddigeststring",
                RouteError::Grammar(GrammarError::Digest),
            ),
            (
                "/v2/a/blobs/sha256:../../etc/passwd",
                RouteError::NoSuchPath,
            ),
            (
                "/v2/a/blobs/sha256:..%2f..%2fetc",
                RouteError::Grammar(GrammarError::Digest),
            ),
            (
                "/v2/a/referrers/x",
                RouteError::Grammar(GrammarError::Digest),
            ),
        ] {
            assert_eq!(Route::parse(path), Err(error), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_makes_the_parser_fall_over(path in "(/v2)?[/a-z%.:@0-9]{0,40}", any in any::<String>()) {
            let _ = (Route::parse(&path), Route::parse(&any), Route::parse(&format!("/v2/{any}")));
        }
    }
}
