//! YAML that belongs to somebody else: read with its places and changed where it stands, so that comments, order and
//! fields that we do not know survive.
//!
//! ```text
//! text --read--> Node --(changed as a tree)--> Node --rewrite--> text
//! ```
//!
//! Nothing here shows what a document says: errors carry a place and a fixed sentence, `Debug` hides.

mod emit;
mod node;
mod patch;
mod read;

pub(crate) use emit::emit;
pub(crate) use node::{Content, Node};
pub(crate) use patch::rewrite;
pub(crate) use read::{Fault, read};
