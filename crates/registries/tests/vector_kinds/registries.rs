//! Whole documents: parsed, rendered, pulled with.

use registries::{LintOptions, NodeOptions, Registries, Severity, explain, lint};
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
            lint_agrees(vector, &document, &registries)?;
            render::check(vector, &registries)?;
            pulls::check(vector, &registries)
        }
        None => Ok(()),
    }
}

/// What keeps containerd from starting, or voids a hosts.toml, is an error of the linter too.
fn lint_agrees(vector: &Value, document: &[u8], registries: &Registries) -> Checked {
    let keys = registries.mirrors.keys().filter(|key| !key.contains('*'));
    let is_void = |key: &String| {
        let explanation = explain(
            registries,
            &format!("{key}/repository"),
            &NodeOptions::default(),
        );
        explanation.is_ok_and(|explanation| explanation.unreadable.is_some())
    };
    let is_fatal =
        vector["expected"].get("config_toml_error").is_some() || keys.into_iter().any(is_void);
    let findings = lint(document, &LintOptions::default());
    let has_error = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    if is_fatal && !has_error {
        return Err(format!("the linter finds no error: {findings:?}"));
    }
    Ok(())
}
