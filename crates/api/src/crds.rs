//! The custom resource definitions as servers get them: the derived schema, tidied.
//!
//! The derive knows the types; what it cannot say (atomic selectors, a default status, forbidden fields, null only
//! where null means something) is put in here, on the JSON document.

use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use crate::{RegistryConfig, bounds};

const RULES: &str = "x-kubernetes-validations";
const SPEC: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
const STATUS: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/status";

/// Where null is a value of registries.yaml: a null mirror mirrors nothing, a later null takes a unit away.
const NULL_MEANS_SOMETHING: [&str; 6] = [
    "/registries/properties/mirrors",
    "/registries/properties/mirrors/additionalProperties",
    "/registries/properties/configs",
    "/registries/properties/configs/additionalProperties",
    "/registries/properties/configs/additionalProperties/properties/auth",
    "/registries/properties/configs/additionalProperties/properties/tls",
];

/// One generated definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Crd {
    /// File name under `crds/`.
    pub file: &'static str,
    /// The definition.
    pub document: Value,
}

/// The definition for servers that know CEL (1.25 and newer), and the one for older servers.
///
/// Server-side apply of CEL rules fails on Kubernetes 1.20, so the second one has none of them. Those servers also
/// print a text that is too long, so it leaves the lengths of texts that may hold a secret to the operator.
///
/// # Errors
/// When the derived schema no longer has the shape that is tidied here; a unit test notices.
pub fn crds() -> Result<[Crd; 2], serde_json::Error> {
    let mut document = serde_json::to_value(RegistryConfig::crd())?;
    tidy(&mut document);
    forbid_clear_text(&mut document);
    complete_selector(&mut document);
    complete_status(&mut document);
    let mut without_rules = document.clone();
    each_object(&mut without_rules, &mut |object| {
        object.remove(RULES);
    });
    for field in ["registries", "registriesFrom"] {
        if let Some(schema) = without_rules.pointer_mut(&format!("{SPEC}/{field}")) {
            each_object(schema, &mut |object| {
                object.remove("maxLength");
            });
        }
    }
    Ok([
        Crd {
            file: "registryconfigs.yaml",
            document,
        },
        Crd {
            file: "registryconfigs-pre-1.25.yaml",
            document: without_rules,
        },
    ])
}

fn tidy(document: &mut Value) {
    each_object(document, &mut |object| {
        object.remove("nullable");
        for bound in ["minimum", "maximum"] {
            if let Some(whole) = object.get(bound).and_then(whole_number) {
                object.insert(bound.to_owned(), whole);
            }
        }
    });
    for path in NULL_MEANS_SOMETHING {
        put(
            document,
            &format!("{SPEC}{path}"),
            &json!({"nullable": true}),
        );
    }
}

/// `3600.0`, as the typed schema writes bounds, is `3600`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "only whole numbers are converted, bounds are small"
)]
fn whole_number(value: &Value) -> Option<Value> {
    let number = value.as_f64()?;
    (number.fract() == 0.0 && number.abs() < 1e15).then(|| json!(number as i64))
}

/// Undeclared fields would be pruned in silence and pulls would go out anonymously; these are refused instead.
fn forbid_clear_text(document: &mut Value) {
    let forbidden = ["username", "password", "auth", "identity_token", "token"]
        .map(|field| json!({"not": {"required": [field]}}));
    let path = format!("{SPEC}/registries/properties/configs/additionalProperties/properties/auth");
    put(document, &path, &json!({"allOf": forbidden}));
}

fn complete_selector(document: &mut Value) {
    let selector = format!("{SPEC}/nodeSelector");
    let labels = format!("{selector}/properties/matchLabels");
    let expressions = format!("{selector}/properties/matchExpressions");
    let fields = format!("{expressions}/items/properties");
    for (path, additions) in [
        (
            labels.clone(),
            json!({"maxProperties": bounds::SELECTOR_TERMS}),
        ),
        (
            format!("{labels}/additionalProperties"),
            json!({"maxLength": bounds::LABEL_VALUE}),
        ),
        (
            expressions,
            json!({"maxItems": bounds::SELECTOR_TERMS, "x-kubernetes-list-type": "atomic"}),
        ),
        (
            format!("{fields}/key"),
            json!({"maxLength": bounds::LABEL_KEY}),
        ),
        (
            format!("{fields}/operator"),
            json!({"enum": ["In", "NotIn", "Exists", "DoesNotExist"]}),
        ),
        (
            format!("{fields}/values"),
            json!({"maxItems": bounds::SELECTOR_VALUES, "x-kubernetes-list-type": "atomic"}),
        ),
        (
            format!("{fields}/values/items"),
            json!({"maxLength": bounds::LABEL_VALUE}),
        ),
    ] {
        put(document, &path, &additions);
    }
}

/// The bounds of the Go original of a condition, which the generated type lacks, and the first status of all.
fn complete_status(document: &mut Value) {
    let condition = format!("{STATUS}/properties/conditions/items/properties");
    for (field, additions) in [
        (
            "type",
            json!({"maxLength": 316, "pattern":
                r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"}),
        ),
        ("status", json!({"enum": ["True", "False", "Unknown"]})),
        (
            "reason",
            json!({"minLength": 1, "maxLength": 1024, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"}),
        ),
        ("message", json!({"maxLength": 32_768})),
        ("observedGeneration", json!({"minimum": 0})),
    ] {
        put(document, &format!("{condition}/{field}"), &additions);
    }
    // Tools that wait must not take an object for done that the operator has not seen yet.
    let first = json!({
        "type": "Ready",
        "status": "Unknown",
        "reason": "Pending",
        "message": "waiting for the operator",
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    });
    put(
        document,
        STATUS,
        &json!({"default": {"conditions": [first]}}),
    );
}

/// Adds keywords to the schema at `path`; a missing path leaves the document as it is, which a test notices.
fn put(document: &mut Value, path: &str, additions: &Value) {
    if let (Some(Value::Object(schema)), Value::Object(additions)) =
        (document.pointer_mut(path), additions)
    {
        schema.extend(additions.clone());
    }
}

fn each_object(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object
                .values_mut()
                .for_each(|value| each_object(value, visit));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| each_object(value, visit)),
        _ => {}
    }
}
