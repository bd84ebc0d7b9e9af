//! Every rule and bound of the schema holds in the operator too: the servers that lack CEL let specs through.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write as _;

use api::{Reason, RegistryConfigSpec};
use compose::{Inputs, Problem, compose};

fn problems(yaml: &str) -> Vec<Problem> {
    let selector = if yaml.contains("nodeSelector") {
        ""
    } else {
        "nodeSelector: {}\n"
    };
    let spec: RegistryConfigSpec = serde_yaml::from_str(&format!("{selector}{yaml}")).unwrap();
    compose(&spec, &Inputs::default(), "/etc/rancher/k3s")
        .err()
        .unwrap_or_default()
}

fn accepts(yaml: &str) {
    let found = problems(yaml);
    assert!(found.is_empty(), "{yaml}: {found:#?}");
}

fn rejects(yaml: &str, path: &str) {
    let found = problems(yaml);
    let here = |problem: &&Problem| problem.path == path && problem.reason == Reason::InvalidSpec;
    let problem = found.iter().find(here);
    assert!(
        problem.is_some_and(|p| !p.help.is_empty()),
        "{yaml}: wanted {path}, found {found:#?}"
    );
    assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
}

fn entries(count: usize, of: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, n| {
        write!(all, "{}, ", of(n)).unwrap();
        all
    })
}

#[test]
fn numbers_of_entries_are_bounded() {
    let mirrors = |n| {
        format!(
            "registries: {{mirrors: {{{}}}}}",
            entries(n, |n| format!("r{n}.io: {{endpoint: [m]}}"))
        )
    };
    let configs = |n| {
        format!(
            "registries: {{configs: {{{}}}}}",
            entries(n, |n| format!("r{n}.io: {{tls: {{ca_file: /ca}}}}"))
        )
    };
    let endpoints = |n| {
        format!(
            "registries: {{mirrors: {{h: {{endpoint: [{}]}}}}}}",
            entries(n, |n| format!("m{n}"))
        )
    };
    let rewrites = |n| {
        let rules = entries(n, |n| format!("\"^x{n}/\": \"y{n}/\""));
        format!("registries: {{mirrors: {{h: {{endpoint: [m], rewrite: {{{rules}}}}}}}}}")
    };
    accepts(&mirrors(256));
    accepts(&configs(256));
    accepts(&endpoints(16));
    accepts(&rewrites(32));
    rejects(&mirrors(257), "spec.registries.mirrors");
    rejects(&configs(257), "spec.registries.configs");
    rejects(&endpoints(17), "spec.registries.mirrors.h.endpoint");
    rejects(&rewrites(33), "spec.registries.mirrors.h.rewrite");
    let sources = entries(17, |_| "{secretRef: {name: s}}".to_owned());
    rejects(
        &format!("registriesFrom: [{sources}]"),
        "spec.registriesFrom",
    );
}

#[test]
fn lengths_are_bounded_in_characters() {
    let endpoint =
        |text: &str| format!("registries: {{mirrors: {{h: {{endpoint: [\"{text}\"]}}}}}}");
    accepts(&endpoint(&format!("https://m/{}", "p".repeat(1014))));
    rejects(
        &endpoint(&format!("https://m/hunter2{}", "p".repeat(1014))),
        "spec.registries.mirrors.h.endpoint[0]",
    );
    let rewrite = |pattern: usize, replacement: usize| {
        let (pattern, replacement) = ("a".repeat(pattern), "b".repeat(replacement));
        format!(
            "registries: {{mirrors: {{h: {{endpoint: [m], rewrite: {{\"{pattern}\": \"{replacement}\"}}}}}}}}"
        )
    };
    accepts(&rewrite(512, 512));
    rejects(&rewrite(513, 1), "spec.registries.mirrors.h.rewrite");
    rejects(&rewrite(1, 513), "spec.registries.mirrors.h.rewrite");
    let key = |n: usize| {
        format!(
            "registries: {{mirrors: {{\"{}\": {{endpoint: [m]}}}}}}",
            "k".repeat(n)
        )
    };
    rejects(&key(256), "spec.registries.mirrors");
    let path = format!(
        "registries: {{configs: {{h: {{tls: {{ca_file: \"/hunter2{}\"}}}}}}}}",
        "p".repeat(1024)
    );
    rejects(&path, "spec.registries.configs.h.tls.ca_file");
    rejects(
        &format!(
            "registriesFrom: [{{sops: \"{}\"}}]",
            "hunter2".repeat(40_000)
        ),
        "spec.registriesFrom[0].sops",
    );
}

