use std::fs;
use std::path::Path;

use registries::Secret;
use tempfile::TempDir;

use super::{Address, Endpoint, EndpointError, Origin, Tls};
use crate::environment::Environment;

/// A folder such as `~/.docker`, and an environment that points at it.
struct Fixture {
    folder: TempDir,
    environment: Environment,
}

impl Fixture {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let environment = Environment {
            docker_config: folder.path().to_owned(),
            ..Environment::default()
        };
        Self {
            folder,
            environment,
        }
    }

    fn file(self, path: &str, content: &str) -> Self {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// sha256("remote") names the folders of that context.
    fn remote(self, meta: &str) -> Self {
        self.file(&format!("contexts/meta/{REMOTE}/meta.json"), meta)
    }

    fn with(mut self, change: impl FnOnce(&mut Environment, &Path)) -> Self {
        change(&mut self.environment, self.folder.path());
        self
    }

    fn resolve(&self) -> Result<Endpoint, EndpointError> {
        Endpoint::resolve(&self.environment)
    }
}

const REMOTE: &str = "b71199ebd070b36beab7317920c2c2f1d777df8d05e5527d8458fda57cb17a7a";

#[test]
fn addresses_read_as_docker_reads_them_and_print_in_full() {
    let table = [
        ("unix:///run/docker.sock", "unix:///run/docker.sock"),
        ("unix://", "unix:///var/run/docker.sock"),
        ("tcp://10.0.0.7:2375", "tcp://10.0.0.7:2375"),
        ("tcp://10.0.0.7", "tcp://10.0.0.7:2375"),
        ("tcp://[fd00::7]:99/", "tcp://[fd00::7]:99"),
        ("box:2375", "tcp://box:2375"),
        ("ssh://box", "ssh://box"),
        ("ssh://ada@box:2222", "ssh://ada@box:2222"),
        (
            "ssh://ada@box/run/user/1000/docker.sock",
            "ssh://ada@box/run/user/1000/docker.sock",
        ),
    ];
    for (text, expected) in table {
        let address = Address::parse(text, false, &Origin::Variable).unwrap();
        assert_eq!(address.to_string(), expected, "{text}");
    }
    let encrypted = Address::parse("tcp://box", true, &Origin::Variable).unwrap();
    assert_eq!(encrypted.to_string(), "tcp://box:2376");
}

#[test]
fn refuses_addresses_that_lead_nowhere_or_to_an_option_of_ssh() {
    for text in [
        "tcp://",
        "tcp://box:0",
        "tcp://box:port",
        "tcp://box/path",
        "tcp://[::1",
        "ftp://box",
        "ssh://",
        "ssh://-oProxyCommand=touch",
        "ssh://-l@box",
        "ssh://ada:secret@box",
        "ssh://ada@-box",
        "npipe:////./pipe/docker_engine",
    ] {
        assert!(
            Address::parse(text, false, &Origin::Variable).is_err(),
            "{text}"
        );
    }
}

#[test]
fn the_usual_socket_is_meant_when_nothing_says_otherwise() {
    let endpoint = Fixture::new().resolve().unwrap();
    assert_eq!(endpoint.to_string(), "unix:///var/run/docker.sock");
    assert_eq!((endpoint.origin, endpoint.tls), (Origin::Default, None));
}

