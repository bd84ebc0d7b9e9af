//! What an image is called: from the labels of its blobs while it is pulled, from the runtime's records afterwards.

use jiff::Timestamp;
use tracer_model::{ImageName, NameConfidence};

use crate::view::{Content, Image};

/// A name and how sure it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) registry: String,
    pub(super) repository: String,
    pub(super) tag: String,
    pub(super) confidence: NameConfidence,
    /// All names of the runtime's records.
    pub(super) all: Vec<String>,
}

/// From the labels of the blobs that are here: a repository that all of them were pulled as.
pub(super) fn of_sources<'a>(contents: impl Iterator<Item = &'a Content>) -> Name {
    let mut common: Option<Vec<(&str, &str)>> = None;
    for content in contents.filter(|content| !content.sources.is_empty()) {
        let names: Vec<(&str, &str)> = content
            .sources
            .iter()
            .flat_map(|(host, repositories)| {
                repositories
                    .iter()
                    .map(move |repository| (host.as_str(), repository.as_str()))
            })
            .collect();
        common = Some(match common {
            None => names,
            Some(before) => before
                .into_iter()
                .filter(|name| names.contains(name))
                .collect(),
        });
    }
    let common = common.unwrap_or_default();
    let Some((registry, repository)) = common.first().copied() else {
        return Name::default();
    };
    Name {
        text: format!("{registry}/{repository}"),
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        confidence: if common.len() == 1 {
            NameConfidence::Repository
        } else {
            NameConfidence::Guessed
        },
        ..Name::default()
    }
}

/// From the runtime's records of the image. A pull sets the names it was asked for, and those with digests.
pub(super) fn of_records(images: &[Image], started_at: Timestamp) -> Option<Name> {
    let mut named: Vec<&Image> = images.iter().filter(|image| !is_id(&image.name)).collect();
    named.sort_by(|a, b| (b.updated_at, &a.name).cmp(&(a.updated_at, &b.name)));
    let all = images.iter().map(|image| image.name.clone()).collect();
    let tagged = |image: &&&Image| !image.name.contains('@');
    let fresh = |image: &&&Image| image.updated_at >= started_at;
    let candidates: Vec<&&Image> = named.iter().filter(tagged).collect();
    let recent: Vec<&&Image> = named.iter().filter(tagged).filter(fresh).collect();
    let best = if recent.is_empty() {
        &candidates
    } else {
        &recent
    };
    let chosen = best.first().copied().or_else(|| named.first())?;
    let mut name = of_record(&chosen.name);
    if best.len() > 1 {
        name.confidence = NameConfidence::Guessed;
    }
    Some(Name { all, ..name })
}

/// From one record.
pub(super) fn of_record(record: &str) -> Name {
    let name = Name {
        text: record.to_owned(),
        confidence: NameConfidence::Exact,
        ..Name::default()
    };
    match ImageName::parse(record) {
        Ok(parsed) => Name {
            registry: parsed.registry,
            repository: parsed.repository,
            tag: parsed.tag.unwrap_or_default(),
            ..name
        },
        Err(_) => name,
    }
}

/// Whether a record is named by a digest alone, as the runtime does for image ids.
pub(super) fn is_id(name: &str) -> bool {
    crate::blob::is_digest(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(sources: &[(&str, &[&str])]) -> Content {
        let sources = sources
            .iter()
            .map(|(host, names)| {
                let names = names.iter().map(|name| (*name).to_owned()).collect();
                ((*host).to_owned(), names)
            })
            .collect();
        Content {
            sources,
            ..Content::default()
        }
    }

    fn image(name: &str, updated: i64) -> Image {
        Image {
            name: name.to_owned(),
            target: String::new(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::from_second(updated).unwrap(),
        }
    }

    #[test]
    fn blobs_that_several_repositories_share_leave_the_one_that_all_have() {
        let blobs = [
            content(&[("quay.io", &["a/base", "a/app"])]),
            content(&[]),
            content(&[("quay.io", &["a/app"])]),
        ];
        let name = of_sources(blobs.iter());
        assert_eq!(
            (name.text.as_str(), name.confidence),
            ("quay.io/a/app", NameConfidence::Repository)
        );
        assert_eq!(
            of_sources(blobs[..1].iter()).confidence,
            NameConfidence::Guessed
        );
        assert_eq!(of_sources(std::iter::empty()), Name::default());
    }

    #[test]
    fn the_record_that_the_pull_set_names_it() {
        let id = format!("sha256:{}", "a".repeat(64));
        let images = [
            image(&id, 20),
            image(&format!("h:5000/app@{id}"), 20),
            image("h:5000/app:old", 1),
            image("h:5000/app:v2", 20),
        ];
        let name = of_records(&images, Timestamp::from_second(10).unwrap()).unwrap();
        assert_eq!(name.text, "h:5000/app:v2");
        assert_eq!(
            (name.registry.as_str(), name.tag.as_str()),
            ("h:5000", "v2")
        );
        assert_eq!(name.confidence, NameConfidence::Exact);
        assert_eq!(name.all.len(), 4);
        let both = of_records(&images, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(both.confidence, NameConfidence::Guessed);
        let pinned = of_records(&images[..2], Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(pinned.text, format!("h:5000/app@{id}"));
        assert_eq!(of_records(&images[..1], Timestamp::UNIX_EPOCH), None);
    }
}