#[test]
fn credentials_are_refused_wherever_they_could_stand_in_clear() {
    let auth = |fields: &str| format!("registries: {{configs: {{h: {{auth: {{{fields}}}}}}}}}");
    for field in ["username", "password", "auth", "identity_token", "token"] {
        rejects(
            &auth(&format!("{field}: hunter2")),
            &format!("spec.registries.configs.h.auth.{field}"),
        );
    }
    rejects(&auth(""), "spec.registries.configs.h.auth");
    rejects(
        "registries: {mirrors: {h: {endpoint: [\"https://u:hunter2@m\"]}}}",
        "spec.registries.mirrors.h.endpoint[0]",
    );
    rejects(
        "registries: {mirrors: {\"u:hunter2@h\": {endpoint: [m]}}}",
        "spec.registries.mirrors",
    );
    rejects(
        "registries: {configs: {\"u:hunter2@h\": {}}}",
        "spec.registries.configs",
    );
    for field in ["ca_file", "cert_file", "key_file"] {
        let yaml = format!(
            "registries: {{configs: {{h: {{tls: {{{field}: \"-----BEGIN PRIVATE KEY-----hunter2\"}}}}}}}}"
        );
        rejects(&yaml, &format!("spec.registries.configs.h.tls.{field}"));
    }
}

#[test]
fn certificates_are_given_once_and_whole() {
    let tls = |fields: &str| format!("registries: {{configs: {{h: {{tls: {{{fields}}}}}}}}}");
    accepts(&tls("ca_file: /ca, cert_file: /pair, key_file: /pair"));
    for fields in [
        "ca_file: /ca, caRef: {name: ca}",
        "cert_file: /c, key_file: /k, certificateRef: {name: pair}",
        "cert_file: /c",
        "key_file: /k",
    ] {
        rejects(&tls(fields), "spec.registries.configs.h.tls");
    }
}

#[test]
fn names_that_no_object_can_have_are_not_looked_up() {
    rejects(
        "registriesFrom: [{secretRef: {name: \"../x\"}}]",
        "spec.registriesFrom[0].secretRef.name",
    );
    rejects(
        "registriesFrom: [{secretRef: {name: x, key: \"a/b\"}}]",
        "spec.registriesFrom[0].secretRef.key",
    );
    rejects(
        "decryption: {provider: sops, secretRef: {name: \"\"}}",
        "spec.decryption.secretRef.name",
    );
    let config = |fields: &str| format!("registries: {{configs: {{h: {{{fields}}}}}}}");
    rejects(
        &config("auth: {secretRef: {name: A}}"),
        "spec.registries.configs.h.auth.secretRef.name",
    );
    rejects(
        &config("tls: {caRef: {name: A}}"),
        "spec.registries.configs.h.tls.caRef.name",
    );
    rejects(
        &config("tls: {caRef: {name: a, key: \"\"}}"),
        "spec.registries.configs.h.tls.caRef.key",
    );
    rejects(
        &config("tls: {certificateRef: {name: A}}"),
        "spec.registries.configs.h.tls.certificateRef.name",
    );
}

#[test]
fn a_source_has_one_document_and_an_encrypted_one_has_keys() {
    rejects("registriesFrom: [{}]", "spec.registriesFrom[0]");
    rejects(
        "registriesFrom: [{sops: x, secretRef: {name: s}}]",
        "spec.registriesFrom[0]",
    );
    rejects(
        "registriesFrom: [{sops: \"sops: {mac: x}\"}]",
        "spec.registriesFrom[0].sops",
    );
}

#[test]
fn selectors_are_those_that_a_daemonset_can_have() {
    accepts(
        "nodeSelector: {matchLabels: {berth.dev/pool: a}, matchExpressions: [{key: disk, operator: In, values: [ssd, \"\"]}]}",
    );
    accepts(
        "nodeSelector: {matchExpressions: [{key: a, operator: Exists}, {key: b, operator: DoesNotExist}]}",
    );
    rejects(
        "nodeSelector: {matchLabels: {\"a b\": c}}",
        "spec.nodeSelector.matchLabels",
    );
    rejects(
        "nodeSelector: {matchLabels: {a: -c}}",
        "spec.nodeSelector.matchLabels",
    );
    for expression in [
        "key: a, operator: In",
        "key: a, operator: Exists, values: [b]",
        "key: a, operator: Gt, values: ['1']",
        "key: '', operator: Exists",
    ] {
        rejects(
            &format!("nodeSelector: {{matchExpressions: [{{{expression}}}]}}"),
            "spec.nodeSelector.matchExpressions[0]",
        );
    }
}

#[test]
fn rollouts_have_limits_that_can_be_met() {
    let rolling = |fields: &str| format!("updateStrategy: {{rollingUpdate: {{{fields}}}}}");
    for good in [
        "maxUnavailable: 1",
        "maxUnavailable: 10000",
        "maxUnavailable: 1%",
        "maxUnavailable: 100%",
    ] {
        accepts(&rolling(good));
    }
    for bad in ["0", "-1", "10001", "0%", "101%", "007%", "+5%", "10", "x%"] {
        let bad = if bad == "10" { "'10'" } else { bad };
        rejects(
            &rolling(&format!("maxUnavailable: {bad}")),
            "spec.updateStrategy.rollingUpdate.maxUnavailable",
        );
    }
    rejects(
        &rolling("minReadySeconds: -1"),
        "spec.updateStrategy.rollingUpdate.minReadySeconds",
    );
    rejects(
        &rolling("progressDeadlineSeconds: 86401"),
        "spec.updateStrategy.rollingUpdate.progressDeadlineSeconds",
    );
    rejects(
        &rolling("minReadySeconds: 600"),
        "spec.updateStrategy.rollingUpdate",
    );
}
