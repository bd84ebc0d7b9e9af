//! What the agent sees of a container runtime: values, without client and clock.

use jiff::Timestamp;

use crate::blob::Blob;

/// One look at everything that moves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Leases of pulls with what they hold.
    pub leases: Vec<Lease>,
    /// Blobs that arrive.
    pub ingests: Vec<Ingest>,
}

/// A lease: one pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// As the runtime names it.
    pub id: String,
    /// The start of the pull.
    pub created_at: Timestamp,
    /// Digests of blobs that are here.
    pub content: Vec<String>,
    /// Names of blobs that arrive.
    pub ingests: Vec<String>,
    /// Keys of snapshots: chain ids, and `extract-... <chain id>` of layers that are being unpacked.
    pub snapshots: Vec<String>,
}

/// A blob that arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingest {
    /// `layer-sha256:...`
    pub reference: String,
    /// Bytes that are here.
    pub offset: u64,
    /// Bytes that are expected.
    pub total: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
}

/// A blob that is here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// In bytes.
    pub size: u64,
    /// When its last byte was here.
    pub created_at: Timestamp,
    /// Registry, without port, and repositories that it was pulled as.
    pub sources: Vec<(String, Vec<String>)>,
    /// Whether it refers to other blobs, so that it is an index or a manifest.
    pub has_children: bool,
}

/// A name of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `docker.io/library/nginx:1.27`, or a digest.
    pub name: String,
    /// Digest of the index or manifest.
    pub target: String,
    /// When the name came.
    pub created_at: Timestamp,
    /// When it was last set.
    pub updated_at: Timestamp,
}

/// What the runtime is to be asked next. Each is answered by a [`Fact`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Want {
    /// What is known of a blob.
    Content(String),
    /// A document.
    Blob(String),
    /// Whether a layer is unpacked.
    Snapshot(String),
    /// The names of an index or manifest.
    NamesOf(String),
    /// Every name.
    AllNames,
    /// One name.
    Name(String),
}

/// What the runtime said.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Of a digest; `None` when it is not here.
    Content(String, Option<Content>),
    /// Of a digest; `None` when it is not here or larger than a document.
    Blob(String, Option<Blob>),
    /// When the snapshot of a chain id was made; `None` when there is none.
    Snapshot(String, Option<Timestamp>),
    /// Names of a digest.
    NamesOf(String, Vec<Image>),
    /// Every name.
    AllNames(Vec<Image>),
    /// `None` when nothing has this name.
    Name(String, Option<Image>),
}

/// What the runtime tells by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A blob is here.
    ContentCreated,
    /// A snapshot is being made.
    SnapshotPrepared,
    /// The layer with this chain id is unpacked.
    SnapshotCommitted(String),
    /// A snapshot went.
    SnapshotRemoved,
    /// A name was given or set anew.
    ImageNamed(String),
}

/// The digest in the name of an ingest.
pub fn ingested_digest(reference: &str) -> Option<&str> {
    let colon = reference.find(':')?;
    let start = reference[..colon]
        .rfind(['-', '@'])
        .map_or(0, |place| place + 1);
    let digest = &reference[start..];
    crate::blob::is_digest(digest).then_some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ingests_hold_digests() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for reference in [
            format!("layer-{digest}"),
            format!("index-{digest}"),
            format!("manifest-my.host/a-b@{digest}"),
            digest.clone(),
        ] {
            assert_eq!(
                ingested_digest(&reference),
                Some(digest.as_str()),
                "{reference}"
            );
        }
        assert_eq!(ingested_digest("upload"), None);
        assert_eq!(ingested_digest("layer-sha256:short"), None);
    }
}
