//! What RKE2's own puller asks.

use registries::parse;
use registries::wharfie::{Attempt, attempts};
use serde_json::{Value, json};

use super::{Checked, document, equal, only_inputs, text};

pub(crate) fn check(vector: &Value) -> Checked {
    only_inputs(vector, &["input_registries_yaml", "image"])?;
    let registries =
        parse(&document(vector, "input_registries_yaml")?).map_err(|e| e.to_string())?;
    let expected = &vector["expected"];
    match attempts(&registries, text(vector, "image")?) {
        Ok((name, attempts)) => {
            let attempts: Vec<Value> = attempts.iter().map(attempt).collect();
            let found = json!({ "normalized": name.normalized(), "attempts": attempts });
            equal("pull", &found, expected)
        }
        Err(_) if expected["error"].is_string() => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn attempt(attempt: &Attempt) -> Value {
    let auth = attempt.auth.as_ref().map(|auth| {
        json!({
            "username": auth.username.expose(),
            "has_password": !auth.password.is_empty(),
            "auth": auth.auth.expose(),
            "identity_token": auth.identity_token.expose(),
        })
    });
    json!({
        "endpoint": attempt.endpoint,
        "default": attempt.is_default,
        "repository": attempt.repositories.first(),
        "request_url": attempt.request_urls.first(),
        "auth": auth,
        "skip_verify": attempt.skip_verify,
    })
}
