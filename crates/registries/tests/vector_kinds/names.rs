//! Endpoints, directories and image names.

use registries::endpoint::normalize;
use registries::host_directory as directory;
use registries::image::ImageReference;
use serde_json::{Value, json};

use super::{Checked, equal, only_inputs, text};

pub(crate) fn endpoint(vector: &Value) -> Checked {
    only_inputs(vector, &["endpoint", "embedded_registry"])?;
    let embedded = vector["embedded_registry"].as_str();
    let found = match normalize(text(vector, "endpoint")?, embedded) {
        Ok(endpoint) => json!({
            "registry": endpoint.registry,
            "url": endpoint.url,
            "override_path": endpoint.override_path,
        }),
        Err(error) => json!({ "error": error.go_text() }),
    };
    equal_but_error_text(&found, &vector["expected"])
}

pub(crate) fn image_reference(vector: &Value) -> Checked {
    only_inputs(vector, &["image"])?;
    let found = match ImageReference::parse(text(vector, "image")?) {
        Ok(image) => json!({
            "normalized": image.normalized(),
            "registry": image.registry,
            "repository": image.repository,
        }),
        Err(error) => json!({ "error": error.to_string() }),
    };
    equal_but_error_text(&found, &vector["expected"])
}

pub(crate) fn host_directory(vector: &Value) -> Checked {
    only_inputs(vector, &["host"])?;
    let host = text(vector, "host")?;
    let found = json!({
        "k3s_dir_linux": directory::written_on_linux(host),
        "k3s_dir_windows": directory::written_on_windows(host),
        "unix_lookup": directory::looked_up_on_linux(host),
        "windows_lookup": directory::looked_up_on_windows(host),
    });
    equal("directories", &found, &vector["expected"])
}

/// That both fail is compared, not the words.
fn equal_but_error_text(found: &Value, expected: &Value) -> Checked {
    if found["error"].is_string() && expected["error"].is_string() {
        return Ok(());
    }
    equal("answer", found, expected)
}
