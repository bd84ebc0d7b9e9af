//! Scenarios on a cluster of their own.

mod harness;
mod schema;
