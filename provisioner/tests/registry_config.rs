//! The registries of a cluster's nodes: what is written, and what it takes to change it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "registry_config/changes.rs"]
mod changes;
#[path = "registry_config/documents.rs"]
mod documents;
