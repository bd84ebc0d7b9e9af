//! Laws of the generated schema: everything is bounded, null stands where it means something, servers know each word.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use berth_api as api;
use serde_json::Value;

fn documents() -> [Value; 2] {
    api::crds().unwrap().map(|crd| crd.document)
}

fn root(document: &Value) -> &Value {
    &document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// Every schema of a document with its path.
fn each(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            each(property, &format!("{path}.{name}"), visit);
        }
    }
    for (keyword, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema.get(keyword).is_some() {
            each(&schema[keyword], &format!("{path}{mark}"), visit);
        }
    }
}

#[test]
fn everything_a_person_writes_is_bounded() {
    for document in &documents()[..1] {
        each(
            &root(document)["properties"]["spec"],
            "spec",
            &mut |path, schema| {
                // Refused whatever they hold; a bound would only add a second, confusing complaint.
                let refused = path.contains(".auth.") && !path.contains("secretRef");
                let bounds: &[&str] = match schema["type"].as_str() {
                    Some("string") if schema.get("enum").is_none() && !refused => &["maxLength"],
                    Some("array") => &["maxItems"],
                    Some("object") if schema.get("additionalProperties").is_some() => {
                        &["maxProperties"]
                    }
                    Some("integer") => &["minimum", "maximum"],
                    _ => &[],
                };
                for bound in bounds {
                    assert!(schema[*bound].is_u64(), "{path} lacks {bound}");
                }
            },
        );
    }
}

#[test]
fn null_is_a_value_only_where_registries_yaml_gives_it_a_meaning() {
    let mut nullable = Vec::new();
    each(root(&documents()[0]), "", &mut |path, schema| {
        if schema.get("nullable").is_some() {
            nullable.push(path.to_owned());
        }
    });
    let registries = ".spec.registries";
    assert_eq!(
        nullable,
        [
            ".configs",
            ".configs{}",
            ".configs{}.auth",
            ".configs{}.tls",
            ".mirrors",
            ".mirrors{}"
        ]
        .map(|path| format!("{registries}{path}"))
    );
}

#[test]
fn no_pattern_stands_where_a_secret_can() {
    // A refusal by pattern prints the value.
    let mut with_pattern = Vec::new();
    each(
        &root(&documents()[0])["properties"]["spec"],
        "spec",
        &mut |path, schema| {
            if schema.get("pattern").is_some() || schema.get("format").is_some_and(|f| f != "int32")
            {
                with_pattern.push(path.to_owned());
            }
        },
    );
    assert_eq!(
        with_pattern,
        ["spec.updateStrategy.rollingUpdate.maxUnavailable"]
    );
}

#[test]
fn clear_text_fields_are_declared_and_forbidden_one_by_one() {
    for document in documents() {
        let auth = &root(&document)["properties"]["spec"]["properties"]["registries"]["properties"]
            ["configs"]["additionalProperties"]["properties"]["auth"];
        for field in ["username", "password", "auth", "identity_token", "token"] {
            assert!(
                auth["properties"].get(field).is_some(),
                "{field} would be pruned in silence"
            );
            let forbidden = auth["allOf"].as_array().unwrap().iter();
            let of_field = forbidden.filter(|rule| rule["not"]["required"][0] == field);
            assert_eq!(of_field.count(), 1, "{field}");
        }
    }
}

#[test]
fn formats_are_those_that_servers_know() {
    each(root(&documents()[0]), "", &mut |path, schema| {
        if let Some(format) = schema.get("format") {
            assert!(
                ["int32", "int64", "date-time"]
                    .iter()
                    .any(|known| format == known),
                "{path}: {format}"
            );
        }
    });
}

#[test]
fn bounds_are_whole_numbers() {
    let [document, _] = documents();
    assert!(
        !document.to_string().contains(".0,"),
        "a bound is written as a fraction"
    );
}

#[test]
fn lists_and_selector_say_how_they_merge() {
    let [document, _] = documents();
    each(root(&document), "", &mut |path, schema| {
        if schema["type"] == "array" {
            assert!(schema.get("x-kubernetes-list-type").is_some(), "{path}");
        }
    });
    let selector = &root(&document)["properties"]["spec"]["properties"]["nodeSelector"];
    assert_eq!(selector["x-kubernetes-map-type"], "atomic");
}

#[test]
fn a_new_object_is_not_taken_for_done() {
    let [document, _] = documents();
    let first = &root(&document)["properties"]["status"]["default"]["conditions"][0];
    assert_eq!(first["type"], api::ConditionType::Ready.as_str());
    assert_eq!(first["status"], api::ConditionStatus::Unknown.as_str());
    assert_eq!(first["reason"], api::Reason::Pending.as_str());
}

#[test]
fn the_second_definition_has_no_rules_and_no_length_that_could_print_a_secret() {
    let [mut with_rules, mut without] = documents();
    assert!(with_rules.to_string().contains("x-kubernetes-validations"));
    assert!(!without.to_string().contains("x-kubernetes-validations"));
    let spec = &root(&without)["properties"]["spec"]["properties"];
    for field in ["registries", "registriesFrom"] {
        assert!(!spec[field].to_string().contains("maxLength"), "{field}");
    }
    for document in [&mut with_rules, &mut without] {
        remove(document, "x-kubernetes-validations");
        remove(document, "maxLength");
    }
    assert_eq!(with_rules, without);
}

fn remove(value: &mut Value, keyword: &str) {
    match value {
        Value::Object(object) => {
            object.remove(keyword);
            object.values_mut().for_each(|value| remove(value, keyword));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| remove(value, keyword)),
        _ => {}
    }
}

#[test]
fn columns_show_what_people_look_for() {
    let [document, _] = documents();
    let columns = document["spec"]["versions"][0]["additionalPrinterColumns"]
        .as_array()
        .unwrap();
    let names: Vec<_> = columns
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "Ready", "Reason", "Desired", "Updated", "Failed", "Age", "Revision"
        ]
    );
    assert_eq!(columns[6]["priority"], 1);
}

#[test]
fn a_clear_text_credential_is_gone_once_read() {
    let spec: api::RegistryConfigSpec = serde_yaml::from_str(
        "{nodeSelector: {}, registries: {mirrors: {h: {endpoint: ['https://u:hunter2@h']}}, \
         configs: {h: {auth: {password: hunter2, token: [hunter2]}, tls: {key_file: hunter2}}}}, \
         registriesFrom: [{sops: hunter2}]}",
    )
    .unwrap();
    assert!(!format!("{spec:?}").contains("hunter2"), "{spec:?}");
    let configs = spec.registries.unwrap().configs.unwrap();
    let auth = configs["h"].as_ref().unwrap().auth.as_ref().unwrap();
    assert_eq!(auth.clear_text(), ["password", "token"]);
    assert!(!serde_json::to_string(auth).unwrap().contains("hunter2"));
}

#[test]
fn defaults_of_the_types_are_the_defaults_of_the_schema() {
    let spec: api::RegistryConfigSpec = serde_yaml::from_str("nodeSelector: {}").unwrap();
    let [document, _] = documents();
    let schema = &root(&document)["properties"]["spec"]["properties"];
    let spec = serde_json::to_value(spec).unwrap();
    for field in ["applyMode", "updateStrategy", "deletionPolicy", "paused"] {
        assert_eq!(spec[field], schema[field]["default"], "{field}");
    }
}
