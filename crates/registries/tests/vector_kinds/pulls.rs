//! What pulls do on a node with the rendered tree.

use std::collections::BTreeMap;

use registries::explain::{
    Attempt, CertificateFiles, Containerd, Credential, Explanation, Node, PullError,
};
use registries::render::{after_start, certs_d};
use registries::{NodeOptions, Registries};
use serde_json::{Map, Value, json};

use super::{Checked, equal, render};

/// The files that existed under this folder when the vectors were made.
const FOLDER: &str = "/etc/rancher/k3s/tls/";
const AUTHORITIES: [&str; 4] = ["ca.crt", "client.crt", "combined.pem", "server-ca.crt"];
const PAIRS: [(&str, &str); 4] = [
    ("client.crt", "client.key"),
    ("combined.pem", "combined.pem"),
    ("combined.pem", "client.key"),
    ("client-k3s-controller.crt", "client-k3s-controller.key"),
];

pub(crate) fn check(vector: &Value, registries: &Registries) -> Checked {
    let expected = &vector["expected"];
    let none = Vec::new();
    let images: Vec<&str> = vector["images"]
        .as_array()
        .unwrap_or(&none)
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let (options, existing) = render::node(vector)?;
    let tree = after_start(
        &certs_d(registries, &options),
        &existing,
        options.distribution,
    );

    let with_k3s = pulls(registries, &options, &tree, Containerd::K3s, &images);
    let with_stock = pulls(registries, &options, &tree, Containerd::Stock, &images);
    if expected.get("pulls").is_some() || !with_k3s.is_empty() {
        equal(
            "pulls",
            &without_error_texts(json!(with_k3s)),
            &without_error_texts(expected["pulls"].clone()),
        )?;
    }
    let mut differing = with_stock;
    differing.retain(|pull| !with_k3s.contains(pull));
    let stock = expected
        .get("pulls_if_stock_containerd")
        .cloned()
        .unwrap_or_else(|| json!([]));
    equal(
        "pulls_if_stock_containerd",
        &without_error_texts(json!(differing)),
        &without_error_texts(stock),
    )
}

fn pulls(
    registries: &Registries,
    options: &NodeOptions,
    tree: &BTreeMap<String, String>,
    containerd: Containerd,
    images: &[&str],
) -> Vec<Value> {
    let node = Node::with_tree(registries, options, tree.clone())
        .with_containerd(containerd)
        .with_certificates(CertificateFiles {
            authority: &is_authority,
            pair: &is_pair,
        });
    images
        .iter()
        .filter_map(|image| pull(&node, image))
        .collect()
}

fn is_authority(path: &str) -> bool {
    path.strip_prefix(FOLDER)
        .is_some_and(|name| AUTHORITIES.contains(&name))
}

fn is_pair(certificate: &str, key: &str) -> bool {
    let name = |path: &str| path.strip_prefix(FOLDER).map(str::to_owned);
    let (Some(certificate), Some(key)) = (name(certificate), name(key)) else {
        return false;
    };
    PAIRS.contains(&(certificate.as_str(), key.as_str()))
}

/// Nothing on a node where containerd does not start.
fn pull(node: &Node<'_>, image: &str) -> Option<Value> {
    match node.explain(image) {
        Err(error) => Some(json!({ "image": image, "error": error.to_string() })),
        Ok(Explanation {
            attempts: Err(PullError::NoContainerd(_)),
            ..
        }) => None,
        Ok(explanation) => Some(explained(image, &explanation)),
    }
}

fn explained(image: &str, explanation: &Explanation) -> Value {
    let mut pull = Map::new();
    let mut set = |name: &str, value: Value| pull.insert(name.to_owned(), value);
    set("image", json!(image));
    set("normalized", json!(explanation.image.normalized()));
    set("registry", json!(explanation.image.registry));
    set("hosts_dir", json!(explanation.hosts_dir));
    match &explanation.attempts {
        Err(error) => {
            set("error", json!(error.to_string()));
        }
        Ok(attempts) => {
            let attempts: Vec<Value> = attempts.iter().map(attempt).collect();
            set("attempts", json!(attempts));
            if let Some(requests) = explanation.requests() {
                set("requests", json!(requests));
            }
        }
    }
    Value::Object(pull)
}

fn attempt(attempt: &Attempt) -> Value {
    let mut found = Map::new();
    let mut set = |name: &str, value: Value| found.insert(name.to_owned(), value);
    set("scheme", json!(attempt.scheme));
    set("host", json!(attempt.host));
    set("path", json!(attempt.path));
    set("capabilities", json!(attempt.capabilities));
    set("credential", credential(&attempt.credential));
    match attempt.repositories.as_slice() {
        [repository] => set("repository", json!(repository)),
        candidates => set("repository_candidates", json!(candidates)),
    };
    let flags = [
        ("skip_verify", attempt.skip_verify),
        ("custom_ca", attempt.custom_ca),
        ("https_then_http", attempt.https_then_http),
    ];
    for (name, _) in flags.into_iter().filter(|(_, is_set)| *is_set) {
        set(name, json!(true));
    }
    if attempt.client_certificates > 0 {
        set("client_certificates", json!(attempt.client_certificates));
    }
    if !attempt.uncompilable_rewrites.is_empty() {
        set(
            "uncompilable_rewrites",
            json!(attempt.uncompilable_rewrites),
        );
    }
    Value::Object(found)
}

fn credential(credential: &Credential) -> Value {
    match credential {
        Credential::None => json!({ "kind": "none" }),
        Credential::Empty { config_key } => json!({ "kind": "empty", "config_key": config_key }),
        Credential::Basic {
            config_key,
            username,
            password,
        } => json!({
            "kind": "basic",
            "config_key": config_key,
            "username": username.expose(),
            "secret": password.expose(),
        }),
        Credential::IdentityToken { config_key, token } => json!({
            "kind": "identity_token",
            "config_key": config_key,
            "secret": token.expose(),
        }),
        Credential::Unusable { config_key, error } => json!({
            "kind": "error",
            "config_key": config_key,
            "error": error.to_string(),
        }),
    }
}

/// Only that something fails is compared, not the words for it.
fn without_error_texts(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| {
                let is_text = name == "error" && value.is_string();
                let value = if is_text {
                    json!(true)
                } else {
                    without_error_texts(value)
                };
                (name, value)
            });
            Value::Object(fields.collect())
        }
        Value::Array(values) => values.into_iter().map(without_error_texts).collect(),
        other => other,
    }
}
