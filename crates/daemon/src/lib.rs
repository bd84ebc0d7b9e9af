//! What every long-running process shares: logs, signals, the HTTP endpoints that a kubelet and Prometheus ask, and
//! watches of the API server.
//!
//! Each concern is a feature, so that a process links only what it uses: the node-writer takes `logs` and gets neither an
//! HTTP server nor an asynchronous run time.

#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "logs")]
pub mod logs;
#[cfg(feature = "signals")]
pub mod signals;
#[cfg(feature = "watching")]
pub mod watching;
