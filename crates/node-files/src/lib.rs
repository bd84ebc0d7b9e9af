//! The files of a node: what stands where, what is to be done, and how it is done so that a node never has half a file.
//!
//! ```text
//! mounted Secret -> Wanted --.
//!                             decide -> actions -> carry_out
//! host folder    -> Found  --'
//! ```
//!
//! The operator shares the names and the report; whoever writes to a node first makes the folder its own.

mod check;
mod decide;
mod error;
mod found;
mod hidden;
pub mod layout;
mod own;
mod read;
pub mod report;
mod wanted;
mod write;

pub use check::check;
pub use decide::{Action, At, decide, decide_record, decide_restore};
pub use error::{Error, Result};
pub use found::{Found, Original, find};
pub use hidden::HiddenBytes;
pub use own::{Ownership, own};
pub use read::FoundFile;
pub use report::{Reason, Report};
pub use wanted::Wanted;
pub use write::carry_out;
