//! Every CEL rule of the schema accepts what it should and rejects what it should, without a server.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use berth_api as api;
use kube::core::cel::Validator;
use serde_json::{Value, json};

fn schema() -> Value {
    let [with_rules, _] = api::crds().unwrap();
    let schema = &with_rules.document["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    // The evaluator here doubles an underscore in the name of a field; servers only escape two in a row.
    let mut text = schema.to_string();
    for (field, doubled) in [
        ("_file)", "__file)"),
        ("_file.", "__file."),
        ("identity_token)", "identity__token)"),
    ] {
        text = text.replace(field, doubled);
    }
    serde_json::from_str(&text).unwrap()
}

/// What the server says about an object with this spec, after its defaults.
fn failures(name: &str, spec: &str) -> Vec<String> {
    let spec = without_nulls(serde_yaml::from_str(spec).unwrap());
    let object = json!({
        "apiVersion": "berth.dev/v1alpha1",
        "kind": "RegistryConfig",
        "metadata": {"name": name},
        "spec": spec,
    });
    match Validator::new().validate(&schema(), &object, None) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
    }
}

/// Servers evaluate no rule on null; the evaluator here does.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key, without_nulls(value)))
                .collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        value => value,
    }
}

fn accepts(spec: &str) {
    assert_eq!(failures("default", spec), Vec::<String>::new(), "{spec}");
}

fn rejects(spec: &str, message: &str) {
    let found = failures("default", spec).join("\n");
    assert!(
        found.contains(message),
        "{spec}\nwanted: {message}\nfound: {found}"
    );
}

/// One entry of `configs`.
fn config(yaml: &str) -> String {
    format!("{{nodeSelector: {{}}, registries: {{configs: {{\"h:5000\": {yaml}}}}}}}")
}

/// One entry of `mirrors`.
fn mirror(yaml: &str) -> String {
    format!("{{nodeSelector: {{}}, registries: {{mirrors: {{docker.io: {yaml}}}}}}}")
}

#[test]
fn accepts_a_whole_document() {
    accepts(include_str!("whole.yaml"));
}

#[test]
fn accepts_the_examples() {
    for example in [
        include_str!("../../../examples/registryconfig.yaml"),
        include_str!("../../../examples/sops/registryconfig.yaml"),
    ] {
        let manifest: Value = serde_yaml::from_str(example).unwrap();
        accepts(&serde_json::to_string(&manifest["spec"]).unwrap());
    }
}

#[test]
fn accepts_null_wherever_registries_yaml_has_it() {
    accepts("{nodeSelector: {}, registries: {mirrors: null, configs: null}}");
    accepts(&mirror("null"));
    accepts(&config("null"));
    accepts(&config("{auth: null, tls: null}"));
}

#[test]
fn rejects_a_name_that_leaves_no_room_for_the_names_made_from_it() {
    let longest = "n".repeat(api::names::NAME_MAX);
    assert_eq!(failures(&longest, "nodeSelector: {}"), Vec::<String>::new());
    let found = failures(&format!("{longest}n"), "nodeSelector: {}").join("\n");
    assert!(found.contains("at most 45 characters"), "{found}");
}

#[test]
fn rejects_clear_text_credentials_with_the_mend_and_without_the_value() {
    for field in ["username", "password", "auth", "identity_token", "token"] {
        let spec = config(&format!(
            "{{auth: {{secretRef: {{name: s}}, {field}: hunter2secret}}}}"
        ));
        rejects(&spec, "name it in secretRef");
        assert!(
            !failures("default", &spec)
                .join("\n")
                .contains("hunter2secret"),
            "{field}"
        );
    }
    rejects(&config("{auth: {token: t}}"), "k3s knows no token");
    rejects(&config("{auth: {}}"), "auth needs secretRef");
    accepts(&config("{auth: {secretRef: {name: s}}}"));
}

