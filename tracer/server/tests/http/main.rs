//! The whole server over real sockets: refusals, the event stream, restarts.

mod refusals;
mod restarts;
mod server;
mod stream;
