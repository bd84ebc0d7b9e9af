//! Images that somebody else holds: the Docker Engine, or a registry behind it.
//!
//! ```text
//!  request --> engine_mirror --+-- tagged:   inspect, each time --> the Engine pulls what is absent (pull)
//!                              +-- digested: the Engine's images, what was kept, the registry      (fetch)
//!                              +-- blobs:    only through a repository that shows them             (showing)
//!                              `-- listing
//!                      all of them:  admission (who may have it)   holding (where its content is)
//!
//!  link --events--> memory      what is kept about the Engine's images is forgotten when they change
//! ```
//!
//! `others` tells images that came for somebody else. `access`, `classify`, `parts` and `reference` decide and do nothing.

mod access;
mod admission;
mod blobs;
mod classify;
mod digested;
mod engine_mirror;
mod fetch;
mod flights;
mod holding;
mod intent;
mod link;
mod listing;
mod memory;
mod others;
mod parts;
mod pull;
mod reference;
#[cfg(test)]
mod secrecy_tests;
mod settings;
mod showing;
mod tagged;

use std::net::IpAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use registries::Secret;

use crate::content::{Blob, Document};
use crate::names::{Digest, MirroredName, Reference};

pub use access::LocalImages;
pub use engine_mirror::EngineMirror;
pub(crate) use parts::document;
pub use settings::{MirrorSettings, PolicyError, UpstreamPolicy};

/// Who asks: the address the connection comes from, and what stands in `Authorization: Basic`.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The peer's address.
    pub address: IpAddr,
    /// The user name and password of the request, if there are any.
    pub login: Option<Login>,
    /// How far the look goes for this request.
    pub reach: Reach,
}

/// How far a look goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What the Engine has: nothing is pulled, nobody else is asked. For names without `ns`, which name no registry.
    Engine,
    /// The registry behind as well.
    Upstream,
}

/// A user name and a password. Neither is ever shown: with some registries the name is a secret too.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password, which hides itself.
    pub password: Secret,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(***)")
    }
}

/// What the protocol asks of images that others hold.
pub trait Mirror: Send + Sync {
    /// A manifest or an index. Tags are checked with the Engine each time.
    fn manifest<'a>(
        &'a self,
        name: &'a MirroredName,
        reference: &'a Reference,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Document, MirrorError>>;
    /// A blob that the repository links.
    fn blob<'a>(
        &'a self,
        name: &'a MirroredName,
        digest: &'a Digest,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Blob, MirrorError>>;
    /// The tags of a repository, sorted; `None` when nobody knows the repository.
    fn tags<'a>(
        &'a self,
        name: &'a MirroredName,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Option<Vec<String>>, MirrorError>>;
    /// Whether the Engine answers, and what is wrong if it does not.
    fn ready(&self) -> Result<(), MirrorError>;
    /// The repositories that the Engine has tagged images of, sorted: the catalog, and what a name without `ns` may mean.
    fn repositories(&self) -> BoxFuture<'_, Result<Vec<MirroredName>, MirrorError>>;
}

/// Why there is no answer. Texts are for people and hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// Nobody has it: 404.
    #[error("{0}")]
    Unknown(String),
    /// The registry wants a login, or refused this one: 401, with a challenge only when the caller sent none.
    #[error("{0}")]
    Unauthorized(String),
    /// The caller may not have it: 403.
    #[error("{0}")]
    Denied(String),
    /// The registry behind answered nonsense or not at all: 502.
    #[error("{0}")]
    BadGateway(String),
    /// The Engine or the registry behind cannot be asked now: 503 with `Retry-After`.
    #[error("{message}")]
    Unavailable {
        /// What is unavailable, and the mend.
        message: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// It took too long: 504.
    #[error("{0}")]
    TimedOut(String),
    /// The store's disk is full: 507.
    #[error("{0}")]
    NoSpace(String),
    /// Anything else: 500.
    #[error("{0}")]
    Failed(String),
}
