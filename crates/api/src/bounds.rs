//! How much a `RegistryConfig` may hold. The schema says it to the API server, `compose` repeats it for old ones.
//!
//! The bounds also pay for the CEL rules: a server estimates the cost of a rule from them.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Entries of `mirrors`, and of `configs`.
pub const REGISTRIES: usize = 256;
/// Characters of a key of `mirrors` or `configs`.
pub const REGISTRY_KEY: usize = 255;
/// Endpoints of a mirror.
pub const ENDPOINTS: usize = 16;
/// Characters of an endpoint.
pub const ENDPOINT: usize = 1024;
/// Rewrites of a mirror.
pub const REWRITES: usize = 32;
/// Characters of a rewrite's pattern, and of its replacement.
pub const REWRITE: usize = 512;
/// Characters of a path on the node.
pub const NODE_PATH: usize = 1024;
/// Entries of `registriesFrom`.
pub const SOURCES: usize = 16;
/// Characters of an inline SOPS document.
pub const SOPS: usize = 262_144;
/// Characters of the name of a Secret or `ConfigMap`.
pub const OBJECT_NAME: usize = 253;
/// Characters of a key of a Secret or `ConfigMap`.
pub const DATA_KEY: usize = 253;
/// Nodes that may be unavailable, as a count.
pub const MAX_UNAVAILABLE: i32 = 10_000;
/// One day.
pub const MIN_READY_SECONDS: i32 = 86_400;
/// One day: nothing that takes longer is a rollout.
pub const PROGRESS_DEADLINE_SECONDS: i32 = 86_400;
/// Entries of `matchLabels`, and of `matchExpressions`.
pub const SELECTOR_TERMS: usize = 64;
/// Values of one match expression.
pub const SELECTOR_VALUES: usize = 256;
/// Characters of a label's key: prefix, slash, name.
pub const LABEL_KEY: usize = 317;
/// Characters of a label's value.
pub const LABEL_VALUE: usize = 63;

pub(crate) fn rewrite(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": REWRITES,
        "additionalProperties": {"type": "string", "maxLength": REWRITE},
    })
}

pub(crate) fn max_unavailable(_: &mut SchemaGenerator) -> Schema {
    // Bounds of numbers hold for the count, the pattern for the percentage; no secret can stand here.
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "minimum": 1,
        "maximum": MAX_UNAVAILABLE,
        "maxLength": 4,
        "pattern": "^([1-9][0-9]?|100)%$",
    })
}
