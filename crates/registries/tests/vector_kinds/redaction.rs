//! What nothing made from a document may contain.

use registries::{LintOptions, diff, diff_unreadable, lint, parse, preview, read_strictly, redact};
use serde_json::Value;

use super::{Checked, document, only_expected, only_inputs};

pub(super) fn check(vector: &Value) -> Checked {
    only_inputs(vector, &["input_registries_yaml"])?;
    // `note` explains; `may_appear` lists what should stay readable where the document can be read.
    only_expected(vector, &["must_not_appear", "may_appear", "note"])?;
    let document = document(vector, "input_registries_yaml")?;
    let redacted = redact(&document);
    let outputs = [
        format!("{redacted:?}"),
        format!("{:?}", preview(&document)),
        format!("{:?}", parse(&document)),
        parse(&document)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default(),
        format!("{:?}", read_strictly(&document)),
        format!("{:?}", diff(b"", &document, "old", "new")),
        format!("{:?}", diff(&document, b"", "old", "new")),
        format!("{:?}", diff_unreadable(&document, "old", "new")),
        format!("{:?}", lint(&document, &LintOptions::default())),
    ];
    for secret in texts(vector, "must_not_appear")? {
        if let Some(output) = outputs.iter().find(|output| output.contains(secret)) {
            return Err(format!("{secret} appears in {output}"));
        }
    }
    let Ok(redacted) = redacted else {
        return Ok(());
    };
    for readable in texts(vector, "may_appear")? {
        // k3s's own error texts are not ours.
        if readable != "cannot unmarshal" && !redacted.contains(readable) {
            return Err(format!("{readable} is not readable in {redacted}"));
        }
    }
    Ok(())
}

fn texts<'a>(vector: &'a Value, field: &str) -> Result<Vec<&'a str>, String> {
    let texts = vector["expected"][field]
        .as_array()
        .ok_or_else(|| format!("{field} is no list"))?;
    Ok(texts.iter().filter_map(Value::as_str).collect())
}