#[test]
fn the_variable_wins_over_contexts() {
    let endpoint = Fixture::new()
        .file("config.json", r#"{"currentContext": "remote"}"#)
        .with(|environment, _| {
            environment.docker_host = Some("tcp://box:1".into());
            environment.docker_context = Some("remote".into());
        })
        .resolve()
        .unwrap();
    assert_eq!(endpoint.to_string(), "tcp://box:1");
    assert_eq!(endpoint.origin, Origin::Variable);
    assert_eq!(endpoint.host(), Some("box"));
}

#[test]
fn the_current_context_of_the_configuration_is_followed() {
    let endpoint = Fixture::new()
        .file(
            "config.json",
            r#"{"auths": {}, "currentContext": "remote"}"#,
        )
        .remote(r#"{"Name": "remote", "Endpoints": {"docker": {"Host": "ssh://ada@box"}}}"#)
        .resolve()
        .unwrap();
    assert_eq!(endpoint.to_string(), "ssh://ada@box");
    assert_eq!(endpoint.origin, Origin::Context("remote".into()));
}

#[test]
fn the_context_named_default_means_no_context() {
    let endpoint = Fixture::new()
        .file("config.json", r#"{"currentContext": "remote"}"#)
        .with(|environment, _| environment.docker_context = Some("default".into()))
        .resolve()
        .unwrap();
    assert_eq!(endpoint.origin, Origin::Default);
}

#[test]
fn a_context_brings_its_certificates() {
    let endpoint = Fixture::new()
        .remote(r#"{"Name": "remote", "Endpoints": {"docker": {"Host": "tcp://box"}}}"#)
        .file(&format!("contexts/tls/{REMOTE}/docker/ca.pem"), "authority")
        .file(
            &format!("contexts/tls/{REMOTE}/docker/cert.pem"),
            "certificate",
        )
        .file(&format!("contexts/tls/{REMOTE}/docker/key.pem"), "key")
        .with(|environment, _| environment.docker_context = Some("remote".into()))
        .resolve()
        .unwrap();
    assert_eq!(endpoint.to_string(), "tcp://box:2376");
    let tls = Tls {
        authorities: Some(b"authority".to_vec()),
        identity: Some((b"certificate".to_vec(), Secret::from("key"))),
        verify: true,
    };
    assert_eq!(endpoint.tls, Some(tls));
}

#[test]
fn a_context_may_skip_verification() {
    let endpoint = Fixture::new()
        .remote(r#"{"Endpoints": {"docker": {"Host": "tcp://box:1", "SkipTLSVerify": true}}}"#)
        .with(|environment, _| environment.docker_context = Some("remote".into()))
        .resolve()
        .unwrap();
    assert!(endpoint.tls.is_some_and(|tls| !tls.verify));
}

#[test]
fn a_context_that_is_not_there_is_said_with_the_way_back() {
    let error = Fixture::new()
        .with(|environment, _| environment.docker_context = Some("gone".into()))
        .resolve()
        .unwrap_err();
    assert!(
        error.to_string().contains("docker context use default"),
        "{error}"
    );
}

#[test]
fn a_broken_configuration_is_named_without_its_content() {
    let fixture = Fixture::new().file("config.json", "{\"auths\":\n hunter2");
    let error = fixture.resolve().unwrap_err().to_string();
    assert!(
        error.contains("config.json") && error.contains("line 2"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn tls_variables_take_their_files_from_the_certificate_path() {
    for (tls, verify) in [(true, false), (false, true), (true, true)] {
        let endpoint = Fixture::new()
            .file("certificates/ca.pem", "authority")
            .with(|environment, folder| {
                environment.docker_host = Some("tcp://box".into());
                environment.docker_tls = tls;
                environment.docker_tls_verify = verify;
                environment.docker_cert_path = Some(folder.join("certificates"));
            })
            .resolve()
            .unwrap();
        assert_eq!(endpoint.to_string(), "tcp://box:2376");
        let found = endpoint.tls.unwrap();
        assert_eq!(found.verify, verify);
        assert_eq!(found.authorities.as_deref(), Some(&b"authority"[..]));
    }
}

#[test]
fn tls_variables_without_an_address_mean_the_encrypted_port_of_this_machine() {
    let endpoint = Fixture::new()
        .with(|environment, _| environment.docker_tls_verify = true)
        .resolve()
        .unwrap();
    assert_eq!(endpoint.to_string(), "tcp://localhost:2376");
}

#[test]
fn tls_variables_do_not_concern_sockets() {
    let endpoint = Fixture::new()
        .with(|environment, _| {
            environment.docker_host = Some("unix:///run/docker.sock".into());
            environment.docker_tls_verify = true;
        })
        .resolve()
        .unwrap();
    assert_eq!(endpoint.tls, None);
}

#[test]
fn half_an_identity_is_refused() {
    let error = Fixture::new()
        .file("cert.pem", "certificate")
        .with(|environment, _| {
            environment.docker_host = Some("tcp://box".into());
            environment.docker_tls_verify = true;
        })
        .resolve()
        .unwrap_err();
    assert!(matches!(error, EndpointError::HalfIdentity { .. }));
}

#[test]
fn a_password_in_an_address_is_not_repeated() {
    for text in [
        "ssh://ada:hunter2@box",
        "tcp://ada:hunter2@box",
        "ada:hunter2@box",
    ] {
        let error = Address::parse(text, false, &Origin::Variable).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
