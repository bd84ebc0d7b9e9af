//! What the arguments of `image import` mean. Pure.

use std::path::{Path, PathBuf};

use super::Source;

/// What Docker leaves away of a name.
const LEFT_AWAY: [&str; 3] = ["docker.io/library/", "docker.io/", "library/"];

/// What Podman adds to a name.
const ADDED: [&str; 3] = ["docker.io/library/", "docker.io/", "localhost/"];

/// The arguments, each in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// An archive comes on standard input.
    pub stdin: bool,
    /// Files with archives.
    pub archives: Vec<PathBuf>,
    /// Names as the Engine lists them.
    pub images: Vec<String>,
    /// Arguments that are neither.
    pub unknown: Vec<String>,
}

impl Sources {
    /// Sorts the arguments: `-` alone is standard input, an existing file an archive, everything else a name that must be
    /// among those `present` in the Engine.
    pub fn resolve(
        arguments: &[String],
        present: &[String],
        is_file: impl Fn(&Path) -> bool,
    ) -> Self {
        let mut sources = Self::default();
        if arguments == ["-"] {
            sources.stdin = true;
            return sources;
        }
        for argument in arguments {
            let path = PathBuf::from(argument);
            if is_file(&path) {
                add(&mut sources.archives, path);
            } else if let Some(name) = find(argument, present) {
                add(&mut sources.images, name.to_owned());
            } else {
                add(&mut sources.unknown, argument.clone());
            }
        }
        sources
    }

    /// Whether an argument needs the Engine's list, so that it is asked for only then.
    pub fn needs_names(arguments: &[String], is_file: impl Fn(&Path) -> bool) -> bool {
        arguments != ["-"]
            && !arguments
                .iter()
                .all(|argument| is_file(Path::new(argument)))
    }

    /// There is nothing to import.
    pub fn is_empty(&self) -> bool {
        self.batches().is_empty()
    }

    /// What is read one after the other.
    pub fn batches(&self) -> Vec<Source> {
        let images = (!self.images.is_empty()).then(|| Source::Images(self.images.clone()));
        let archives = self.archives.iter().cloned().map(Source::Archive);
        let stdin = self.stdin.then_some(Source::Stdin);
        images.into_iter().chain(archives).chain(stdin).collect()
    }
}

/// The name under which the Engine lists an image: as it is or with the tag latest, also without what Docker leaves away
/// and with what Podman adds.
fn find<'a>(name: &str, present: &'a [String]) -> Option<&'a str> {
    let shorter = LEFT_AWAY
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix));
    let longer = ADDED.iter().map(|prefix| format!("{prefix}{name}"));
    let mut candidates = std::iter::once(name.to_owned())
        .chain(shorter.map(str::to_owned))
        .chain(longer);
    candidates.find_map(|candidate| {
        let latest = format!("{candidate}:latest");
        let known = present.iter().map(String::as_str);
        let mut known = known.filter(|known| *known == candidate || *known == latest);
        known.next()
    })
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
