//! The real binary against real folders: what it writes, says, watches and survives.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod dependencies;
mod file_systems;
mod interruptions;
mod log;
mod node;
mod running;
mod secrets;
