//! Every rule of the linter: a document that breaks it, and the nearest one that does not.

use std::collections::BTreeSet;

use registries::lint::catalog;
use registries::{Distribution, Finding, LintOptions, NodeOptions, Severity, lint};

/// Rule, document that breaks it, document that does not.
type Case = (&'static str, &'static str, &'static str);

const ENDPOINT: &str = "mirrors: {docker.io: {endpoint: [";

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("unreadable", "mirrors: [a]\n", "mirrors: {a: }\n"),
    ("unknown-key", "mirrors: {a: {endpoints: [b]}}\n", "mirrors: {a: {endpoint: [b]}}\n"),
    ("duplicate-key", "mirrors: {a: {endpoint: [b]}, a: {}}\n", "mirrors: {a: {endpoint: [b]}, b: {}}\n"),
    ("further-document", "mirrors: {a: }\n---\nmirrors: {b: }\n", "---\nmirrors: {a: }\n"),
    ("auths-ignored", "auths: {a: {username: u}}\n", "configs: {a: {auth: {username: u}}}\n"),
    ("auth-token", "configs: {a: {auth: {token: t}}}\n", "configs: {a: {auth: {identity_token: t}}}\n"),
    ("auth-identitytoken", "configs: {a: {auth: {identitytoken: t}}}\n", "configs: {a: {auth: {identity_token: t}}}\n"),
    ("empty-auth", "configs: {a: {auth: {}}}\n", "configs: {a: {auth: {username: u, password: p}}}\n"),
    ("password-without-username", "configs: {a: {auth: {password: p}}}\n", "configs: {a: {auth: {username: u, password: p}}}\n"),
    ("username-without-password", "configs: {a: {auth: {username: u}}}\n", "configs: {a: {auth: {username: u, password: p}}}\n"),
    ("auth-several", "configs: {a: {auth: {auth: dTpw, identity_token: t}}}\n", "configs: {a: {auth: {identity_token: t}}}\n"),
    ("auth-not-base64", "configs: {a: {auth: {auth: dckr_pat_x}}}\n", "configs: {a: {auth: {auth: dTpw}}}\n"),
    ("auth-without-colon", "configs: {a: {auth: {auth: Zm9v}}}\n", "configs: {a: {auth: {auth: dTpw}}}\n"),
    ("config-key-quote", "configs: {\"a'b\": {auth: {username: u, password: p}}}\n", "configs: {ab: {auth: {username: u, password: p}}}\n"),
    ("credential-control-character", "configs: {a: {auth: {username: u, password: \"p\\a\"}}}\n", "configs: {a: {auth: {username: u, password: \"p\\n\"}}}\n"),
    ("credential-over-http", "mirrors: {a: {endpoint: [\"http://h\"]}}\nconfigs: {h: {auth: {username: u, password: p}}}\n", "mirrors: {a: {endpoint: [\"https://h\"]}}\nconfigs: {h: {auth: {username: u, password: p}}}\n"),
    ("config-empty", "configs: {docker.io: {}}\n", "configs: {docker.io: {tls: {insecure_skip_verify: false}}}\n"),
    ("config-port-mismatch", "mirrors: {a: {endpoint: [\"https://h:5000\"]}}\nconfigs: {h: {tls: {ca_file: /c}}}\n", "mirrors: {a: {endpoint: [\"https://h:5000\"]}}\nconfigs: {\"h:5000\": {tls: {ca_file: /c}}}\n"),
    ("config-shadows-wildcard", "mirrors: {\"*\": {endpoint: [h]}}\nconfigs: {a: {tls: {ca_file: /c}}}\n", "mirrors: {\"*\": {endpoint: [h]}}\nconfigs: {h: {tls: {ca_file: /c}}}\n"),
    ("wildcard-auth", "configs: {\"*\": {auth: {username: u, password: p}}}\n", "configs: {a: {auth: {username: u, password: p}}}\n"),
    ("wildcard-tls", "mirrors: {\"*\": {endpoint: [h]}}\nconfigs: {\"*\": {tls: {insecure_skip_verify: true}}}\n", "mirrors: {\"*\": {endpoint: [h]}}\nconfigs: {h: {tls: {insecure_skip_verify: true}}}\n"),
    ("wildcard-key", "mirrors: {\"*.gcr.io\": {endpoint: [h]}}\n", "mirrors: {\"*\": {endpoint: [h]}}\n"),
    ("key-with-scheme", "configs: {\"https://a\": {tls: {ca_file: /c}}}\n", "configs: {a: {tls: {ca_file: /c}}}\n"),
    ("key-with-path", "mirrors: {a/b: {endpoint: [h]}}\n", "mirrors: {a: {endpoint: [h]}}\n"),
    ("key-with-userinfo", "mirrors: {\"u:p@a\": {endpoint: [h]}}\n", "mirrors: {a: {endpoint: [h]}}\n"),
    ("key-invalid", "mirrors: {\"bad host\": {endpoint: [h]}}\n", "mirrors: {bad-host: {endpoint: [h]}}\n"),
    ("key-default-directory", "mirrors: {_default: {endpoint: [h]}}\n", "mirrors: {\"*\": {endpoint: [h]}}\n"),
    ("key-upper-case", "mirrors: {Quay.io: {endpoint: [h]}}\n", "mirrors: {quay.io: {endpoint: [h]}}\n"),
    ("docker-hub-alias", "mirrors: {index.docker.io: {endpoint: [h]}}\n", "mirrors: {docker.io: {endpoint: [h]}}\n"),
    ("mirror-without-endpoints", "mirrors: {docker.io: }\n", "mirrors: {docker.io: {endpoint: [h]}}\n"),
    ("endpoint-invalid", "\"https://a b\"", "\"https://a-b\""),
    ("endpoint-empty", "\"https://\"", "\"https://h\""),
    ("endpoint-scheme", "\"oci://h\"", "\"HTTPS://h\""),
    ("endpoint-ipv6-brackets", "\"fd00::1\"", "\"[fd00::1]\""),
    ("endpoint-userinfo", "\"https://u:p@h\"", "\"https://h\""),
    ("endpoint-query", "\"https://h?x=y\"", "\"https://h\""),
    ("endpoint-path", "\"https://h/project\"", "\"https://h/v2/project\""),
    ("endpoint-port-80", "\"h:80\"", "\"http://h:80\""),
    ("endpoint-duplicate", "h, \"https://h/v2\"", "h, \"https://h:443\""),
    ("endpoint-http-tls", "\"http://h:5000\"]}}\nconfigs: {\"h:5000\": {tls: {ca_file: /c}}} # [{", "\"http://h:80\"]}}\nconfigs: {\"h:80\": {tls: {ca_file: /c}}} # [{"),
    ("default-endpoint-twice", "docker.io, h", "h, docker.io"),
    ("default-endpoint-rewrite", "h, docker.io], rewrite: {\"^a\": b}}} # [{", "docker.io, h], rewrite: {\"^a\": b}}} # [{"),
    ("rewrite-without-endpoints", "mirrors: {a: {rewrite: {\"^a\": b}}}\n", "mirrors: {a: {endpoint: [h], rewrite: {\"^a\": b}}}\n"),
    ("rewrite-breaks-file", r"h], rewrite: {'^v(\d+)/': 'x'}}} # [{", r"h], rewrite: {'^v(\\d+)/': 'x'}}} # [{"),
    ("rewrite-escape", r"h], rewrite: {'^a\b': 'x'}}} # [{", r"h], rewrite: {'^a\\b': 'x'}}} # [{"),
    ("rewrite-invalid", "h], rewrite: {'^(a': x}}} # [{", "h], rewrite: {'^(a)': x}}} # [{"),
    ("rewrite-unportable", "h], rewrite: {'(?:\\\\p{L}{500}|\\\\p{Han}{500}){2}': x}}} # [{", "h], rewrite: {'(?:\\\\p{L}{5}|\\\\p{Han}{5}){2}': x}}} # [{"),
    ("rewrite-unknown-group", "h], rewrite: {'^(a)': '$1x'}}} # [{", "h], rewrite: {'^(a)': '${1}x'}}} # [{"),
    ("rewrite-climbs", "h], rewrite: {'^a': '../x'}}} # [{", "h], rewrite: {'^a': 'x..y'}}} # [{"),
    ("rewrite-host", "h], rewrite: {'^docker.io/(.*)': '$1'}}} # [{", "h], rewrite: {'^library/(.*)': '$1'}}} # [{"),
    ("rewrite-collision", "h], rewrite: {'^library/(.*)': 'a/$1', '(.*)': 'b/$1'}}} # [{", "h], rewrite: {'^library/(.*)': 'a/$1', '^org/(.*)': 'b/$1'}}} # [{"),
    ("tls-half-pair", "configs: {a: {tls: {cert_file: /c}}}\n", "configs: {a: {tls: {cert_file: /c, key_file: /c}}}\n"),
    ("tls-pem", "configs: {a: {tls: {ca_file: \"-----BEGIN CERTIFICATE-----\"}}}\n", "configs: {a: {tls: {ca_file: /c}}}\n"),
    ("tls-relative-path", "configs: {a: {tls: {ca_file: c.crt}}}\n", "configs: {a: {tls: {ca_file: /c.crt}}}\n"),
    ("tls-skip-verify-with-ca", "configs: {a: {tls: {ca_file: /c, insecure_skip_verify: true}}}\n", "configs: {a: {tls: {ca_file: /c}}}\n"),
];

