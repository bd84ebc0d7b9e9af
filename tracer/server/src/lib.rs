#![doc = include_str!("../README.md")]

pub mod api;
pub mod correlate;
#[cfg(test)]
mod fixtures;
pub mod history;
pub mod hub;
pub mod identity;
pub mod legacy;
pub mod limiter;
pub mod listen;
pub mod merge;
pub mod metrics;
mod places;
pub mod process;
pub mod query;
pub mod rates;
mod reviews;
pub mod run;
pub mod settings;
pub mod spans;
pub mod status;
pub mod tls;
pub mod tracer;
pub mod watch;
