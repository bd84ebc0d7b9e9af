//! What the Engine calls an image that a registry's client asks for, and the other way round.

use registries::image::{ImageObject, ImageReference};
use sha2::{Digest as _, Sha256};

use crate::names::{Digest, Host, MirroredName, Name, Reference, Tag};

/// The name by which the Engine is asked. It is written in full, so that no name can be taken for an image's id.
pub(super) fn engine_name(name: &MirroredName, reference: &Reference) -> String {
    match reference {
        Reference::Tag(tag) => format!("{name}:{tag}"),
        Reference::Digest(digest) => format!("{name}@{digest}"),
    }
}

/// What a name that the Engine shows (`nginx:1.27`, `localhost:5000/shop@sha256:...`) is to a registry's client.
pub(super) fn read(shown: &str) -> Option<(MirroredName, Reference)> {
    let image = ImageReference::parse(shown).ok()?;
    let name = MirroredName {
        host: Host::parse(&image.registry).ok()?,
        repository: Name::parse(&image.repository).ok()?,
    };
    let reference = match image.object {
        ImageObject::Tag(tag) => Reference::Tag(Tag::parse(&tag).ok()?),
        ImageObject::Digest(digest) => Reference::Digest(Digest::parse(&digest).ok()?),
    };
    Some((name, reference))
}

/// Those of the names that are of one repository: tags and digests.
pub(super) fn references_of<'a>(
    name: &MirroredName,
    shown: impl IntoIterator<Item = &'a String>,
) -> Vec<Reference> {
    let ours = |shown: &String| {
        let (found, reference) = read(shown)?;
        (found == *name).then_some(reference)
    };
    shown.into_iter().filter_map(ours).collect()
}

/// What proves that somebody may have an image: its content in the registry, else the tag that it was pulled by.
pub(super) fn proof_of(references: &[Reference], asked: &Reference) -> Reference {
    references
        .iter()
        .find(|reference| matches!(reference, Reference::Digest(_)))
        .unwrap_or(asked)
        .clone()
}

/// What stands for the pulls with callers' credentials that go on in a repository, where facts are kept by an image's id:
/// nobody knows the ids before the images are there.
pub(super) fn intent_of(name: &MirroredName) -> Option<Digest> {
    sha256(format!("pulls of {name}").as_bytes())
}

/// What stands for a blob that its registry gave to a repository, where facts are kept by an image's id.
pub(super) fn gift_of(name: &MirroredName, digest: &Digest) -> Option<Digest> {
    sha256(format!("{name} was given {digest}").as_bytes())
}

/// What stands for a manifest that its registry gave to a repository, where facts are kept by an image's id: to containerd
/// that is the manifest's digest, and an image of the Engine may be somebody else's.
pub(super) fn fetched_of(name: &MirroredName, digest: &Digest) -> Option<Digest> {
    sha256(format!("{name} showed {digest}").as_bytes())
}

/// The digest of some bytes.
pub(super) fn sha256(bytes: &[u8]) -> Option<Digest> {
    use std::fmt::Write as _;
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").ok()?;
    }
    Digest::parse(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::{engine_name, intent_of, proof_of, read, references_of};
    use crate::names::{Host, MirroredName, Name, Reference};

    const ONE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

    fn name(host: &str, repository: &str) -> MirroredName {
        MirroredName {
            host: Host::parse(host).unwrap(),
            repository: Name::parse(repository).unwrap(),
        }
    }

    fn reference(text: &str) -> Reference {
        Reference::parse(text).unwrap()
    }

    #[test]
    fn the_engine_is_asked_by_full_names() {
        for (host, repository, asked, expected) in [
            (
                "docker.io",
                "library/nginx",
                "1",
                "docker.io/library/nginx:1",
            ),
            ("index.docker.io", "org/app", "1", "docker.io/org/app:1"),
            (
                "registry-1.docker.io",
                "org/app",
                "1",
                "docker.io/org/app:1",
            ),
            ("127.0.0.1:5000", "shop", "a.b", "127.0.0.1:5000/shop:a.b"),
        ] {
            assert_eq!(
                engine_name(&name(host, repository), &reference(asked)),
                expected
            );
        }
        assert_eq!(
            engine_name(&name("ghcr.io", "a/b"), &reference(ONE)),
            format!("ghcr.io/a/b@{ONE}")
        );
    }

    #[test]
    fn names_that_the_engine_shows_are_read_as_registries_mean_them() {
        let hub = name("docker.io", "library/nginx");
        assert_eq!(read("nginx:1"), Some((hub.clone(), reference("1"))));
        assert_eq!(read(&format!("nginx@{ONE}")), Some((hub, reference(ONE))));
        assert_eq!(
            read(&format!("localhost:5000/a/b:1@{ONE}")),
            Some((name("localhost:5000", "a/b"), reference(ONE)))
        );
        for nothing in ["<none>:<none>", "<none>@<none>", "", "a:b:c"] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_is_written_for_the_engine_is_read_back() {
        for (host, repository) in [("docker.io", "library/x"), ("a.b:1", "c/d")] {
            for asked in ["latest", ONE] {
                let (name, asked) = (name(host, repository), reference(asked));
                assert_eq!(read(&engine_name(&name, &asked)), Some((name, asked)));
            }
        }
    }

    #[test]
    fn a_digest_of_the_same_repository_is_the_better_proof() {
        let shown = [
            format!("other@{ONE}"),
            "shop:2".to_owned(),
            format!("shop@{ONE}"),
        ];
        let ours = references_of(&name("docker.io", "library/shop"), &shown);
        assert_eq!(ours, [reference("2"), reference(ONE)]);
        assert_eq!(proof_of(&ours, &reference("2")), reference(ONE));
        assert_eq!(proof_of(&[], &reference("2")), reference("2"));
    }

    #[test]
    fn repositories_have_intents_of_their_own() {
        let shop = name("docker.io", "library/shop");
        let one = intent_of(&shop);
        assert!(one.is_some());
        assert_eq!(one, intent_of(&name("index.docker.io", "library/shop")));
        assert_ne!(one, intent_of(&name("a.io", "shop")));
    }
}
