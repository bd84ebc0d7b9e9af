//! From v1alpha4 to v1alpha5: nothing moves; files, limits of processes and equal ports of registries are new.

use super::{Version, set_version};
use crate::config::tree::Node;

pub(super) fn to_next(root: &mut Node) {
    set_version(root, Version::V1alpha5);
}
