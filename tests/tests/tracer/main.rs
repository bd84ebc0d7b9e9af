//! The tracer's server beside a real API server: pods, Events and tokens are real, reports are made here.

mod correlation;
mod http;
