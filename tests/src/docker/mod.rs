//! The provisioner as users run it: the built binary, under both of its names, on a real Docker Engine.
//!
//! ```text
//!  test ──▶ Session ──┬─▶ Invocation   `berth ...` or `k3d ...` with a home and kubeconfig of its own
//!                     ├─▶ Engine       what Docker says about the containers that came of it
//!                     └─▶ by_hand      clusters whose objects k3d would have made just so
//! ```
//!
//! Whatever a session makes carries the session's mark in its name. A test that succeeds must have deleted it all: what is left
//! behind is removed and fails the test. A test that fails prints its nodes' states and logs first. `KEEP=1` keeps everything.

pub mod by_hand;
mod certificates;
mod engine;
pub mod faults;
mod invocation;
mod remains;
mod session;
mod ssh;

pub use certificates::EncryptedEngine;
pub use engine::Engine;
pub use faults::FaultyEngine;
pub use invocation::{Answer, Invocation};
pub use session::{ImageStore, Session, newer_docker_scenario, podman_scenario, scenario};
pub use ssh::SshServer;
