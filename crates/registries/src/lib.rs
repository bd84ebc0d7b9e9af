#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod canonical;
mod decode;
pub mod document;
pub mod endpoint;
mod error;
mod go;
pub mod go_regex;
pub mod host_directory;
pub mod image;
mod mask;
pub mod parse;
pub mod revision;
pub mod secret;
pub mod strict;
mod yaml;

pub use canonical::to_yaml;
pub use document::{Auth, HostConfig, Mirror, Registries, Tls};
pub use error::{ErrorKind, ParseError, Place, Shape};
pub use mask::{redact_key, redact_path, redact_rewrite, redact_url};
pub use parse::parse;
pub use revision::{RevisionKey, revision};
pub use secret::{REDACTED, Secret};
pub use strict::{Ignored, IgnoredKind, read_strictly};