/// Rules about releases: rule, document, releases that have the fault, releases that do not.
const VERSIONS: &[(&str, &str, &str, &str)] = &[
    (
        "docker-hub-credential",
        "configs: {docker.io: {auth: {username: u, password: p}}}\n",
        "v1.33.2+k3s1",
        "v1.33.3+k3s1",
    ),
    (
        "version-default-endpoint",
        "mirrors: {quay.io: {endpoint: [h, quay.io]}}\n",
        "v1.29.1+k3s2",
        ">=v1.29.2",
    ),
    (
        "version-default-tls",
        "configs: {a: {tls: {ca_file: /c}}}\n",
        ">=v1.28,<v1.30",
        ">=v1.29.4",
    ),
    (
        "version-inline",
        "mirrors: {a: {endpoint: [h], rewrite: {'\\d': x}}}\n",
        "v1.28.5+k3s1",
        "v1.28.6+k3s1",
    ),
    (
        "version-rewrite-scope",
        "mirrors: {a: {endpoint: [h], rewrite: {'^a': x}}}\nconfigs: {h: {auth: {username: u, password: p}}}\n",
        "v1.30.7+k3s1",
        "v1.30.8+k3s1",
    ),
    (
        "version-scheme",
        "mirrors: {a: {endpoint: [h]}}\n",
        "v1.28.6+k3s1",
        "v1.28.6+k3s2",
    ),
    (
        "version-wildcard",
        "mirrors: {\"*\": {endpoint: [h]}}\n",
        ">=v1.32,<v1.33",
        ">=v1.32.3,<v1.33",
    ),
];

