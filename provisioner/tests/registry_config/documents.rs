//! What is generated.

use std::net::IpAddr;

use provisioner::cluster::{RegistryProxy, RegistrySpec};
use provisioner::registry_config::{
    Error, Generated, NodeRegistry, advertised_host, generate, hosting_manifest, mirror_of_remote,
};
use registries::{LintOptions, Severity, parse};

const USER: &str = include_str!("../golden/registries/user.yaml");

fn registry(name: &str, port: u16, host_port: u16) -> NodeRegistry {
    NodeRegistry {
        name: name.to_owned(),
        port,
        host_port: Some(host_port),
        caches: None,
    }
}

fn generated(registries: &[NodeRegistry], user: Option<&str>) -> Result<Option<Generated>, Error> {
    generate(
        registries,
        user,
        &LintOptions::default(),
        "registries.config",
    )
}

fn text(registries: &[NodeRegistry], user: Option<&str>) -> String {
    generated(registries, user).unwrap().unwrap().text
}

#[test]
fn the_examples_of_k3d_come_out_alike() {
    let examples = [
        (
            registry("reg", 5000, 5111),
            None,
            include_str!("../golden/registries/a.yaml"),
        ),
        (
            registry("k3d-myreg", 5000, 5000),
            None,
            include_str!("../golden/registries/b.yaml"),
        ),
        (
            registry("docker-io", 5000, 5001),
            Some("mirrors:\n  \"docker.io\":\n    endpoint:\n      - http://docker-io:5000\n"),
            include_str!("../golden/registries/c.yaml"),
        ),
        (
            registry("reg", 5432, 5432),
            None,
            include_str!("../golden/registries/d.yaml"),
        ),
    ];
    for (registry, user, golden) in examples {
        assert_eq!(text(&[registry], user), golden);
    }
}

#[test]
fn a_cache_is_the_mirror_of_the_registry_that_images_name() {
    let spec = RegistrySpec {
        name: "docker-io".to_owned(),
        image: String::new(),
        host: String::new(),
        host_ip: IpAddr::from([0, 0, 0, 0]),
        port: Some(5001),
        same_port: false,
        volumes: Vec::new(),
        proxy: Some(RegistryProxy {
            remote_url: "https://registry-1.docker.io".to_owned(),
            username: String::new(),
            password: String::new().into(),
        }),
        delete_enabled: false,
        network: String::new(),
    };
    let cache = NodeRegistry::of_spec(&spec);
    assert_eq!(
        text(&[cache], None),
        include_str!("../golden/registries/c.yaml")
    );
    let same_port = NodeRegistry::of_spec(&RegistrySpec {
        same_port: true,
        proxy: None,
        ..spec
    });
    assert_eq!((same_port.port, same_port.host_port), (5001, Some(5001)));
    for (url, key) in [
        ("https://registry-1.docker.io", Some("docker.io")),
        ("https://index.docker.io/v1/", Some("docker.io")),
        ("https://user:pass@GHCR.io/", Some("ghcr.io")),
        ("https://reg.example:443", Some("reg.example")),
        ("http://reg.example:443/x", Some("reg.example:443")),
        ("http://reg.example:80", Some("reg.example")),
        ("*", None),
        ("https://", None),
    ] {
        assert_eq!(mirror_of_remote(url).as_deref(), key, "{url}");
    }
}

#[test]
fn nothing_that_the_user_wrote_is_lost() {
    let merged = text(&[registry("reg", 5000, 5111)], Some(USER));
    assert_eq!(
        merged,
        include_str!("../golden/registries/user.merged.yaml")
    );
    let (before, after) = (
        parse(USER.as_bytes()).unwrap(),
        parse(merged.as_bytes()).unwrap(),
    );
    for (key, mirror) in &before.mirrors {
        assert_eq!(after.mirrors.get(key), Some(mirror), "{key}");
    }
    assert_eq!(after.auths, before.auths);
    let tokens = |key: &str| {
        after.configs[key]
            .clone()
            .unwrap()
            .auth
            .unwrap()
            .identity_token
    };
    assert_eq!(tokens("mirror.example").expose(), "t0ken");
    // k3d's spelling, which k3s does not know.
    assert_eq!(tokens("old.example").expose(), "t0ken2");
}

