//! No secret occurs in anything that is printed, wherever it stood in the document and however broken that is.

use proptest::prelude::*;
use registries::{
    Distribution, LintOptions, NodeOptions, Registries, changes, diff, diff_unreadable, explain,
    explicit_nulls, lint, parse, preview, read_strictly, redact,
};

/// Documents with `SECRET` in every position that may hold one.
const DOCUMENTS: &[&str] = &[
    "configs: {h: {auth: {username: SECRET, password: SECRET}}}\n",
    "configs: {h: {auth: {auth: SECRET}}}\nmirrors: {docker.io: {endpoint: [\"https://h\"]}}\n",
    "configs: {h: {auth: {identity_token: SECRET}}}\n",
    "configs: {h: {auth: {token: SECRET, registrytoken: SECRET, passwrod: SECRET, deep: {er: [SECRET]}}}}\n",
    "configs: {h: {auth: SECRET}}\n",
    "configs: {h: {auth: [SECRET, {a: SECRET}]}}\n",
    "configs: {h: {auth: {SECRET}}}\n",
    "configs: {h: {auth: {username: [SECRET]}}}\n",
    "configs: {h: {auth: {username: {SECRET: SECRET}}}}\n",
    "configs: {h: SECRET}\n",
    "configs: [SECRET]\n",
    "configs: {\"u:SECRET@h\": {auth: {username: u, password: SECRET}, tls: {ca_file: /c, insecure_skip_verify: yes}}}\n",
    "configs: {\"https://SECRET@h/x?SECRET#SECRET\": {}}\n",
    "configs: {h: {tls: {ca_file: \"-----BEGIN CERTIFICATE-----\\nSECRET\", key_file: \"-----BEGIN PRIVATE KEY----- SECRET\"}}}\n",
    "configs: {h: {tls: {insecure_skip_verify: SECRET}}}\n",
    "configs: {h: {tls: {key: SECRET, token: {a: SECRET}}}}\n",
    "configs: {h: {tls: SECRET}}\n",
    "configs: {h: {unknown: SECRET}}\n",
    "configs: {h: {auth: {username: u, password: !!binary SECRET}}}\n",
    "configs: {h: {auth: {username: u, password: !!int SECRET}}}\n",
    "configs: {h: {auth: {username: u, password: !!bool SECRET}}}\n",
    "configs: {h: {auth: {username: u, password: \"a\\aSECRET\"}}}\n",
    "configs:\n  h:\n    auth:\n      password: |\n        {\"private_key\": \"SECRET\"}\n",
    "configs:\n  h:\n    auth:\n      password: SECRET\n      password: SECRET\n    auth: {password: SECRET}\n",
    "auths: {\"https://u:SECRET@h\": {username: SECRET, password: SECRET, x: {y: SECRET}}}\n",
    "auths: SECRET\n",
    "auths: [SECRET]\n",
    "x-credentials: &c {username: SECRET, password: SECRET}\nconfigs: {a: {auth: *c}, b: {auth: {<<: *c}}}\n",
    "x: SECRET\n",
    "mirrors: {docker.io: {endpoint: [\"https://u:SECRET@m.example.com/v2\", \"SECRET:x@m\", \"https://m?SECRET#SECRET\"]}}\n",
    "mirrors: {docker.io: {endpoint: [\"https://u:SECRET@m/a\", \"https://v:SECRET@m/a\", \"ftp://SECRET@m\", \"h:80?SECRET\"]}}\n",
    "mirrors: {docker.io: {endpoint: [\"https://u:SECRET@bad host\", \"https://u:SECRET@fd00::1\", \"u:SECRET@fd00::1\"]}}\n",
    "mirrors: {docker.io: {endpoint: [\"https://u:SECRET\"]}}\n",
    "mirrors: {docker.io: {endpoint: [[SECRET], {a: SECRET}]}}\n",
    "mirrors: {docker.io: {endpoint: \"https://u:SECRET@h\"}}\n",
    "mirrors: {docker.io: {token: SECRET, header: {Authorization: [SECRET]}}}\n",
    "mirrors: {docker.io: {rewrite: {\"^a\": \"https://u:SECRET@h/x\"}, endpoint: [h]}}\n",
    "mirrors: {\"u:SECRET@h\": {endpoint: [h]}, \"https://u:SECRET@h/p\": {endpoint: [h]}, \"u:SECRET@bad host\": {endpoint: [h]}}\n",
    "mirrors: {a: {endpoint: [\"http://u:SECRET@h\"], rewrite: {\"^a\": b}}}\nconfigs: {h: {auth: {username: SECRET, password: SECRET}, tls: {ca_file: /c}}}\n",
    "configs: {\"u:SECRET@h\": {auth: , tls: ~}}\n",
    "# SECRET\nmirrors: {} # SECRET\n---\nconfigs: {h: {auth: {password: SECRET}}}\n",
    "configs:\n  h:\n    auth: {username: u, password: \"SECRET\n",
    "configs:\n  h:\n    auth: {username: u, password: 'SECRET\n",
    "configs:\n  h:\n    auth: {username: u, password: [SECRET\n",
    "configs:\n  h:\n    auth:\n\tpassword: SECRET\n",
    "configs:\n  h:\n    auth:\n      password: SECRET: x\n",
    "configs:\n  h:\n    auth:\n      password: *SECRET\n",
    "configs:\n  h:\n    auth:\n      password: &SECRET\n      - x\n   y: z\n",
    "configs:\n  h:\n    auth:\n      password: @SECRET\n",
    "configs:\n  h:\n    auth:\n      password: %SECRET\n",
    "configs:\n  h:\n    auth:\n      password: \"\\SECRET\"\n",
    "configs:\n  h:\n    auth:\n      password: !SECRET x\n",
    "%SECRET\n---\na: b\n",
    "SECRET\n",
    "- SECRET\n",
    "configs: {h: {auth: {username: u, password: {{ SECRET }}}}}\n",
];

