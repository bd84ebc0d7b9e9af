//! Reads what containerd keeps of an image: indexes, manifests, configurations. Anybody can have written them.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// Larger documents are not read; registries refuse manifests above 4 MiB.
pub const LONGEST: usize = 4 << 20;
/// More layers than any file system stacks.
const MOST_LAYERS: usize = 2048;
/// More manifests than there are platforms.
const MOST_CHILDREN: usize = 2048;
/// No compressed layer is larger, so sums cannot overflow.
const LARGEST_LAYER: u64 = 1 << 50;

/// A document of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blob {
    /// Digests of the manifests, one per platform, and of what else hangs on the image.
    Index(Vec<String>),
    /// What an image of one platform consists of.
    Manifest(Manifest),
    /// Digests of the unpacked layers.
    Config(Vec<String>),
    /// A layer, or nothing that we know.
    Other,
}

/// What an image of one platform consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Digest of the configuration.
    pub config: String,
    /// In the order in which they are stacked.
    pub layers: Vec<Descriptor>,
}

/// A layer as its manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// `sha256:...`
    pub digest: String,
    /// Compressed.
    pub size: u64,
    /// Of the blob.
    pub media_type: String,
}

impl Blob {
    /// Reads a document; whatever is odd about one makes it `Other`.
    pub fn read(bytes: &[u8]) -> Self {
        if bytes.len() > LONGEST {
            return Self::Other;
        }
        serde_json::from_slice::<Document>(bytes)
            .ok()
            .and_then(Document::understood)
            .unwrap_or(Self::Other)
    }
}

/// Whether a blob can be a document: layers are no JSON.
pub fn may_be_document(first: &[u8]) -> bool {
    first
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .is_none_or(|byte| *byte == b'{')
}

/// Names under which layers are unpacked: each stands for itself and all below.
pub fn chain_ids(diff_ids: &[String]) -> Vec<String> {
    let mut chain: Vec<String> = Vec::with_capacity(diff_ids.len());
    for id in diff_ids {
        let next = match chain.last() {
            None => id.clone(),
            Some(below) => format!("sha256:{}", hex(&Sha256::digest(format!("{below} {id}")))),
        };
        chain.push(next);
    }
    chain
}

/// Whether a text is a digest that a content store would take.
pub fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty()
            && algorithm.len() <= 16
            && algorithm.bytes().all(|b| b.is_ascii_alphanumeric())
            && (32..=128).contains(&hex.len())
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

#[derive(Deserialize)]
struct Document {
    manifests: Option<Vec<Entry>>,
    layers: Option<Vec<Entry>>,
    config: Option<ConfigEntry>,
    rootfs: Option<RootFs>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    digest: String,
    #[serde(default)]
    size: i64,
    #[serde(default, rename = "mediaType")]
    media_type: String,
}

/// In a manifest it is a descriptor, in a configuration something else.
#[derive(Deserialize)]
struct ConfigEntry {
    digest: Option<String>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

impl Document {
    fn understood(self) -> Option<Blob> {
        if let Some(children) = self.manifests {
            let children: Vec<String> = children.into_iter().map(|child| child.digest).collect();
            let is_good = children.len() <= MOST_CHILDREN && children.iter().all(|d| is_digest(d));
            return is_good.then_some(Blob::Index(children));
        }
        if let Some(root) = self.rootfs {
            let is_good =
                root.diff_ids.len() <= MOST_LAYERS && root.diff_ids.iter().all(|id| is_digest(id));
            return is_good.then_some(Blob::Config(root.diff_ids));
        }
        let config = self.config?.digest.filter(|digest| is_digest(digest))?;
        let layers = self.layers?;
        if layers.len() > MOST_LAYERS {
            return None;
        }
        let layers = layers
            .into_iter()
            .map(Entry::layer)
            .collect::<Option<_>>()?;
        Some(Blob::Manifest(Manifest { config, layers }))
    }
}

impl Entry {
    fn layer(self) -> Option<Descriptor> {
        let size = u64::try_from(self.size).ok()?;
        let mut media_type = self.media_type;
        media_type.retain(|c| c.is_ascii_graphic());
        media_type.truncate(128);
        (is_digest(&self.digest) && size <= LARGEST_LAYER).then_some(Descriptor {
            digest: self.digest,
            size,
            media_type,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(letter: char) -> String {
        format!("sha256:{}", letter.to_string().repeat(64))
    }

    #[test]
    fn documents_are_told_apart() {
        let (a, b) = (digest('a'), digest('b'));
        let index =
            format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{a}"}},{{"digest":"{b}"}}]}}"#);
        assert_eq!(
            Blob::read(index.as_bytes()),
            Blob::Index(vec![a.clone(), b.clone()])
        );
        let manifest = format!(
            r#"{{"config":{{"digest":"{a}","size":2}},"layers":[{{"digest":"{b}","size":7,"mediaType":"x/y"}}]}}"#
        );
        let layers = vec![Descriptor {
            digest: b.clone(),
            size: 7,
            media_type: "x/y".to_owned(),
        }];
        assert_eq!(
            Blob::read(manifest.as_bytes()),
            Blob::Manifest(Manifest {
                config: a.clone(),
                layers
            })
        );
        let config =
            format!(r#"{{"config":{{"Env":[]}},"rootfs":{{"type":"layers","diff_ids":["{a}"]}}}}"#);
        assert_eq!(Blob::read(config.as_bytes()), Blob::Config(vec![a]));
        assert_eq!(Blob::read(b"\x1f\x8b"), Blob::Other);
    }

    #[test]
    fn a_hostile_manifest_is_no_manifest() {
        let (a, b) = (digest('a'), digest('b'));
        let layer = |text: &str| format!(r#"{{"config":{{"digest":"{a}"}},"layers":[{text}]}}"#);
        for text in [
            layer(&format!(r#"{{"digest":"{b}","size":-1}}"#)),
            layer(&format!(r#"{{"digest":"{b}","size":9223372036854775807}}"#)),
            layer(r#"{"digest":"../../etc/passwd","size":1}"#),
            layer(r#"{"size":1}"#),
            layer("null"),
            "[".repeat(100_000),
        ] {
            assert_eq!(Blob::read(text.as_bytes()), Blob::Other, "{text:.80}");
        }
    }

    #[test]
    fn chain_ids_follow_from_those_below() {
        // Of a pull that was watched: the snapshots bore these names.
        let diff = |hex: &str| format!("sha256:{hex}");
        let ids = [
            diff("aa45bb9dd539c70730bb5105d24169fded8b35c842a2e6c1868545132acc8456"),
            diff(&"1".repeat(64)),
        ];
        let chain = chain_ids(&ids);
        assert_eq!(chain[0], ids[0]);
        // `printf '%s %s' ID1 ID2 | sha256sum`
        assert_eq!(chain[1].len(), 71);
        assert_ne!(chain[1], ids[1]);
        assert!(chain_ids(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            Blob::read(&bytes);
        }

        #[test]
        fn no_json_upsets_the_reader(text in r#"\{("(manifests|layers|config|rootfs)":(\[(\{"(digest|size)":("[a-f0-9:]{0,80}"|-?[0-9]{1,25})\},?){0,3}\]|\{"(digest|diff_ids)":("x"|\["y"\]|null)\}|null|3),?){0,4}\}"#) {
            Blob::read(text.as_bytes());
        }
    }
}
