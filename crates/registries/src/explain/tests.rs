use std::collections::BTreeMap;

use super::{
    CertificateFiles, Containerd, Credential, CredentialError, Explanation, HostsFileError, Node,
    PullError, explain,
};
use crate::node::NodeOptions;
use crate::parse;
use crate::toml::TomlErrorKind;

fn pull(document: &str, image: &str) -> Explanation {
    pull_with(document, image, &NodeOptions::default())
}

fn pull_with(document: &str, image: &str, options: &NodeOptions) -> Explanation {
    explain(&parse(document.as_bytes()).unwrap(), image, options).unwrap()
}

fn closed() -> NodeOptions {
    NodeOptions {
        disable_default_registry_endpoint: true,
        ..NodeOptions::default()
    }
}

fn hosts(explanation: &Explanation) -> Vec<String> {
    let attempts = explanation.attempts.as_ref().unwrap();
    attempts
        .iter()
        .map(|attempt| format!("{}://{}{}", attempt.scheme, attempt.host, attempt.path))
        .collect()
}

fn credential(config: &str) -> Credential {
    let document = format!("configs: {{r.io: {{auth: {config}}}}}");
    pull(&document, "r.io/a")
        .attempts
        .unwrap()
        .remove(0)
        .credential
}

#[test]
fn an_own_entry_shadows_the_wildcard_only_if_it_leaves_a_file() {
    let wildcard =
        "mirrors: {'*': {endpoint: [m.io]}, quay.io: }\nconfigs: {gcr.io: {}, ghcr.io: {tls: {}}}";
    let table = [
        ("quay.io/a", "_default"),
        ("gcr.io/a", "_default"),
        ("ghcr.io/a", "ghcr.io"),
        ("a", "_default"),
    ];
    for (image, directory) in table {
        assert_eq!(
            pull(wildcard, image).hosts_dir.as_deref(),
            Some(directory),
            "{image}"
        );
    }
}

#[test]
fn a_closed_default_endpoint_stays_closed_unless_configs_name_the_registry() {
    let mirror = "mirrors: {a.io: {endpoint: [m.io]}}";
    assert_eq!(
        hosts(&pull_with(mirror, "a.io/x", &closed())),
        ["https://m.io/v2"]
    );
    let with_config = format!("{mirror}\nconfigs: {{a.io: {{}}}}");
    assert_eq!(
        hosts(&pull_with(&with_config, "a.io/x", &closed())),
        ["https://m.io/v2", "https://a.io/v2"]
    );
    let alias =
        "mirrors: {docker.io: {endpoint: [m.io]}}\nconfigs: {registry-1.docker.io: {tls: {}}}";
    assert_eq!(
        hosts(&pull_with(alias, "x", &closed())),
        ["https://m.io/v2"]
    );
    let stock = parse(mirror.as_bytes()).unwrap();
    let node = Node::new(&stock, &closed()).with_containerd(Containerd::Stock);
    assert_eq!(hosts(&node.explain("a.io/x").unwrap()).len(), 2);
}

#[test]
fn a_backslash_in_a_rewrite_voids_everything_about_a_registry() {
    let document = r"mirrors: {a.io: {endpoint: [m.io], rewrite: {'^x\.y': z}}}
configs: {a.io: {tls: {insecure_skip_verify: true}}}";
    let explanation = pull_with(document, "a.io/x", &closed());
    let Some(HostsFileError::Toml(error)) = &explanation.unreadable else {
        panic!("{explanation:?}");
    };
    assert_eq!((error.kind, error.line), (TomlErrorKind::Escape, 11));
    assert_eq!(hosts(&explanation), ["https://a.io/v2"]);
    assert!(!explanation.attempts.unwrap()[0].skip_verify);
}

#[test]
fn patterns_that_read_alike_once_escapes_are_gone_void_it_too() {
    let document = r"mirrors: {a.io: {endpoint: [m.io], rewrite: {'a': x, '\u0061': y}}}";
    let explanation = pull(document, "a.io/x");
    let Some(HostsFileError::Toml(error)) = &explanation.unreadable else {
        panic!("{explanation:?}");
    };
    assert_eq!(error.kind, TomlErrorKind::Duplicate);
}

