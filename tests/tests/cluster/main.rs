//! Scenarios on a cluster of their own: a real API server with its controllers, nodes played by the test kubelet.

mod distribution;
mod failures;
mod harness;
mod main_job;
mod ownership;
mod resilience;
mod rights;
mod rollout;
mod schema;
mod secrecy;
mod support;
mod tracer;
