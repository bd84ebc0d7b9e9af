//! Images of real Engines and of a real private registry, through the built gateway.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "the functions that tests share fail as tests do"
)]

mod bounds;
mod clients;
mod exports;
mod freshness;
mod gateway;
mod host;
mod liar;
mod names;
mod private;
mod pushes;
mod registry;
mod relay;
mod repair;
mod tls;
mod vouched;
