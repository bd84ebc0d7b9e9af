//! The command tree that is shared with k3d: every command, flag, alias and default, and the two manners of the program.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod flags;
mod manners;
mod shell;
mod support;
mod table;
mod versions;
