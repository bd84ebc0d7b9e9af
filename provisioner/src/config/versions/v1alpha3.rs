//! From v1alpha3 to v1alpha4: the name moves into the metadata.

use super::{Version, set_version};
use crate::config::tree::Node;

pub(super) fn to_next(root: &mut Node) {
    if let Some(name) = root.take("name") {
        root.set("metadata.name", name);
    }
    set_version(root, Version::V1alpha4);
}
