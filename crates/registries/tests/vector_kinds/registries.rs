//! Whole documents: parsed, rendered, pulled with.

use serde_json::Value;

use super::{Checked, document, only_expected, only_inputs, pulls, render};

pub(crate) fn check(vector: &Value) -> Checked {
    only_inputs(
        vector,
        &[
            "input_registries_yaml",
            "input_registries_yaml_base64",
            "options",
            "images",
        ],
    )?;
    only_expected(
        vector,
        &[
            "parse",
            "parsed",
            "k3s_log",
            "hosts",
            "certs_d",
            "windows_dirs",
            "config_toml_auth",
            "config_toml_error",
            "pulls",
            "pulls_if_stock_containerd",
        ],
    )?;
    let document = document(vector, "input_registries_yaml")?;
    match super::document::check(vector, &document)? {
        Some(registries) => {
            render::check(vector, &registries)?;
            pulls::check(vector, &registries)
        }
        None => Ok(()),
    }
}
