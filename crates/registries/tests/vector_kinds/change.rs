//! What a change of the document does to what k3s writes.

use registries::changes::{Effect, changes};
use registries::{NodeOptions, parse};
use serde_json::{Value, json};

use super::{Checked, document, equal, only_inputs};

pub(crate) fn check(vector: &Value) -> Checked {
    only_inputs(
        vector,
        &["input_registries_yaml", "input_registries_yaml_before"],
    )?;
    let old = parse(&document(vector, "input_registries_yaml_before")?);
    let new = parse(&document(vector, "input_registries_yaml")?);
    let (Ok(old), Ok(new)) = (old, new) else {
        return equal("change", &json!({ "valid": false }), &vector["expected"]);
    };
    let changes = changes(&old, &new, &NodeOptions::default());
    let effect = match changes.effect() {
        Effect::None => "none",
        Effect::Hot => "hot_reloadable",
        Effect::Restart(_) => "restart_required",
    };
    let found = json!({
        "valid": true,
        "parsed_changed": changes.document,
        "config_toml_changed": changes.auth_tables,
        "certs_d": {
            "added": changes.files.added,
            "removed": changes.files.removed,
            "changed": changes.files.changed,
        },
        "mirror_keys_changed": changes.mirror_keys,
        "certs_d_changed": !changes.files.is_empty(),
        "effect": effect,
        "restart_required_if_embedded_registry": changes.auth_tables || changes.mirror_keys,
    });
    equal("change", &found, &vector["expected"])
}
