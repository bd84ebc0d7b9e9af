//! From specs as people write them to the files of a node.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::format_collect,
    reason = "a test fails by panicking, and a table is long"
)]

use std::collections::BTreeMap;

use api::{Reason, RegistryConfigSpec};
use compose::{Composed, ConfigMapContent, Inputs, Problem, SecretContent, compose};
use proptest::prelude::*;

const CERTIFICATE: &str = include_str!("fixtures/client.crt");
const KEY: &str = include_str!("fixtures/client.key");
const FOLDER: &str = "/etc/rancher/k3s";

fn spec(yaml: &str) -> RegistryConfigSpec {
    serde_yaml::from_str(&format!("nodeSelector: {{}}\n{yaml}")).unwrap()
}

fn secret(type_: &str, data: &[(&str, &str)]) -> SecretContent {
    SecretContent {
        type_: type_.to_owned(),
        data: data_of(data),
    }
}

fn data_of(data: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    data.iter()
        .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
        .collect()
}

fn inputs(secrets: &[(&str, SecretContent)]) -> Inputs {
    let secrets = secrets
        .iter()
        .map(|(name, secret)| ((*name).to_owned(), secret.clone()))
        .collect();
    Inputs {
        secrets,
        ..Inputs::default()
    }
}

fn composed(yaml: &str, inputs: &Inputs) -> Composed {
    compose(&spec(yaml), inputs, FOLDER).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn problems(yaml: &str, inputs: &Inputs) -> Vec<Problem> {
    compose(&spec(yaml), inputs, FOLDER).unwrap_err()
}

fn document(composed: &Composed) -> &str {
    std::str::from_utf8(&composed.files["registries.yaml"]).unwrap()
}

const BASIC: &str = "registries: {configs: {\"m:5000\": {auth: {secretRef: {name: login}}}}}\n";

#[test]
fn a_pasted_document_with_references_becomes_a_registries_yaml() {
    let mut inputs = inputs(&[
        (
            "login",
            secret(
                "kubernetes.io/basic-auth",
                &[("username", "u"), ("password", "p")],
            ),
        ),
        (
            "pair",
            secret(
                "kubernetes.io/tls",
                &[("tls.crt", CERTIFICATE), ("tls.key", KEY)],
            ),
        ),
    ]);
    inputs.config_maps.insert(
        "ca".to_owned(),
        ConfigMapContent {
            data: data_of(&[("ca.crt", CERTIFICATE)]),
        },
    );
    let composed = composed(
        "registries:\n  mirrors:\n    docker.io:\n      endpoint: [\"https://m:5000\"]\n      rewrite: {\"^a/(.*)$\": \"b/$1\"}\n    quay.io:\n  configs:\n    \"m:5000\":\n      auth: {secretRef: {name: login}}\n      tls: {caRef: {name: ca}, certificateRef: {name: pair}}\n",
        &inputs,
    );
    let id = node_files::layout::tls_id("m:5000");
    let read = registries::parse(&composed.files["registries.yaml"]).unwrap();
    assert_eq!(read, composed.document);
    assert!(
        read.mirrors["quay.io"].is_none(),
        "a null mirror takes part in the embedded registry"
    );
    let host = read.configs["m:5000"].clone().unwrap();
    assert_eq!(host.auth.unwrap().password.expose(), "p");
    let tls = host.tls.unwrap();
    assert_eq!(tls.ca_file, format!("{FOLDER}/berth/{id}.ca.crt"));
    assert_eq!(tls.cert_file, format!("{FOLDER}/berth/{id}.client.pem"));
    assert_eq!(tls.key_file, tls.cert_file);
    let client =
        String::from_utf8(composed.files[&format!("tls.{id}.client.pem")].clone()).unwrap();
    assert!(
        client.contains("BEGIN CERTIFICATE") && client.contains("PRIVATE KEY"),
        "certificate and key in one file"
    );
    assert!(composed.files.contains_key(&format!("tls.{id}.ca.crt")));
    assert_eq!(composed.files.len(), 3);
}

#[test]
fn a_docker_hub_credential_is_written_under_both_names() {
    let login = secret(
        "kubernetes.io/basic-auth",
        &[("username", "u"), ("password", "p")],
    );
    let composed = composed(
        "registries: {configs: {docker.io: {auth: {secretRef: {name: login}}}}}",
        &inputs(&[("login", login)]),
    );
    for key in ["docker.io", "registry-1.docker.io"] {
        assert_eq!(
            composed.document.configs[key]
                .clone()
                .unwrap()
                .auth
                .unwrap()
                .username
                .expose(),
            "u",
            "{key}"
        );
    }
}

#[test]
fn docker_configurations_are_searched_by_host() {
    let cases = [
        (
            "m:5000",
            r#"{"auths":{"https://m:5000/v1/":{"auth":"dTpwOng="}}}"#,
            Some(("u", "p:x", "")),
        ),
        (
            "m:5000",
            r#"{"auths":{"m:5000":{"username":"u","password":"p"}}}"#,
            Some(("u", "p", "")),
        ),
        (
            "m",
            r#"{"auths":{"m":{"auth":"dTo=","identitytoken":"t"}}}"#,
            Some(("", "", "t")),
        ),
        (
            "docker.io",
            r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"}}}"#,
            Some(("u", "p", "")),
        ),
        (
            "registry-1.docker.io",
            r#"{"auths":{"docker.io":{"auth":"dTpw"}}}"#,
            Some(("u", "p", "")),
        ),
        ("m", r#"{"auths":{"m:5000":{"auth":"dTpw"}}}"#, None),
        ("m", r#"{"auths":{"m":{"auth":"!!"}}}"#, None),
        ("m", r#"{"auths":{"m":{"username":"u"}}}"#, None),
        ("m", r#"{"auths":["#, None),
        ("m", "{}", None),
    ];
    for (key, config, expected) in cases {
        let yaml = format!(
            "registries: {{configs: {{\"{key}\": {{auth: {{secretRef: {{name: login}}}}}}}}}}"
        );
        let login = secret(
            "kubernetes.io/dockerconfigjson",
            &[(".dockerconfigjson", config)],
        );
        let result = compose(&spec(&yaml), &inputs(&[("login", login)]), FOLDER);
        let Some((username, password, token)) = expected else {
            let problems = result.expect_err(config);
            assert_eq!(
                problems[0].path,
                format!("spec.registries.configs.{key}.auth.secretRef"),
                "{config}"
            );
            continue;
        };
        let auth = result.unwrap().document.configs[key]
            .clone()
            .unwrap()
            .auth
            .unwrap();
        assert_eq!(
            (
                auth.username.expose(),
                auth.password.expose(),
                auth.identity_token.expose()
            ),
            (username, password, token)
        );
    }
}

#[test]
fn later_documents_replace_whole_units_and_say_so() {
    let documents = inputs(&[
        (
            "one",
            secret(
                "Opaque",
                &[(
                    "registries.yaml",
                    "mirrors: {a: {endpoint: [https://one]}}\nconfigs: {h: {auth: {username: u1, password: p1}, tls: {ca_file: /one}}}",
                )],
            ),
        ),
        (
            "two",
            secret(
                "Opaque",
                &[(
                    "registries.yaml",
                    "mirrors: {a: ~, b: {endpoint: [https://two]}}\nconfigs: {h: {auth: {username: u2, password: p2}}}",
                )],
            ),
        ),
        (
            "three",
            secret("Opaque", &[("registries.yaml", "configs: {h: {tls: ~}}")]),
        ),
    ]);
    let composed = composed(
        "registriesFrom: [{secretRef: {name: one}}, {secretRef: {name: two}}, {secretRef: {name: three}}]",
        &documents,
    );
    assert_eq!(composed.document.mirrors["a"], None, "null included");
    assert_eq!(
        composed.document.mirrors["b"].clone().unwrap().endpoint,
        ["https://two"]
    );
    let host = composed.document.configs["h"].clone().unwrap();
    assert_eq!(host.auth.unwrap().username.expose(), "u2");
    assert_eq!(host.tls, None);
    let warned: Vec<&str> = composed
        .warnings
        .iter()
        .map(|warning| warning.path.as_str())
        .collect();
    for path in [
        "spec.registriesFrom[1].mirrors.a",
        "spec.registriesFrom[1].configs.h.auth",
        "spec.registriesFrom[2].configs.h.tls",
    ] {
        assert!(warned.contains(&path), "{path} in {warned:?}");
    }
}

#[test]
fn what_is_not_carried_over_is_warned_of() {
    let document =
        "# why\nmirrors: {a: {endpoints: [x]}}\nauths: {h: {username: u}}\n---\nmirrors: {}\n";
    let composed = composed(
        "registriesFrom: [{secretRef: {name: one}}]",
        &inputs(&[("one", secret("Opaque", &[("registries.yaml", document)]))]),
    );
    let text: Vec<String> = composed.warnings.iter().map(ToString::to_string).collect();
    for expected in [
        "mirrors.a.endpoints",
        ".auths",
        "comments",
        "further document",
    ] {
        assert!(
            text.iter().any(|warning| warning.contains(expected)),
            "{expected} in {text:#?}"
        );
    }
    assert!(!document_text(&composed).contains("why"));
}

fn document_text(composed: &Composed) -> String {
    document(composed).to_owned()
}

#[test]
fn bad_input_names_the_field_and_the_mend() {
    let none = Inputs::default();
    let with = |secret: SecretContent| inputs(&[("login", secret)]);
    let tls = "registries: {configs: {m: {tls: {certificateRef: {name: login}}}}}";
    let plain = "registriesFrom: [{secretRef: {name: login}}]";
    let huge = format!(
        "mirrors: {{a: {{endpoint: [\"https://{}\"]}}}}",
        "x".repeat(1_100_000)
    );
    let cases: Vec<(&str, Inputs, Reason, &str)> = vec![
        (
            BASIC,
            none.clone(),
            Reason::ReferenceNotFound,
            "spec.registries.configs.m:5000.auth.secretRef",
        ),
        (
            BASIC,
            with(secret("Opaque", &[])),
            Reason::InvalidSpec,
            "spec.registries.configs.m:5000.auth.secretRef",
        ),
        (
            BASIC,
            with(secret("kubernetes.io/basic-auth", &[("username", "u")])),
            Reason::ReferenceNotFound,
            "spec.registries.configs.m:5000.auth.secretRef",
        ),
        (
            BASIC,
            with(secret(
                "kubernetes.io/basic-auth",
                &[("username", "u"), ("password", "p\u{7}")],
            )),
            Reason::InvalidSpec,
            "spec.registries.configs.m:5000.auth.secretRef",
        ),
        (
            "registries: {configs: {m: {tls: {caRef: {name: ca}}}}}",
            none.clone(),
            Reason::ReferenceNotFound,
            "spec.registries.configs.m.tls.caRef",
        ),
        (
            tls,
            with(secret("Opaque", &[])),
            Reason::InvalidSpec,
            "spec.registries.configs.m.tls.certificateRef",
        ),
        (
            tls,
            with(secret("kubernetes.io/tls", &[("tls.crt", CERTIFICATE)])),
            Reason::ReferenceNotFound,
            "spec.registries.configs.m.tls.certificateRef",
        ),
        (
            tls,
            with(secret(
                "kubernetes.io/tls",
                &[("tls.crt", CERTIFICATE), ("tls.key", CERTIFICATE)],
            )),
            Reason::InvalidSpec,
            "spec.registries.configs.m.tls.certificateRef",
        ),
        (
            tls,
            with(secret(
                "kubernetes.io/tls",
                &[("tls.crt", "nonsense"), ("tls.key", KEY)],
            )),
            Reason::InvalidSpec,
            "spec.registries.configs.m.tls.certificateRef",
        ),
        (
            plain,
            none.clone(),
            Reason::ReferenceNotFound,
            "spec.registriesFrom[0].secretRef",
        ),
        (
            plain,
            with(secret("Opaque", &[("other", "")])),
            Reason::ReferenceNotFound,
            "spec.registriesFrom[0].secretRef",
        ),
        (
            plain,
            with(secret("Opaque", &[("registries.yaml", "mirrors: [")])),
            Reason::InvalidSpec,
            "spec.registriesFrom[0].secretRef",
        ),
        (
            plain,
            with(secret("Opaque", &[("registries.yaml", &huge)])),
            Reason::InvalidSpec,
            "spec.registriesFrom[0].secretRef",
        ),
        (
            plain,
            with(secret("Opaque", &[("registries.yaml", "sops: {mac: x}\n")])),
            Reason::InvalidSpec,
            "spec.registriesFrom[0].secretRef",
        ),
        (
            "registriesFrom: [{sops: \"mirrors: {}\"}]",
            none.clone(),
            Reason::InvalidSpec,
            "spec.registriesFrom[0].sops",
        ),
        (
            "registriesFrom: [{}]",
            none.clone(),
            Reason::InvalidSpec,
            "spec.registriesFrom[0]",
        ),
        (
            "registries: {configs: {m: {auth: {password: hunter2}}}}",
            none.clone(),
            Reason::InvalidSpec,
            "spec.registries.configs.m.auth.password",
        ),
        (
            "registries: {configs: {m: {auth: {token: hunter2}}}}",
            none.clone(),
            Reason::InvalidSpec,
            "spec.registries.configs.m.auth.token",
        ),
        (
            "registries: {configs: {m: {tls: {cert_file: /c}}}}",
            none.clone(),
            Reason::InvalidSpec,
            "spec.registries.configs.m.tls",
        ),
        (
            "registries: {configs: {m: {tls: {caRef: {name: a}, ca_file: /c}}}}",
            none.clone(),
            Reason::InvalidSpec,
            "spec.registries.configs.m.tls",
        ),
        (
            "updateStrategy: {rollingUpdate: {maxUnavailable: 0}}",
            none.clone(),
            Reason::InvalidSpec,
            "spec.updateStrategy.rollingUpdate.maxUnavailable",
        ),
        (
            "updateStrategy: {rollingUpdate: {maxUnavailable: 101%}}",
            none.clone(),
            Reason::InvalidSpec,
            "spec.updateStrategy.rollingUpdate.maxUnavailable",
        ),
        (
            "updateStrategy: {rollingUpdate: {progressDeadlineSeconds: 5}}",
            none,
            Reason::InvalidSpec,
            "spec.updateStrategy.rollingUpdate",
        ),
    ];
    for (yaml, inputs, reason, path) in cases {
        let problems = problems(yaml, &inputs);
        assert!(
            problems
                .iter()
                .any(|problem| problem.reason == reason && problem.path == path),
            "{yaml}: wanted {reason:?} at {path}, got {problems:#?}"
        );
        assert!(problems.iter().all(|problem| !problem.help.is_empty()));
    }
}

#[test]
fn files_beyond_a_secret_are_refused() {
    let half: String = (0..20_000)
        .map(|n| format!("  \"r{n}.example.com\": {{endpoint: [\"https://m\"]}}\n"))
        .collect();
    let other = half.replace("\"r", "\"s");
    let inputs = inputs(&[
        (
            "one",
            secret(
                "Opaque",
                &[("registries.yaml", &format!("mirrors:\n{half}"))],
            ),
        ),
        (
            "two",
            secret(
                "Opaque",
                &[("registries.yaml", &format!("mirrors:\n{other}"))],
            ),
        ),
    ]);
    let found = compose(
        &spec("registriesFrom: [{secretRef: {name: one}}, {secretRef: {name: two}}]"),
        &inputs,
        FOLDER,
    );
    assert_eq!(found.unwrap_err()[0].reason, Reason::ConfigTooLarge);
}

#[test]
fn documents_that_fit_in_no_case_are_refused_unread() {
    let broken = "[".repeat(700_000);
    let one = secret("Opaque", &[("registries.yaml", &broken)]);
    let inputs = inputs(&[("one", one)]);
    let source = "{secretRef: {name: one}}";
    let found = problems(
        &format!("registriesFrom: [{source}, {source}, {source}]"),
        &inputs,
    );
    assert_eq!((found.len(), found[0].reason), (1, Reason::ConfigTooLarge));
}

proptest! {
    #[test]
    fn no_secret_occurs_in_problems_warnings_or_debug(
        password in "[A-Z]{6}[0-9]{4}[a-z]{6}",
        broken in any::<bool>(),
        type_ in prop_oneof![Just("kubernetes.io/basic-auth"), Just("kubernetes.io/dockerconfigjson"), Just("kubernetes.io/tls"), Just("Opaque")],
    ) {
        let document = format!(
            "mirrors: {{a: {{endpoint: [\"https://u:{password}@m\"], token: {password}}}}}\nconfigs: {{m: {{auth: {{username: u, password: {password}, token: {password}}}}}}}\nauths: {{m: {{password: {password}}}}}\n{}",
            if broken { format!("{password}: [") } else { String::new() },
        );
        let docker = format!("{{\"auths\":{{\"m:5000\":{{\"password\":\"{password}\"{}", if broken { "" } else { "}}}" });
        let all = [("username", password.as_str()), ("password", &password), (".dockerconfigjson", &docker), ("tls.crt", &password), ("tls.key", &password), ("ca.crt", &password), ("registries.yaml", &document), ("age.agekey", &password)];
        let inputs = inputs(&[("login", secret(type_, &all))]);
        let spec = spec(&format!(
            "registries: {{configs: {{\"m:5000\": {{auth: {{secretRef: {{name: login}}, password: {password}}}, tls: {{certificateRef: {{name: login}}, caRef: {{kind: Secret, name: login}}}}}}}}}}\nregistriesFrom: [{{secretRef: {{name: login}}}}, {{sops: \"password: {password}\"}}]\ndecryption: {{provider: sops, secretRef: {{name: login}}}}\n"
        ));
        let only_documents = { let mut s = spec.clone(); s.registries = None; s.registries_from.truncate(1); s };
        for spec in [spec, only_documents] {
            let result = compose(&spec, &inputs, FOLDER);
            let mut shown = format!("{spec:?} {inputs:?} {result:?} {result:#?}");
            match &result {
                Ok(composed) => composed.warnings.iter().for_each(|warning| shown.push_str(&warning.to_string())),
                Err(problems) => problems.iter().for_each(|problem| shown.push_str(&problem.to_string())),
            }
            prop_assert!(!shown.contains(&password), "{shown}");
        }
    }

    #[test]
    fn the_same_inputs_compose_to_the_same_bytes(hosts in prop::collection::vec("[a-z]{1,8}", 1..6), seed in any::<u64>()) {
        let entry = |host: &String| format!("{host}: {{endpoint: [\"https://{host}.example.com\"]}}");
        let forward: Vec<String> = hosts.iter().map(entry).collect();
        let mut shuffled = forward.clone();
        let turn = usize::try_from(seed % 7).unwrap() % shuffled.len();
        shuffled.rotate_left(turn);
        // The same key twice would make the order matter.
        prop_assume!(hosts.iter().collect::<std::collections::BTreeSet<_>>().len() == hosts.len());
        let of = |lines: &[String]| composed("registriesFrom: [{secretRef: {name: one}}]", &inputs(&[("one", secret("Opaque", &[("registries.yaml", &format!("mirrors:\n  {}\n", lines.join("\n  ")))]))]));
        prop_assert_eq!(of(&forward).files, of(&shuffled).files);
    }
}

#[test]
fn a_name_that_no_object_can_have_is_not_repeated() {
    let login = "registries: {configs: {h: {auth: {secretRef: {name: 'bob:hunter2'}}}}}";
    let source = "registriesFrom: [{secretRef: {name: s, key: 'bob:hunter2'}}]";
    let inputs = inputs(&[("s", secret("Opaque", &[]))]);
    for yaml in [login, source] {
        let problems = problems(yaml, &inputs);
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
        assert!(problems.len() > 1, "{problems:?}");
    }
}

#[test]
fn thousands_of_findings_each_find_their_source() {
    let document: String = (0..4_000)
        .map(|i| format!("  m{i}.example: {{endpoint: ['http://m{i}.example/v1/']}}\n"))
        .collect();
    let document = format!("mirrors:\n{document}");
    let inputs = inputs(&[("s", secret("Opaque", &[("k", &document)]))]);
    let composed = composed("registriesFrom: [{secretRef: {name: s, key: k}}]", &inputs);
    assert!(composed.warnings.len() > 1_000);
    assert!(
        composed
            .warnings
            .iter()
            .take(1_000)
            .all(|warning| warning.path.starts_with("spec.registriesFrom[0].mirrors.m"))
    );
}
