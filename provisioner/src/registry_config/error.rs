//! Why registries cannot be set up as asked. Values of documents are never shown.

use registries::ParseError;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("failed to read {origin}: {problem}")]
    Document {
        /// A path, or the key of a config file.
        origin: String,
        problem: ParseError,
    },
    #[error("failed to read {origin}, line {line}, column {column}: {problem}")]
    Yaml {
        origin: String,
        line: usize,
        column: usize,
        problem: &'static str,
    },
    #[error(
        "failed to merge {origin} with the registries of the cluster: write mirrors, configs and auths once each, without `<<` and aliases"
    )]
    Unmergeable { origin: String },
    #[error(
        "refused to write certs.d: a registry is named by a path that leads out of it: name it by its host"
    )]
    OutsideCertsD,
}

pub type Result<T> = std::result::Result<T, Error>;
