//! The one place that talks to a Docker Engine: how to reach it, what it is, and the calls that clusters need.
//!
//! ```text
//!  Environment --resolve--> Endpoint --connect--> Engine --+-- containers, files, logs, exec
//!  (values)                 (values)              (calls)  +-- networks, volumes
//!                                                          +-- images, events
//!                                                                  |
//!                            docker save --[image::Reader]---------+--> blobs, manifests
//! ```
//!
//! Every call is wrapped once. An [`Error`] says what was tried, what came of it and, where one is known, the way out;
//! its predicates ([`Error::is_not_found`], [`Error::is_conflict`], [`Error::says`]) are what callers decide on.

#![warn(missing_docs)]

mod connect;
mod containers;
mod context;
pub mod credentials;
mod digest;
mod endpoint;
mod engine;
mod environment;
mod error;
mod events;
mod exec;
mod facts;
mod files;
pub mod image;
mod images;
mod logs;
mod names;
mod networks;
mod tar;
mod volumes;

/// What archives are made of that others write, for example to have them loaded.
pub mod archive {
    pub use crate::tar::{Kind, end, entry, padding};
}

/// The Engine's own types, as its calls take and give them.
pub use bollard::models;

pub use credentials::{Credentials, CredentialsError};
pub use digest::{Digest, DigestError};
pub use endpoint::{Address, Endpoint, EndpointError, Origin, Tls};
pub use engine::{ByteStream, Engine};
pub use environment::Environment;
pub use error::{Cause, Error, Operation};
pub use exec::{Command, Output};
pub use facts::Facts;
pub use files::File;
pub use images::Progress;
