//! Patterns: ours must give Go's answer or say that it cannot; the vector also records the plain `regex` crate.

use registries::go_regex::GoRegex;
use serde_json::{Value, json};

use super::{Checked, equal, only_expected, only_inputs, text};

pub(crate) fn check(vector: &Value) -> Checked {
    only_inputs(vector, &["pattern", "replacement", "repository"])?;
    only_expected(vector, &["go", "rust_regex_1_13", "same"])?;
    let expected = &vector["expected"];
    let pattern = text(vector, "pattern")?;
    let (repository, replacement) = (text(vector, "repository")?, text(vector, "replacement")?);

    let ours = GoRegex::new(pattern).ok().map(|regex| {
        regex
            .replace_all(repository, replacement)
            .map_err(|_| "unportable")
    });
    let ours = match ours.transpose() {
        Ok(output) => answer(output, repository),
        Err(unportable) => return Err(unportable.to_owned()),
    };
    equal("go", &ours, &without_error_text(&expected["go"]))?;

    let plain = ::regex::Regex::new(pattern).ok();
    let plain = plain.map(|regex| regex.replace_all(repository, replacement).into_owned());
    let plain = answer(plain, repository);
    equal(
        "rust_regex_1_13",
        &plain,
        &without_error_text(&expected["rust_regex_1_13"]),
    )?;
    equal("same", &json!(plain == ours), &expected["same"])
}

fn answer(output: Option<String>, repository: &str) -> Value {
    match output {
        Some(output) => {
            json!({ "compiles": true, "changed": output != repository, "output": output })
        }
        None => json!({ "compiles": false }),
    }
}

fn without_error_text(expected: &Value) -> Value {
    let mut expected = expected.clone();
    if let Some(fields) = expected.as_object_mut() {
        fields.remove("error");
    }
    expected
}