#[test]
fn a_document_of_the_user_alone_stays_as_it_is() {
    let plain = "# mine\nmirrors: {docker.io: {endpoint: [m]}}   # yes\n";
    assert_eq!(text(&[], Some(plain)), plain);
    let token = "configs:\n  h:\n    auth:\n      # from the vault\n      identitytoken: x\n";
    assert_eq!(
        text(&[], Some(token)),
        token.replace("identitytoken", "identity_token")
    );
    let both = "configs: {h: {auth: {identitytoken: x, identity_token: y}}}\n";
    assert_eq!(text(&[], Some(both)), both);
    assert_eq!(generated(&[], None).unwrap(), None);
}

#[test]
fn odd_documents_are_merged_as_k3s_reads_them() {
    let registries = [registry("reg", 5000, 5111)];
    for user in [
        "",
        "# nothing\n",
        "~\n",
        "mirrors:\nconfigs: ~\n",
        "mirrors: {}\n---\nmirrors: {second: {}}\n",
        "x: &x {endpoint: [m]}\nmirrors:\n  a: *x\n  b:\n    <<: *x\n    rewrite: {a: b}\n",
        "x: &x\n  a: {endpoint: [m]}\n  reg:5000: {endpoint: [n]}\nmirrors:\n  <<: *x\n  b: {}\n",
        "mirrors:\n  a: {endpoint: [x]}\n  a: {endpoint: [y]}\n",
        "mirrors: {a: {endpoint: [yes, 012, !!str 1, !!binary aHR0cHM6Ly9o]}}\n",
        "mirrors:\n  a:\n    endpoint:\n    - \"https://\\\n      m\"\n    - >-\n      folded\n      text\n",
        "mirrors:\n  ? a\n  : endpoint: [x]\n",
    ] {
        let merged = generated(&registries, Some(user));
        let merged = merged
            .unwrap_or_else(|error| panic!("{error}: {user}"))
            .unwrap()
            .text;
        let mut wanted = parse(user.as_bytes()).unwrap();
        let ours = parse(include_bytes!("../golden/registries/a.yaml")).unwrap();
        for (key, mirror) in ours.mirrors {
            wanted.mirrors.entry(key).or_insert(mirror);
        }
        assert!(
            parse(merged.as_bytes()).unwrap() == wanted,
            "{user}\n{merged}"
        );
    }
}

#[test]
fn what_cannot_be_merged_or_read_is_refused_without_a_value() {
    let twice = "mirrors: {a: {endpoint: [s3cret]}}\nmirrors:\n";
    let error = generated(&[registry("reg", 5000, 5111)], Some(twice)).unwrap_err();
    assert!(matches!(error, Error::Unmergeable { .. }));
    for user in [
        "mirrors: [s3cret]\n",
        "mirrors:\n  a: \"s3cret\n",
        "configs: {h: {auth: s3cret}}\n",
    ] {
        let said = generated(&[], Some(user)).unwrap_err().to_string();
        assert!(
            said.starts_with("failed to read registries.config: line "),
            "{said}"
        );
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn findings_name_the_lines_of_the_user() {
    let user = "mirrors:\n  docker.io: {}\nconfigs:\n  h:\n    auth: {token: x}\n";
    let generated = generated(&[registry("reg", 5000, 5111)], Some(user))
        .unwrap()
        .unwrap();
    let found = generated
        .findings
        .iter()
        .find(|finding| finding.line == Some(5));
    let found = found.unwrap_or_else(|| panic!("{:?}", generated.findings));
    assert_eq!(found.severity, Severity::Warning);
    assert_eq!(found.path, "configs.h.auth");
}

#[test]
fn nothing_shows_a_credential() {
    let generated = generated(&[registry("reg", 5000, 5111)], Some(USER)).unwrap();
    let shown = format!("{generated:?}");
    for secret in ["0123", "t0ken", "s3cret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn tools_in_the_cluster_are_told_where_the_registry_is() {
    let host = advertised_host("", "0.0.0.0");
    let manifest = hosting_manifest(&registry("reg", 5000, 5111), &host);
    assert_eq!(manifest, include_str!("../golden/registries/hosting.yaml"));
    for (host, bind, advertised) in [
        ("", "127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0", "localhost"),
        ("registry.localhost", "127.0.0.1", "registry.localhost"),
        ("", "::", "localhost"),
        ("", "::1", "[::1]"),
        ("", "", "localhost"),
    ] {
        assert_eq!(advertised_host(host, bind), advertised);
    }
}
