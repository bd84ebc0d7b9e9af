//! Tar archives as streams: what an Engine sends and takes, in pieces as they come.
//!
//! Only what Engines write is read (ustar with pax and GNU long names), nothing is ever extracted by the names in an
//! archive, and no size that an archive claims is believed before its bytes are there.

mod header;
mod reader;

pub use header::{Kind, end, entry, padding};
pub(crate) use reader::{Entry, Reader, TarError};
