//! What `docker save` writes, read while it comes.
//!
//! Three kinds of Engines write three formats: legacy folders per layer (Docker up to 24, Podman), an OCI layout made
//! up from a graph driver (Docker 25 and newer), and an OCI layout with the content as it was pulled (containerd's
//! store). In all of them layers come before the documents that say what they are, so a [`Reader`] hands out content as
//! it passes and tells the images at the end.
//!
//! ```text
//!  archive --> Reader --+--> blobs, one after the other (next, chunk)     nothing is kept of them
//!                       +--> Archive (finish): images, manifests, layers  documents only
//!
//!  archive --> Layout ------> OCI layout for `ctr image import`, without the blobs that are there already
//! ```
//!
//! For the first two formats the manifest is made here, from the configuration and the layers, the same for the same
//! image on every machine. All digests are verified; a blob is only good once its last piece was read without an error.
//! Nothing is taken from the names in an archive but digests, and everything that is kept is bounded.

mod archive;
mod document;
mod layout;
mod legacy;
mod reader;
mod resolve;

pub use archive::{Archive, Format, Image, Layer, Manifest};
pub use document::{Descriptor, Platform};
pub use layout::Layout;
pub use reader::{Blob, Reader};
pub use resolve::manifest_of;

use std::io;

use crate::digest::Digest;
use crate::tar::TarError;

/// Media types of what is made here.
mod media_type {
    pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub(super) const DOCKER_INDEX: &str =
        "application/vnd.docker.distribution.manifest.list.v2+json";
    pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub(super) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    pub(super) const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
}

/// Why an archive of images cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It does not come.
    #[error("failed to receive the archive")]
    Source(#[source] io::Error),
    /// It ends in the middle.
    #[error("failed to read the archive: it ends too early")]
    Short,
    /// It is no tar archive.
    #[error("failed to read the archive: it is no tar archive")]
    NoArchive,
    /// It is compressed as a whole.
    #[error("failed to read the archive: it is compressed with {0}, unpack it first")]
    Compressed(&'static str),
    /// It holds something that no such archive holds.
    #[error("failed to read the archive: {path:?} {problem}")]
    Unusual {
        /// The entry.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It is an archive of something else.
    #[error(
        "failed to find an image in the archive: it has neither manifest.json nor index.json; was it written by `docker save`?"
    )]
    NoImage,
    /// A document that says nothing.
    #[error("failed to read {path:?} of the archive as JSON at line {line}")]
    Json {
        /// The document.
        path: String,
        /// Where reading stopped.
        line: usize,
    },
    /// Content that is not what it is called.
    #[error("failed to verify {path:?} of the archive: its content is {found}")]
    Digest {
        /// The entry.
        path: String,
        /// What it is.
        found: Digest,
    },
    /// Something is named and not there.
    #[error("failed to find {what} in the archive")]
    Missing {
        /// What is missing.
        what: String,
    },
    /// The parts do not fit together.
    #[error("failed to put the image {image} together: {problem}")]
    Inconsistent {
        /// The image.
        image: String,
        /// What does not fit.
        problem: String,
    },
}

impl From<TarError> for ImageError {
    fn from(error: TarError) -> Self {
        match error {
            TarError::Source(error) => Self::Source(error),
            TarError::Short => Self::Short,
            TarError::Header => Self::NoArchive,
            TarError::Compressed(with) => Self::Compressed(with),
            TarError::Note(_) => Self::Unusual {
                path: String::new(),
                problem: "has a header beyond all bounds",
            },
        }
    }
}

#[cfg(test)]
mod tests;
