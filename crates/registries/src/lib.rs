#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod canonical;
pub mod changes;
mod decode;
pub mod diff;
pub mod document;
pub mod endpoint;
mod error;
pub mod explain;
mod go;
pub mod go_regex;
pub mod host_directory;
pub mod image;
pub mod lint;
mod mask;
pub mod node;
mod nulls;
mod outline;
pub mod parse;
pub mod redact;
pub mod render;
pub mod revision;
pub mod rewrite;
pub mod secret;
pub mod strict;
mod toml;
pub mod wharfie;
mod yaml;

pub use canonical::to_yaml;
pub use changes::{Changes, Effect, changes};
pub use diff::{diff, diff_unreadable};
pub use document::{Auth, HostConfig, Mirror, Registries, Tls};
pub use error::{ErrorKind, ParseError, Place, Shape};
pub use explain::{Explanation, explain};
pub use lint::{Finding, LintOptions, Severity, VersionRange, lint};
pub use mask::{redact_key, redact_path, redact_rewrite, redact_unknown_key, redact_url};
pub use node::{ContainerdConfig, Distribution, EmbeddedTls, NodeOptions};
pub use nulls::{NullUnit, explicit_nulls};
pub use parse::parse;
pub use redact::{preview, redact};
pub use revision::{RevisionKey, revision};
pub use secret::{REDACTED, Secret};
pub use strict::{Ignored, IgnoredKind, read_strictly};
pub use toml::{TomlError, TomlErrorKind};
