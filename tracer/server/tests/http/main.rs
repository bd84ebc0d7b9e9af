//! The whole server over real sockets: refusals, the event stream, restarts.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "this is how a test fails"
)]

mod heartbeat;
mod https;
mod limits;
mod refusals;
mod restarts;
mod server;
mod silent;
mod spans;
mod stream;