/// A case that does not begin with a section is what stands in the list of endpoints of docker.io.
fn document(text: &str) -> String {
    let is_whole = ["mirrors:", "configs:", "auths:", "---"]
        .iter()
        .any(|start| text.starts_with(start));
    if is_whole {
        text.to_owned()
    } else {
        format!("{ENDPOINT}{text}]}}}}\n")
    }
}

fn with_versions(versions: &str) -> LintOptions {
    let k3s_versions = versions.parse().ok();
    assert!(k3s_versions.is_some(), "{versions} is no range");
    LintOptions {
        k3s_versions,
        ..LintOptions::default()
    }
}

fn of<'a>(findings: &'a [Finding], code: &str) -> Option<&'a Finding> {
    findings.iter().find(|finding| finding.code == code)
}

#[test]
fn every_rule_fires_on_its_document_and_not_on_the_nearest_one() {
    for (code, fires, silent) in CASES {
        let (fires, silent) = (document(fires), document(silent));
        let findings = lint(fires.as_bytes(), &LintOptions::default());
        let found = of(&findings, code).unwrap_or_else(|| panic!("{code}: {fires}: {findings:#?}"));
        let (_, severity, _) = catalog().iter().find(|(known, ..)| known == code).unwrap();
        assert_eq!(found.severity, *severity);
        assert!(
            found.line.is_some() && found.column.is_some(),
            "{code} has no place: {found:?}"
        );
        let findings = lint(silent.as_bytes(), &LintOptions::default());
        assert_eq!(of(&findings, code), None, "{code}: {silent}");
    }
}

#[test]
fn rules_about_releases_fire_where_the_releases_have_the_fault() {
    for (code, text, faulty, sound) in VERSIONS {
        assert!(
            of(&lint(text.as_bytes(), &with_versions(faulty)), code).is_some(),
            "{code} in {faulty}"
        );
        assert_eq!(
            of(&lint(text.as_bytes(), &with_versions(sound)), code),
            None,
            "{code} in {sound}"
        );
        assert_eq!(
            of(&lint(text.as_bytes(), &LintOptions::default()), code),
            None,
            "{code} without releases"
        );
    }
}