#[test]
fn credentials_follow_the_precedence_of_containerd() {
    let key = || "r.io".to_owned();
    let table = [
        ("{}", Credential::Empty { config_key: key() }),
        ("{password: p}", Credential::Empty { config_key: key() }),
        (
            "{username: u, identity_token: t}",
            Credential::Basic {
                config_key: key(),
                username: "u".into(),
                password: "".into(),
            },
        ),
        (
            "{password: p, identity_token: t, auth: dTpw}",
            Credential::IdentityToken {
                config_key: key(),
                token: "t".into(),
            },
        ),
        (
            "{auth: \"dT\\npw\"}",
            Credential::Basic {
                config_key: key(),
                username: "u".into(),
                password: "p".into(),
            },
        ),
        (
            "{auth: OnA=}",
            Credential::IdentityToken {
                config_key: key(),
                token: "p".into(),
            },
        ),
        ("{auth: Og==}", Credential::Empty { config_key: key() }),
        (
            "{auth: dTpwAA==}",
            Credential::Basic {
                config_key: key(),
                username: "u".into(),
                password: "p".into(),
            },
        ),
        (
            "{auth: Og}",
            Credential::Unusable {
                config_key: key(),
                error: CredentialError::NotBase64,
            },
        ),
        (
            "{auth: dQ==}",
            Credential::Unusable {
                config_key: key(),
                error: CredentialError::NoColon,
            },
        ),
    ];
    for (config, expected) in table {
        assert_eq!(credential(config), expected, "{config}");
    }
}

#[test]
fn docker_hub_knows_two_names_and_not_the_third() {
    let table = [
        ("docker.io", true),
        ("registry-1.docker.io", true),
        ("index.docker.io", false),
    ];
    for (key, is_used) in table {
        let document = format!("configs: {{{key}: {{auth: {{username: u}}}}}}");
        let credential = pull(&document, "busybox")
            .attempts
            .unwrap()
            .remove(0)
            .credential;
        assert_eq!(credential != Credential::None, is_used, "{key}");
    }
}

#[test]
fn certificates_that_cannot_be_used_fail_every_endpoint() {
    let document =
        "mirrors: {a.io: {endpoint: [m.io, n.io]}}\nconfigs: {n.io: {tls: {ca_file: ca.crt}}}";
    let registries = parse(document.as_bytes()).unwrap();
    let missing = CertificateFiles {
        authority: &|path| path != "a.io/ca.crt",
        pair: &|_, _| true,
    };
    let node = Node::new(&registries, &NodeOptions::default()).with_certificates(missing);
    assert_eq!(
        node.explain("a.io/x").unwrap().attempts,
        Err(PullError::Authority)
    );
    for half in ["cert_file: /c.pem", "key_file: /c.pem"] {
        let document = format!("configs: {{a.io: {{tls: {{{half}}}}}}}");
        assert_eq!(
            pull(&document, "a.io/x").attempts,
            Err(PullError::KeyPair),
            "{half}"
        );
    }
}

#[test]
fn a_password_that_toml_cannot_hold_keeps_containerd_from_starting() {
    let document = "configs: {a.io: {auth: {username: u, password: \"\\a\"}}}";
    let attempts = pull(document, "b.io/x").attempts;
    assert!(
        matches!(attempts, Err(PullError::NoContainerd(_))),
        "{attempts:?}"
    );
}

#[test]
fn certificates_in_dockers_way_are_taken_from_a_directory_without_hosts_toml() {
    let files = [
        "r.io/a.crt",
        "r.io/b.cert",
        "r.io/b.key",
        "r.io/c.cert",
        "r.io/sub/d.crt",
    ];
    let tree: BTreeMap<String, String> = files
        .iter()
        .map(|path| ((*path).to_owned(), "x".to_owned()))
        .collect();
    let registries = parse(b"").unwrap();
    let node = Node::with_tree(&registries, &NodeOptions::default(), tree);
    let attempts = node.explain("r.io/x").unwrap().attempts.unwrap();
    assert!(attempts[0].custom_ca);
    assert_eq!(attempts[0].client_certificates, 2);
}

#[test]
fn no_credential_shows_in_what_is_printed_for_debugging() {
    let document = "mirrors: {a.io: {endpoint: ['https://hunter2:hunter2@m.io/v2?t=hunter2', 'https://hunter2@b ad']}}
configs: {m.io: {auth: {username: hunter2, password: hunter2, identity_token: hunter2}}, 'hunter2:hunter2@k.io': {tls: {key_file: '-----BEGIN PRIVATE KEY-----hunter2'}}}";
    let registries = parse(document.as_bytes()).unwrap();
    let options = NodeOptions::default();
    let rendering = crate::render::certs_d(&registries, &options);
    let printed = format!(
        "{:?} {rendering:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        pull(document, "a.io/x"),
        rendering.hosts.values().collect::<Vec<_>>(),
        rendering
            .hosts
            .values()
            .flat_map(|file| &file.hosts)
            .collect::<Vec<_>>(),
        rendering
            .hosts
            .values()
            .map(|file| &file.tls)
            .collect::<Vec<_>>(),
        crate::render::auth_tables(&registries, &options),
        crate::wharfie::attempts(&registries, "a.io/xy").unwrap(),
        crate::changes(&registries, &parse(b"").unwrap(), &options),
    );
    assert!(!printed.contains("hunter2"), "{printed}");
    let refused = crate::endpoint::normalize("https://hunter2@b ad", None).unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("hunter2"));
}
