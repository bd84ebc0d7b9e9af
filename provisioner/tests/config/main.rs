//! Config files, flags and the environment, from their texts to a cluster. Goldens stand in `tests/golden/config`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends there"
)]

mod examples;
mod golden;
mod loading;
mod merging;
mod migrations;
mod problems;
mod support;
mod transforming;
