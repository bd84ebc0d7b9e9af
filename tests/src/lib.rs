//! Real components for the tests: an API server with its controllers, and a kubelet that plays pods as plain processes.
//!
//! ```text
//!  test ──▶ Cluster ──┬─▶ ApiServer   etcd, kube-apiserver, kube-controller-manager, kube-scheduler
//!                     ├─▶ Network     a bridge per cluster, an address per pod that needs one
//!                     └─▶ Kubelet     nodes as folders, pods as processes without capabilities (`pod-sandbox`)
//! ```
//!
//! Every test owns a cluster, so nothing it does can disturb another one. A cluster is gone when the test ends; it is kept, with
//! its logs, when `KEEP=1` is set. A test that fails prints objects, Events, pod logs and the nodes' files.
//!
//! The provisioner makes clusters itself: [`docker`] runs it on a real engine.

pub mod api_server;
pub mod cluster;
pub mod containerd;
pub mod docker;
pub mod fixtures;
pub mod kubelet;
pub mod network;
pub mod operator;
pub mod process;
pub mod registry;
pub mod sandbox;
pub mod settings;
pub mod tools;
pub mod wait;

pub use cluster::{Cluster, api_scenario, scenario};
pub use wait::{eventually, steadily};
