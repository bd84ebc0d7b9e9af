#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod basic;
mod cache;
mod chain;
mod environment;
mod error;
mod http;
mod profile;
mod registry;
mod sign;
mod sources;
mod token;
mod tokens;

pub use basic::basic;
pub use environment::Environment;
pub use error::{ChainError, EcrError, Reason};
pub use registry::Registry;
pub use sources::{Found, Known, Source, Sources, order};
pub use tokens::Tokens;
