//! Takes an archive apart while it comes.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::ImageError;
use super::archive::Archive;
use super::legacy::Chains;
use super::resolve::{Content, resolve};
use crate::digest::Digest;
use crate::engine::ByteStream;
use crate::tar::{self, Entry, Kind};

/// The largest document; registries take manifests of at most 4 MiB.
const LARGEST_DOCUMENT: u64 = 8 * 1024 * 1024;

/// The most that all documents may take.
const DOCUMENTS: u64 = 64 * 1024 * 1024;

/// The largest blob.
const LARGEST_BLOB: u64 = 1 << 42;

/// The most entries: Docker takes 127 layers per image.
const MOST_ENTRIES: usize = 100_000;

/// An archive that is being read.
pub struct Reader {
    tar: tar::Reader,
    chains: Chains,
    /// Layers of legacy folders that are known by their names.
    known: BTreeMap<String, Digest>,
    current: Option<Current>,
    passed: Option<Digest>,
    content: Content,
    documents_size: u64,
    entries: usize,
}

/// A layer, or anything else that is no document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What it is called, unless it must be read to be known. Only true once it was read to its end.
    pub digest: Option<Digest>,
    /// Its size.
    pub size: u64,
}

/// The blob that is being read.
struct Current {
    path: String,
    digest: Option<Digest>,
    size: u64,
    hash: Sha256,
    is_gzip: bool,
    /// What was read ahead.
    ready: Option<Bytes>,
}

impl Reader {
    /// Reads what `docker save` writes.
    pub fn new(archive: ByteStream) -> Self {
        Self {
            tar: tar::Reader::new(archive),
            chains: Chains::default(),
            known: BTreeMap::new(),
            current: None,
            passed: None,
            content: Content::default(),
            documents_size: 0,
            entries: 0,
        }
    }

    /// Tells the layers of an image that will come, lowest first, as inspecting it gives them (`RootFS.Layers`). With
    /// them the layers of the legacy format are known before they are read.
    #[must_use]
    pub fn with_layers(mut self, diff_ids: &[Digest]) -> Self {
        self.chains.add(diff_ids);
        self
    }

    /// The next blob; what was not read of the one before is read and verified.
    pub async fn next(&mut self) -> Result<Option<Blob>, ImageError> {
        while self.chunk().await?.is_some() {}
        while let Some(entry) = self.tar.next().await? {
            self.entries += 1;
            let unusual = |problem| ImageError::Unusual {
                path: entry.path.clone(),
                problem,
            };
            if self.entries > MOST_ENTRIES {
                return Err(unusual("is one entry too many"));
            }
            let path = clean(&entry.path).ok_or_else(|| unusual("leads out of the archive"))?;
            match entry.kind {
                Kind::Folder => {}
                Kind::Symlink => {
                    let target = link_target(&path, &entry.link)
                        .ok_or_else(|| unusual("is a link that leads out of the archive"))?;
                    self.content.links.insert(path, target);
                }
                Kind::File => {
                    if let Some(blob) = self.file(path, &entry).await? {
                        return Ok(Some(blob));
                    }
                }
                _ => return Err(unusual("is neither file, folder nor link")),
            }
        }
        Ok(None)
    }