fn outputs(document: &[u8]) -> Vec<String> {
    let mut outputs = vec![
        format!("{:?}", parse(document)),
        format!("{:#?}", parse(document)),
        parse(document)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default(),
        redact(document).unwrap_or_else(|error| format!("{error} {error:?}")),
        preview(document).unwrap_or_else(|error| format!("{error} {error:?}")),
        format!("{:?}", diff(b"", document, "old", "new")),
        format!("{:?}", diff(document, b"", "old", "new")),
        format!("{:?}", diff(document, b"mirrors: {a: }\n", "old", "new")),
        format!("{:?}", diff_unreadable(document, "old", "new")),
        format!("{:?}", read_strictly(document)),
        format!("{:?}", explicit_nulls(document)),
    ];
    for options in options() {
        let findings = lint(document, &options);
        outputs.push(format!(
            "{findings:?} {}",
            serde_json::to_string(&findings).unwrap_or_default()
        ));
        if let Ok(read) = parse(document) {
            outputs.push(format!(
                "{:?}",
                changes(&Registries::default(), &read, &options.node)
            ));
            outputs.push(format!("{:?}", explain(&read, "nginx", &options.node)));
            outputs.push(format!("{:?}", explain(&read, "a/b/c", &options.node)));
        }
    }
    outputs
}

fn options() -> Vec<LintOptions> {
    let closed = NodeOptions {
        distribution: Distribution::Rke2,
        disable_default_registry_endpoint: true,
        ..NodeOptions::default()
    };
    vec![
        LintOptions::default(),
        LintOptions {
            k3s_versions: "<v1.40".parse().ok(),
            ..LintOptions::default()
        },
        LintOptions {
            k3s_versions: None,
            node: closed,
        },
    ]
}

#[test]
fn a_secret_in_any_position_is_never_printed() {
    for template in DOCUMENTS {
        for secret in [
            "hunter2hunter2",
            "Sq9_x",
            "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "12345678901",
        ] {
            check(template, secret);
        }
    }
}

fn check(template: &str, secret: &str) {
    let document = template.replace("SECRET", secret);
    for output in outputs(document.as_bytes()) {
        assert!(
            !output.contains(secret),
            "{secret} of {document} is in {output}"
        );
    }
}

/// Whether `https://u:` and this is the address of a host `u`, which nobody can tell from a user whose host is missing.
fn is_a_port_and_a_path(secret: &str) -> bool {
    let port = secret.split('/').next().unwrap_or_default();
    port != secret && port.parse::<u16>().is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_random_secret_in_a_random_position_is_never_printed(
        secret in "[A-Za-z0-9][A-Za-z0-9+/=_.~-]{6,30}[0-9]",
        template in proptest::sample::select(DOCUMENTS),
    ) {
        prop_assume!(!(template.contains("//u:SECRET\"") && is_a_port_and_a_path(&secret)));
        check(template, &secret);
    }

    #[test]
    fn a_secret_cut_off_anywhere_is_never_printed(
        template in proptest::sample::select(DOCUMENTS),
        cut in 0.0..1.0_f64,
    ) {
        let document = template.replace("SECRET", "hunter2hunter2");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "a share of a short text")]
        let end = (document.len() as f64 * cut) as usize;
        for output in outputs(document.get(..end).unwrap_or_default().as_bytes()) {
            prop_assert!(!output.contains("hunter2"), "{document} is in {output}");
        }
    }

    #[test]
    fn changes_between_two_documents_never_print_a_secret(
        old in proptest::sample::select(DOCUMENTS),
        new in proptest::sample::select(DOCUMENTS),
    ) {
        let (old, new) = (old.replace("SECRET", "hunter2hunter2"), new.replace("SECRET", "swordfish99swordfish"));
        let shown = format!("{:?}", diff(old.as_bytes(), new.as_bytes(), "old", "new"));
        prop_assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
    }
}
