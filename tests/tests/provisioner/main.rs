//! Clusters in Docker: what k3d's own end-to-end tests assert, and what we promise beyond, on a real Docker Engine.

// One name that `cargo test -- --skip docker::` leaves out.
mod docker {
    mod apply;
    mod basic;
    mod beyond;
    mod by_hand;
    mod config_files;
    mod connections;
    mod failures;
    mod kubeconfigs;
    mod lifecycle;
    mod networks;
    mod newer_docker;
    mod operator;
    mod ports;
    mod pulls;
    mod registries;
    mod rollback;
    mod servers;
    mod support;
}
