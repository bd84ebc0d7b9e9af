//! The load balancer of a cluster: the process in the container `k3d-<cluster>-serverlb`.
//!
//! It is a hidden sub-command of the static `berth` binary. [`image`] packs that binary as an image FROM scratch whose
//! entrypoint is `/berth balancer`; the file at [`config::PATH`] says which port goes to which nodes. Other tools
//! write that file and read our log, so both keep to what they know:
//!
//! * the file is watched, and applied whenever it was written anew (or at SIGHUP);
//! * a line with `start worker processes` follows the start and each time the file was applied;
//! * `host not found in upstream "NAME"` names a node that cannot be resolved; the others are served all the same;
//! * a file that cannot be applied changes nothing, and the log says why.
//!
//! ```text
//! file ── watch ── serve ──┬── tcp: one listener per port ── relay: one task per connection
//!                          └── udp: one socket per port ──── one task per client
//!                                     │ upstream: whose turn is it     (pure)
//!                                     └ names: where is that node      (DNS)
//! ```

pub mod config;
mod dial;
pub mod image;
mod limit;
mod log;
mod names;
mod relay;
mod serve;
mod tcp;
mod udp;
mod upstream;
mod watch;

pub use serve::{Balancer, ServeError, serve};
