//! The scripts that run in nodes: what is written, and what the scripts do in the shells of nodes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on ends there"
)]

#[path = "entrypoint/data_scripts.rs"]
mod data_scripts;
#[path = "entrypoint/main_script.rs"]
mod main_script;
#[path = "entrypoint/sandbox.rs"]
mod sandbox;
#[path = "entrypoint/written.rs"]
mod written;