#[test]
fn rules_about_nodes_fire_where_their_flags_are_set() {
    let closed = |embedded: bool| LintOptions {
        node: NodeOptions {
            disable_default_registry_endpoint: true,
            embedded_registry: embedded.then(|| "127.0.0.1:6443".to_owned()),
            ..NodeOptions::default()
        },
        ..LintOptions::default()
    };
    let code = "default-endpoint-kept";
    let both = b"mirrors: {a: {endpoint: [h]}}\nconfigs: {a: {}}\n";
    assert!(of(&lint(both, &closed(false)), code).is_some());
    assert!(of(&lint(both, &LintOptions::default()), code).is_none());
    assert!(of(&lint(b"mirrors: {a: }\n", &closed(false)), code).is_some());
    assert!(of(&lint(b"mirrors: {a: }\n", &closed(true)), code).is_none());
    assert!(
        of(
            &lint(b"mirrors: {a: }\n", &closed(true)),
            "mirror-without-endpoints"
        )
        .is_none()
    );

    let rke2 = LintOptions {
        node: NodeOptions {
            distribution: Distribution::Rke2,
            ..NodeOptions::default()
        },
        ..LintOptions::default()
    };
    let hub = b"configs: {registry-1.docker.io: {auth: {username: u, password: p}}}\n";
    assert!(of(&lint(hub, &rke2), "docker-hub-credential").is_some());
    assert!(of(&lint(hub, &LintOptions::default()), "docker-hub-credential").is_none());
}

#[test]
fn every_rule_of_the_catalog_is_tested() {
    let known: BTreeSet<&str> = catalog().iter().map(|(code, ..)| *code).collect();
    let tested = CASES
        .iter()
        .map(|(code, ..)| *code)
        .chain(VERSIONS.iter().map(|(code, ..)| *code));
    let tested: BTreeSet<&str> = tested.chain(["default-endpoint-kept"]).collect();
    assert_eq!(known, tested);
}

#[test]
fn a_sound_document_has_no_findings() {
    let sound = br#"
mirrors:
  docker.io:
    endpoint: ["https://mirror.example.com:5000/v2/hub"]
    rewrite: {"^library/(.*)$": "proxy/$1"}
  "*":
    endpoint: ["https://any.example.com"]
configs:
  "mirror.example.com:5000":
    auth: {username: u, password: p}
    tls: {ca_file: /etc/ssl/ca.pem, cert_file: /etc/ssl/c.pem, key_file: /etc/ssl/c.pem}
  any.example.com:
    tls: {insecure_skip_verify: true}
"#;
    assert_eq!(lint(sound, &LintOptions::default()), []);
}

#[test]
fn findings_stand_in_the_order_of_the_document_and_name_their_place() {
    let text = b"mirrors:\n  docker.io:\n    endpoint:\n      - https://u:secret@h\n    endpoints: []\n  Quay.io:\n    endpoint: [x]\n";
    let findings = lint(text, &LintOptions::default());
    let shown: Vec<_> = findings
        .iter()
        .map(|f| (f.code, f.path.as_str(), f.line, f.column))
        .collect();
    assert_eq!(
        shown,
        [
            (
                "endpoint-userinfo",
                "mirrors.docker.io.endpoint[0]",
                Some(4),
                Some(9)
            ),
            (
                "unknown-key",
                "mirrors.docker.io.endpoints",
                Some(5),
                Some(5)
            ),
            ("key-upper-case", "mirrors.Quay.io", Some(6), Some(3)),
        ]
    );
    assert!(findings[1].help.contains("`endpoint`"));
    assert_eq!(findings[0].severity, Severity::Warning);
    let json = serde_json::to_value(&findings[0]).unwrap();
    assert_eq!(json["severity"], "warning");
}

#[test]
fn a_large_document_is_judged_in_time() {
    let lines = |line: fn(usize) -> String| (0..2000).map(line).collect::<Vec<_>>().concat();
    let mirrors = lines(|n| {
        format!("  h{n}: {{endpoint: [\"http://e{n}:{n}\"], rewrite: {{'^h{n}/(.*)': '$1'}}}}\n")
    });
    let configs = lines(|n| {
        format!("  h{n}: {{auth: {{username: u, password: p}}, tls: {{ca_file: /c}}}}\n")
    });
    let rules = lines(|n| format!("'^h{n}/(.*)': 'x{n}/$1',\n"));
    let start = std::time::Instant::now();
    for document in [
        format!("mirrors:\n{mirrors}configs:\n{configs}"),
        format!("mirrors: {{a: {{endpoint: [h], rewrite: {{\n{rules}}}}}}}\n"),
    ] {
        let findings = lint(document.as_bytes(), &LintOptions::default());
        assert!(of(&findings, "unreadable").is_none());
    }
    assert!(start.elapsed().as_secs() < 60, "took {:?}", start.elapsed());
}
