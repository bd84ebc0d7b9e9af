//! The protocol against a real listener and a real store; the Engine is a list of images, for none is needed here.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the functions that tests share fail as tests do"
)]

mod access;
mod client;
mod connections;
mod engine_images;
mod listing;
mod management;
mod pull;
mod push;
mod running;