    /// The next piece of the current blob; at its end it is verified.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ImageError> {
        let Some(current) = &mut self.current else {
            return Ok(None);
        };
        let chunk = match current.ready.take() {
            Some(chunk) => Some(chunk),
            None => self.tar.chunk().await?,
        };
        if let Some(chunk) = chunk {
            current.hash.update(&chunk);
            return Ok(Some(chunk));
        }
        if let Some(current) = self.current.take() {
            let found = Digest::of_hash(&current.hash.finalize());
            if current
                .digest
                .as_ref()
                .is_some_and(|digest| *digest != found)
            {
                return Err(ImageError::Digest {
                    path: current.path,
                    found,
                });
            }
            self.passed = Some(found.clone());
            self.content
                .add_blob(current.path, found, current.size, current.is_gzip);
        }
        Ok(None)
    }

    /// The blob that was read or passed by last: true, but for one that was passed by.
    pub fn passed(&self) -> Option<&Digest> {
        self.passed.as_ref()
    }

    /// A document that passed already, by its digest: a configuration, a manifest, an index.
    pub fn document(&self, digest: &Digest) -> Option<&Bytes> {
        let hex = digest.hex();
        let documents = &self.content.documents;
        let named = documents.get(&format!("blobs/sha256/{hex}"));
        let legacy = || {
            let document = documents.get(&format!("{hex}.json"))?;
            (Digest::of(document) == *digest).then_some(document)
        };
        named.or_else(legacy)
    }

    /// Passes the current blob by, without reading it. Only a blob whose digest is known can be passed by: any other is
    /// read and verified all the same.
    pub async fn skip(&mut self) -> Result<(), ImageError> {
        match self.current.take() {
            Some(Current {
                path,
                digest: Some(digest),
                size,
                is_gzip,
                ..
            }) => {
                self.passed = Some(digest.clone());
                self.content.add_blob(path, digest, size, is_gzip);
            }
            other => {
                self.current = other;
                while self.chunk().await?.is_some() {}
            }
        }
        Ok(())
    }

    /// Reads what is left and says what the archive held.
    pub async fn finish(mut self) -> Result<Archive, ImageError> {
        while self.next().await?.is_some() {}
        resolve(&self.content)
    }

    async fn file(&mut self, path: String, entry: &Entry) -> Result<Option<Blob>, ImageError> {
        if entry.size > LARGEST_BLOB {
            return Err(ImageError::Unusual {
                path,
                problem: "claims to be larger than anything",
            });
        }
        match role(&path) {
            Role::Document => self.keep(path, None).await?,
            Role::Description(folder) => {
                let json = self.whole(&path).await?;
                if let Some(layer) = self.chains.layer(&folder, &json) {
                    self.known
                        .insert(format!("{folder}/layer.tar"), layer.clone());
                }
            }
            Role::Nothing => {}
            Role::Blob(digest) => {
                let first = self.tar.chunk().await?;
                let starts_with =
                    |magic: &[u8]| first.as_ref().is_some_and(|first| first.starts_with(magic));
                if path.starts_with("blobs/") && starts_with(b"{") && entry.size <= LARGEST_DOCUMENT
                {
                    self.keep(path, first).await?;
                    return Ok(None);
                }
                let digest = digest.or_else(|| self.known_layer(&path));
                let blob = Blob {
                    digest: digest.clone(),
                    size: entry.size,
                };
                self.current = Some(Current {
                    path,
                    digest,
                    size: entry.size,
                    hash: Sha256::new(),
                    is_gzip: starts_with(&[0x1f, 0x8b]),
                    ready: first,
                });
                return Ok(Some(blob));
            }
        }
        Ok(None)
    }

    /// A layer outside of a layout, by its folder or its own name. Whoever wrote the archive may have meant anything by a
    /// name, so only the name of a layer that was announced counts.
    fn known_layer(&self, path: &str) -> Option<Digest> {
        let by_name = || {
            let name = path.rsplit('/').next()?;
            let digest = Digest::of_hex(name.split('.').next()?).ok()?;
            self.chains.has(&digest).then_some(digest)
        };
        self.known.get(path).cloned().or_else(by_name)
    }

    /// Keeps a document; one that is named after its digest is verified.
    async fn keep(&mut self, path: String, first: Option<Bytes>) -> Result<(), ImageError> {
        let rest = self.whole(&path).await?;
        let whole: Bytes = match first {
            Some(first) => [first, rest].concat().into(),
            None => rest,
        };
        self.documents_size += whole.len() as u64;
        if self.documents_size > DOCUMENTS {
            return Err(ImageError::Unusual {
                path,
                problem: "is one document too many",
            });
        }
        if let Role::Blob(Some(digest)) = role(&path) {
            let found = Digest::of(&whole);
            if found != digest {
                return Err(ImageError::Digest { path, found });
            }
        }
        self.content.documents.insert(path, whole);
        Ok(())
    }

    async fn whole(&mut self, path: &str) -> Result<Bytes, ImageError> {
        let whole = self.tar.whole(LARGEST_DOCUMENT).await?;
        whole.ok_or_else(|| ImageError::Unusual {
            path: path.to_owned(),
            problem: "is larger than any document",
        })
    }
}

