//! The tracer's server beside a real API server, where pods, Events and tokens are real and reports are made here, and
//! beside a real agent, where pulls are real.

mod agents;
mod correlation;
mod http;
