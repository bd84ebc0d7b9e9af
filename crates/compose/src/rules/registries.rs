//! `spec.registries`: bounds, and what must not stand there in clear.

use api::{InlineAuth, InlineConfig, InlineMirror, InlineRegistries, InlineTls, bounds};
use registries::redact_key;

use super::{longer, names, too_many};
use crate::problem::Problem;

const USE_A_SECRET: &str =
    "put the credential into a kubernetes.io/basic-auth Secret and name that in auth.secretRef";
const NO_TOKEN: &str = "k3s has no such field: put a refresh token into identitytoken of a kubernetes.io/dockerconfigjson Secret, \
     an access token into the password of a kubernetes.io/basic-auth Secret, and name it in auth.secretRef";

pub(super) fn check(registries: &InlineRegistries, problems: &mut Vec<Problem>) {
    let mirrors = registries.mirrors.iter().flatten();
    let configs = registries.configs.iter().flatten();
    let all_keys = [
        (
            "spec.registries.mirrors",
            mirrors.clone().map(|(key, _)| key).collect::<Vec<_>>(),
        ),
        (
            "spec.registries.configs",
            configs.clone().map(|(key, _)| key).collect(),
        ),
    ];
    for (path, keys) in all_keys {
        if keys.len() > bounds::REGISTRIES {
            problems.push(too_many(path, keys.len(), bounds::REGISTRIES));
        }
        if keys
            .iter()
            .any(|key| key.is_empty() || longer(key, bounds::REGISTRY_KEY) || key.contains('@'))
        {
            problems.push(Problem::invalid(
                path,
                format!("has a key that is empty, holds an @ or is longer than {} characters", bounds::REGISTRY_KEY),
                "write a host, with its port if it has one; credentials belong in configs.<host>.auth.secretRef",
            ));
        }
    }
    for (key, mirror) in mirrors {
        if let Some(mirror) = mirror {
            check_mirror(
                &format!("spec.registries.mirrors.{}", redact_key(key)),
                mirror,
                problems,
            );
        }
    }
    for (key, config) in configs {
        if let Some(config) = config {
            check_config(
                &format!("spec.registries.configs.{}", redact_key(key)),
                config,
                problems,
            );
        }
    }
}

fn check_mirror(path: &str, mirror: &InlineMirror, problems: &mut Vec<Problem>) {
    let endpoints = mirror.endpoint.as_deref().unwrap_or_default();
    if endpoints.len() > bounds::ENDPOINTS {
        problems.push(too_many(
            &format!("{path}.endpoint"),
            endpoints.len(),
            bounds::ENDPOINTS,
        ));
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        let path = format!("{path}.endpoint[{index}]");
        if longer(endpoint, bounds::ENDPOINT) {
            problems.push(too_long(&path, bounds::ENDPOINT));
        }
        if endpoint.contains('@') {
            problems.push(Problem::invalid(
                path,
                "holds credentials, or an @",
                "name a Secret in configs.<host>.auth.secretRef: containerd ignores credentials in an endpoint",
            ));
        }
    }
    let rewrites = mirror.rewrite.iter().flatten();
    let count = rewrites.clone().count();
    if count > bounds::REWRITES {
        problems.push(too_many(
            &format!("{path}.rewrite"),
            count,
            bounds::REWRITES,
        ));
    }
    let too_wide = |text: &String| longer(text, bounds::REWRITE);
    if rewrites
        .clone()
        .any(|(pattern, replacement)| too_wide(pattern) || too_wide(replacement))
    {
        problems.push(too_long(&format!("{path}.rewrite"), bounds::REWRITE));
    }
}

fn check_config(path: &str, config: &InlineConfig, problems: &mut Vec<Problem>) {
    if let Some(auth) = &config.auth {
        check_auth(&format!("{path}.auth"), auth, problems);
    }
    if let Some(tls) = &config.tls {
        check_tls(&format!("{path}.tls"), tls, problems);
    }
}

fn check_auth(path: &str, auth: &InlineAuth, problems: &mut Vec<Problem>) {
    let clear_text = auth.clear_text();
    if clear_text.is_empty() && auth.secret_ref.is_none() {
        problems.push(Problem::invalid(
            path,
            "has no secretRef: pulls would go out without a credential",
            "name a Secret in secretRef, or remove auth",
        ));
    }
    for field in clear_text {
        problems.push(Problem::invalid(
            format!("{path}.{field}"),
            "is a clear-text credential",
            if field == "token" {
                NO_TOKEN
            } else {
                USE_A_SECRET
            },
        ));
    }
    if let Some(reference) = &auth.secret_ref {
        names::object(&format!("{path}.secretRef"), &reference.name, problems);
    }
}

fn check_tls(path: &str, tls: &InlineTls, problems: &mut Vec<Problem>) {
    if tls.ca_ref.is_some() && tls.ca_file.is_some() {
        problems.push(Problem::invalid(
            path,
            "has both caRef and ca_file",
            "keep one of them",
        ));
    }
    if tls.certificate_ref.is_some() && (tls.cert_file.is_some() || tls.key_file.is_some()) {
        problems.push(Problem::invalid(
            path,
            "has certificateRef beside cert_file or key_file",
            "keep certificateRef alone, or both files",
        ));
    }
    if tls.cert_file.is_some() != tls.key_file.is_some() {
        problems.push(Problem::invalid(
            path,
            "has one of cert_file and key_file: containerd would fail every pull of the registry",
            "name both; when one file holds both, name it twice",
        ));
    }
    for (field, value) in [
        ("ca_file", &tls.ca_file),
        ("cert_file", &tls.cert_file),
        ("key_file", &tls.key_file),
    ] {
        let path = format!("{path}.{field}");
        let Some(value) = value else { continue };
        if value.contains("-----") {
            problems.push(Problem::invalid(
                path,
                "holds PEM text where a path on the node belongs",
                "put the certificate into caRef, a client certificate and its key into certificateRef",
            ));
        } else if longer(value, bounds::NODE_PATH) {
            problems.push(too_long(&path, bounds::NODE_PATH));
        }
    }
    if let Some(reference) = &tls.ca_ref {
        let path = format!("{path}.caRef");
        names::object(&path, &reference.name, problems);
        names::data_key(&path, &reference.key, problems);
    }
    if let Some(reference) = &tls.certificate_ref {
        names::object(&format!("{path}.certificateRef"), &reference.name, problems);
    }
}

fn too_long(path: &str, limit: usize) -> Problem {
    Problem::invalid(
        path,
        format!("is longer than {limit} characters"),
        "shorten it",
    )
}
