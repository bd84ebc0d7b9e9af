//! What a document says: `parse`, its error lines, what a strict reading adds, and `parsed`.

use std::collections::BTreeMap;

use registries::{Auth, IgnoredKind, ParseError, Registries, Secret, parse, read_strictly};
use serde_json::{Map, Value, json};

use super::{Checked, equal, fields};

/// Checks `parse` and `parsed`; the document itself comes back when k3s accepts it.
pub(super) fn check(vector: &Value, document: &[u8]) -> Result<Option<Registries>, String> {
    let expected = &vector["expected"];
    for field in fields(&expected["parse"], "parse")?.keys() {
        if !["ok", "error", "strict_error"].contains(&field.as_str()) {
            return Err(format!("unknown field parse.{field}"));
        }
    }
    let ok = expected["parse"]["ok"]
        .as_bool()
        .ok_or("parse.ok is no bool")?;
    match parse(document) {
        Ok(_) if !ok => Err("parsed, but k3s refuses it".to_owned()),
        Err(error) if ok => Err(format!("not parsed: {error}")),
        Err(error) => error_lines(&expected["parse"], &error).map(|()| None),
        Ok(registries) => {
            strict(&expected["parse"], document)?;
            if let Some(parsed) = expected.get("parsed") {
                equal("parsed", &normalised(&registries), parsed)?;
            }
            Ok(Some(registries))
        }
    }
}

/// k3s names the line of every fault that has one.
fn error_lines(parse: &Value, error: &ParseError) -> Checked {
    let expected = lines_of(parse["error"].as_str().unwrap_or_default());
    if expected.is_empty() {
        return Ok(());
    }
    let faults = std::iter::once(error).chain(&error.also);
    let found: Vec<u32> = faults.filter_map(|fault| fault.line).collect();
    equal("lines of the error", &json!(found), &json!(expected))
}

fn lines_of(text: &str) -> Vec<u32> {
    let after = text.split("line ").skip(1);
    after
        .filter_map(|rest| rest.split(':').next()?.parse().ok())
        .collect()
}

/// Line and name of what a strict decoder refuses.
fn strict(parse: &Value, document: &[u8]) -> Checked {
    let text = parse["strict_error"].as_str().unwrap_or_default();
    let mut expected: Vec<(u32, String)> = text.lines().filter_map(strict_line).collect();
    let ignored = read_strictly(document).map_err(|error| error.to_string())?;
    let mut found: Vec<(u32, String)> = ignored
        .iter()
        .filter(|ignored| ignored.kind != IgnoredKind::FurtherDocument)
        .map(|ignored| {
            (
                ignored.line,
                ignored
                    .path
                    .rsplit('.')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            )
        })
        .collect();
    expected.sort();
    found.sort();
    equal("strict_error", &json!(found), &json!(expected))
}

fn strict_line(line: &str) -> Option<(u32, String)> {
    let (number, rest) = line.trim().strip_prefix("line ")?.split_once(": ")?;
    let name = rest.strip_prefix("field ").or(rest.strip_prefix("key "))?;
    let name = name.split(' ').next()?.trim_matches('"');
    Some((number.parse().ok()?, name.rsplit('.').next()?.to_owned()))
}

/// The document as the vectors show it: empty values left out, `auths` as Go's JSON has it.
fn normalised(registries: &Registries) -> Value {
    let mirror = |mirror: &registries::Mirror| {
        let mut shown = Map::new();
        insert(&mut shown, "endpoint", json!(mirror.endpoint));
        insert(&mut shown, "rewrite", json!(mirror.rewrite));
        shown
    };
    let config = |config: &registries::HostConfig| {
        let mut shown = Map::new();
        if let Some(auth) = &config.auth {
            shown.insert("auth".to_owned(), credential(auth));
        }
        if let Some(tls) = &config.tls {
            let mut fields = Map::new();
            insert(&mut fields, "ca_file", json!(tls.ca_file));
            insert(&mut fields, "cert_file", json!(tls.cert_file));
            insert(&mut fields, "key_file", json!(tls.key_file));
            insert(
                &mut fields,
                "insecure_skip_verify",
                json!(tls.insecure_skip_verify),
            );
            shown.insert("tls".to_owned(), Value::Object(fields));
        }
        shown
    };
    let mut shown = Map::new();
    insert(&mut shown, "mirrors", entries(&registries.mirrors, mirror));
    insert(&mut shown, "configs", entries(&registries.configs, config));
    let auths = registries.auths.iter().map(|(key, auth)| {
        let auth = auth.clone().unwrap_or_default();
        let fields = json!({
            "username": auth.username.expose(), "password": auth.password.expose(),
            "auth": auth.auth.expose(), "identitytoken": auth.identity_token.expose(),
        });
        (key.clone(), fields)
    });
    insert(&mut shown, "auths", Value::Object(auths.collect()));
    Value::Object(shown)
}

fn credential(auth: &Auth) -> Value {
    let fields: [(&str, &Secret); 4] = [
        ("username", &auth.username),
        ("password", &auth.password),
        ("auth", &auth.auth),
        ("identity_token", &auth.identity_token),
    ];
    let mut shown = Map::new();
    for (name, value) in fields {
        insert(&mut shown, name, json!(value.expose()));
    }
    Value::Object(shown)
}

fn entries<T>(
    entries: &BTreeMap<String, Option<T>>,
    show: impl Fn(&T) -> Map<String, Value>,
) -> Value {
    let shown = entries.iter().map(|(key, entry)| {
        let fields = entry.as_ref().map(&show).unwrap_or_default();
        (key.clone(), Value::Object(fields))
    });
    Value::Object(shown.collect())
}

fn insert(map: &mut Map<String, Value>, name: &str, value: Value) {
    let is_empty = match &value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        other => *other == json!(false),
    };
    if !is_empty {
        map.insert(name.to_owned(), value);
    }
}
