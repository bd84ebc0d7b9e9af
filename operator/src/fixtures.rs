//! Builders for tests.

use api::RegistryConfigSpec;
use serde_json::json;

/// The smallest spec.
pub(crate) fn spec() -> RegistryConfigSpec {
    serde_json::from_value(json!({"nodeSelector": {}})).unwrap()
}
