//! The load balancer over loopback: nodes are addresses of 127.0.0.0/8, clients come to 127.0.0.1.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "balancer/datagrams.rs"]
mod datagrams;
#[path = "balancer/files.rs"]
mod files;
#[path = "balancer/process.rs"]
mod process;
#[path = "balancer/streams.rs"]
mod streams;
#[path = "balancer/support.rs"]
mod support;
