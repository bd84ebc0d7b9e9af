//! Kubeconfigs: what a node says, turned into a cluster's, and kept in the user's files.
//!
//! ```text
//! text from a node --ClusterKubeconfig::of_node--> ClusterKubeconfig
//!                                                        |
//! files of the user --read under locks--> [File] --plan::merge--> [Change] --written whole--> files
//! ```
//!
//! `plan` decides and touches nothing; [`Store`] does. The files belong to the user: fields that we do not know,
//! comments and order stay, and only lines that change are written differently.
//!
//! # Several files
//!
//! `$KUBECONFIG` may list several files. They are read and written as `kubectl config` does it:
//!
//! * The first file that has an entry, or a current context, wins.
//! * A changed entry is written to the file that has it; a new one, and the current context, to the first file that
//!   exists, or to the last of the list when none does.
//! * Unlike kubectl, removing a cluster removes it from every file: otherwise the entry behind the first would appear.

mod cluster;
mod document;
mod error;
mod lock;
mod places;
mod plan;
mod store;
mod write;

pub use cluster::{ClusterKubeconfig, context_of, user_of};
pub use error::{Error, Result};
pub use places::{Folders, default_files};
pub use plan::{Change, File, MergeOptions, Merged, merge, remove, switch};
pub use store::Store;