/// What a file of an archive is for.
#[derive(Debug, PartialEq, Eq)]
enum Role {
    Document,
    /// The description of a legacy layer, in this folder.
    Description(String),
    Blob(Option<Digest>),
    Nothing,
}

fn role(path: &str) -> Role {
    if let Some(hex) = path.strip_prefix("blobs/sha256/") {
        return Digest::of_hex(hex).map_or(Role::Nothing, |digest| Role::Blob(Some(digest)));
    }
    let extension = |wanted: &str| {
        Path::new(path)
            .extension()
            .is_some_and(|found| found == wanted)
    };
    match path.split_once('/') {
        None if extension("json") || path == "repositories" || path.starts_with("sha256:") => {
            Role::Document
        }
        Some((folder, "json")) => Role::Description(folder.to_owned()),
        _ if extension("tar") || path.ends_with(".tar.gz") || extension("tgz") => Role::Blob(None),
        _ => Role::Nothing,
    }
}

/// A path without `.` at its parts, or nothing when it leads elsewhere.
fn clean(path: &str) -> Option<String> {
    let parts: Vec<_> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let leads_out = path.starts_with('/') || path.contains(['\0', '\\']) || parts.contains(&"..");
    (!leads_out).then(|| parts.join("/"))
}

/// Where a link at `path` leads within the archive.
fn link_target(path: &str, link: &str) -> Option<String> {
    if link.starts_with('/') || link.contains(['\0', '\\']) {
        return None;
    }
    let mut parts: Vec<_> = path.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{Role, clean, link_target, role};
    use crate::digest::Digest;

    #[test]
    fn paths_and_links_stay_in_the_archive() {
        assert_eq!(clean("./a//b/").as_deref(), Some("a/b"));
        for path in ["/a", "../a", "a/../../b", "a\0b", "..\\a"] {
            assert_eq!(clean(path), None, "{path:?}");
        }
        assert_eq!(
            link_target("a/layer.tar", "../b/layer.tar").as_deref(),
            Some("b/layer.tar")
        );
        for link in ["../../b", "/etc/shadow", "..\\b"] {
            assert_eq!(link_target("a/layer.tar", link), None, "{link}");
        }
    }

    #[test]
    fn every_file_has_one_role() {
        let hex = "0".repeat(64);
        let digest = Digest::of_hex(&hex).unwrap();
        let table = [
            ("manifest.json".to_owned(), Role::Document),
            ("index.json".to_owned(), Role::Document),
            ("repositories".to_owned(), Role::Document),
            (format!("{hex}.json"), Role::Document),
            (format!("{hex}/json"), Role::Description(hex.clone())),
            (format!("{hex}/VERSION"), Role::Nothing),
            (format!("{hex}/layer.tar"), Role::Blob(None)),
            (format!("{hex}.tar"), Role::Blob(None)),
            (format!("{hex}.tar.gz"), Role::Blob(None)),
            (format!("sha256:{hex}"), Role::Document),
            (format!("blobs/sha256/{hex}"), Role::Blob(Some(digest))),
            ("blobs/sha256/evil".to_owned(), Role::Nothing),
            ("oci-layout".to_owned(), Role::Nothing),
        ];
        for (path, expected) in table {
            assert_eq!(role(&path), expected, "{path}");
        }
    }
}
