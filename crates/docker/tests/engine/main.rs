//! On a real Engine: calls, connections, credentials and images.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the functions that tests share fail as tests do"
)]

mod connections;
mod containers;
mod fixture;
mod images;
mod networks;
mod podman;
mod registry;
mod saved;
