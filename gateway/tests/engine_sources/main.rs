//! The Engine's own content, read beside what the Engine itself saves of it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the functions that tests share fail as tests do"
)]

mod containerd_store;
mod fixture;
mod graph;
