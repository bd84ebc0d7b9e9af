//! Configuration of clusters: files of four versions, the environment and flags, checked and turned into a
//! [`ClusterSpec`](crate::cluster::ClusterSpec). Nothing here reads a file, looks a name up or asks a clock; whoever calls
//! hands in texts and answers.
//!
//! ```text
//! text --expand--> --read--> tree --schema--> --migrate--> Loaded --merge(flags)--> Merged --transform--> ClusterSpec
//! ```
//!
//! Everything that is wrong is found before anything is done, is listed at once, and is shown with file, line and key (or
//! the flag or variable) and with what would mend it. Secrets are never shown.

pub mod duration;
mod environment;
pub mod expand;
pub mod exposure;
pub mod filter;
pub mod flags;
pub mod gpus;
pub mod image;
mod load;
pub mod memory;
mod merge;
pub mod port;
mod problem;
mod publication;
mod read;
mod schema;
pub mod simple;
mod transform;
mod tree;
pub mod ulimit;
mod versions;
pub mod volume;
mod write;

pub use environment::Environment;
pub use flags::CreateFlags;
pub use load::{Loaded, Origin, init, load, migrate, without_file};
pub use merge::{Merged, merge};
pub use problem::{Place, Problem, Problems, Wrong};
pub use simple::Simple;
pub use transform::{Outside, Transformed, transform};
pub use versions::Version;
