//! Stands in for the entrypoint scripts.
use crate::cluster::{HostAlias, NodeFile};
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixes;
pub fn files(_: Fixes, _: Option<&str>, _: &[HostAlias]) -> Vec<NodeFile> {
    vec![NodeFile {
        path: crate::names::ENTRYPOINT.to_owned(),
        mode: 0o744,
        content: b"#!/bin/sh\nexec /bin/k3s \"$@\"\n".to_vec(),
    }]
}
pub fn meminfo(bytes: i64) -> Vec<u8> {
    format!("MemTotal: {} kB\nSwapTotal: 0 kB\n", bytes / 1000).into_bytes()
}