#[test]
fn rejects_certificates_given_twice_or_by_half() {
    accepts(&config(
        "{tls: {caRef: {name: ca}, certificateRef: {name: pair}}}",
    ));
    accepts(&config(
        "{tls: {ca_file: /ca, cert_file: /pair, key_file: /pair}}",
    ));
    rejects(
        &config("{tls: {ca_file: /ca, caRef: {name: ca}}}"),
        "ca_file or caRef",
    );
    let twice = "{tls: {cert_file: /c, key_file: /k, certificateRef: {name: pair}}}";
    rejects(&config(twice), "certificateRef or cert_file");
    rejects(&config("{tls: {cert_file: /c}}"), "belong together");
    rejects(&config("{tls: {key_file: /k}}"), "belong together");
}

#[test]
fn rejects_pem_text_where_a_path_belongs() {
    for field in ["ca_file", "cert_file", "key_file"] {
        let spec = config(&format!(
            "{{tls: {{{field}: \"-----BEGIN PRIVATE KEY-----\"}}}}"
        ));
        rejects(&spec, "paths on the node");
    }
}

#[test]
fn rejects_credentials_in_endpoints_and_keys() {
    accepts(&mirror(
        "{endpoint: [\"https://h:5000/v2/project\", \"h\"]}",
    ));
    let spec = mirror("{endpoint: [\"https://me:hunter2@h\"]}");
    rejects(&spec, "an endpoint holds no credentials");
    assert!(!failures("default", &spec).join("\n").contains("hunter2"));
    rejects(
        "{nodeSelector: {}, registries: {mirrors: {\"me:pw@h\": {}}}}",
        "a key of mirrors",
    );
    rejects(
        "{nodeSelector: {}, registries: {configs: {\"me:pw@h\": {}}}}",
        "a key of configs",
    );
    let long = format!(
        "{{nodeSelector: {{}}, registries: {{mirrors: {{\"{}\": {{}}}}}}}}",
        "k".repeat(256)
    );
    rejects(&long, "a key of mirrors");
}

#[test]
fn rejects_a_rewrite_that_is_no_regular_expression() {
    accepts(&mirror("{rewrite: {\"^library/(.*)$\": \"proxy/$1\"}}"));
    // Evaluating it fails, which names the field and the fault in the pattern instead of the rule's message.
    rejects(
        &mirror("{rewrite: {\"^(library\": x}}"),
        "docker.io.rewrite",
    );
    rejects(
        &mirror(&format!("{{rewrite: {{\"{}\": x}}}}", "a".repeat(513))),
        "at most 512",
    );
}

#[test]
fn rejects_a_source_with_none_or_both_of_its_fields() {
    let source = |yaml: &str| {
        format!(
            "{{nodeSelector: {{}}, registriesFrom: [{yaml}], decryption: {{provider: sops, secretRef: {{name: k}}}}}}"
        )
    };
    accepts(&source("{secretRef: {name: s}}"));
    accepts(&source("{sops: x}"));
    rejects(&source("{}"), "exactly one of secretRef and sops");
    rejects(
        &source("{sops: x, secretRef: {name: s}}"),
        "exactly one of secretRef and sops",
    );
}

#[test]
fn rejects_an_encrypted_document_without_keys() {
    rejects(
        "{nodeSelector: {}, registriesFrom: [{sops: x}]}",
        "needs decryption.secretRef",
    );
    accepts("{nodeSelector: {}, registriesFrom: [{secretRef: {name: s}}]}");
}

#[test]
fn rejects_a_deadline_that_no_rollout_can_meet() {
    let rolling = |ready: i32, deadline: i32| {
        format!(
            "{{nodeSelector: {{}}, updateStrategy: {{rollingUpdate: \
             {{minReadySeconds: {ready}, progressDeadlineSeconds: {deadline}}}}}}}"
        )
    };
    accepts(&rolling(10, 600));
    rejects(&rolling(600, 600), "greater than minReadySeconds");
}
