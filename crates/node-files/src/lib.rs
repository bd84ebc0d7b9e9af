//! The files of a node: what stands where, what is to be done, and how it is done so that a node never has half a file.

pub mod layout;
pub mod report;
