use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use registries::Secret;
use tempfile::TempDir;

use super::{Credentials, CredentialsError, Proof, for_image};
use crate::environment::Environment;

/// A `~/.docker` with a `config.json`, and a folder on `PATH`.
struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new(config: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("config.json"), config).unwrap();
        Self { folder }
    }

    /// A store in shell; `$server` is what it is asked for.
    fn helper(self, name: &str, script: &str) -> Self {
        let path = self.folder.path().join(format!("docker-credential-{name}"));
        let script = format!("#!/bin/sh\n[ \"$1\" = get ] || exit 9\nserver=$(cat)\n{script}\n");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    async fn get(&self, image: &str) -> Result<Option<Credentials>, CredentialsError> {
        let environment = Environment {
            docker_config: self.folder.path().to_owned(),
            path: vec![
                self.folder.path().to_owned(),
                "/usr/bin".into(),
                "/bin".into(),
            ],
            ..Environment::default()
        };
        for_image(image, &environment).await
    }
}

fn login(server: &str, username: &str, password: &str) -> Credentials {
    Credentials {
        server: server.into(),
        username: username.into(),
        proof: Proof::Password(Secret::from(password)),
    }
}

/// Base64 of `ada:hunter2`.
const AUTH: &str = "YWRhOmh1bnRlcjI=";

#[tokio::test]
async fn the_entry_of_the_images_registry_is_found_however_it_is_written() {
    let table = [
        ("https://index.docker.io/v1/", "nginx"),
        ("docker.io", "docker.io/library/nginx:1"),
        ("index.docker.io", "index.docker.io/ada/shop"),
        ("quay.io", "quay.io/ada/shop:1"),
        ("https://quay.io", "quay.io/ada/shop"),
        ("https://quay.io/v2/", "quay.io/ada/shop"),
        ("box.lan:5000", "box.lan:5000/shop"),
        ("http://localhost:5000/v1/", "localhost:5000/shop"),
    ];
    for (key, image) in table {
        let fixture = Fixture::new(&format!(
            r#"{{"auths": {{"other.io": {{"auth": "{AUTH}"}}, "{key}": {{"auth": "{AUTH}"}}}}}}"#
        ));
        let found = fixture.get(image).await.unwrap();
        assert_eq!(found, Some(login(key, "ada", "hunter2")), "{key}");
    }
}

#[tokio::test]
async fn without_an_entry_there_are_no_credentials() {
    for config in [
        "{}",
        r#"{"auths": {}}"#,
        r#"{"auths": {"quay.io": {}}}"#,
        r#"{"auths": {"quay.io.evil.example": {"auth": "YWRhOmh1bnRlcjI="}}}"#,
        r#"{"auths": {"quay.io:5000": {"auth": "YWRhOmh1bnRlcjI="}}}"#,
    ] {
        assert_eq!(
            Fixture::new(config).get("quay.io/ada/shop").await.unwrap(),
            None,
            "{config}"
        );
    }
    let environment = Environment {
        docker_config: "/nonexistent".into(),
        ..Environment::default()
    };
    assert_eq!(for_image("nginx", &environment).await.unwrap(), None);
}

#[tokio::test]
async fn tokens_win_over_passwords() {
    let identity = Fixture::new(&format!(
        r#"{{"auths": {{"quay.io": {{"auth": "{AUTH}", "identitytoken": "t"}}}}}}"#
    ));
    let found = identity.get("quay.io/a").await.unwrap().unwrap();
    assert_eq!(found.proof, Proof::IdentityToken(Secret::from("t")));
    let registry = Fixture::new(r#"{"auths": {"quay.io": {"registrytoken": "t"}}}"#);
    let found = registry.get("quay.io/a").await.unwrap().unwrap();
    assert_eq!(found.proof, Proof::RegistryToken(Secret::from("t")));
    assert_eq!(found.exposed().registrytoken.as_deref(), Some("t"));
}

#[tokio::test]
async fn the_store_is_asked_for_the_name_that_docker_uses() {
    let script = r#"printf '{"ServerURL": "%s", "Username": "%s", "Secret": "hunter2"}' "$server" "ada@$server""#;
    for (image, server) in [
        ("nginx", "https://index.docker.io/v1/"),
        ("quay.io/a", "quay.io"),
    ] {
        let fixture = Fixture::new(r#"{"auths": {"quay.io": {}}, "credsStore": "mine"}"#)
            .helper("mine", script);
        let found = fixture.get(image).await.unwrap();
        assert_eq!(
            found,
            Some(login(server, &format!("ada@{server}"), "hunter2"))
        );
    }
}

#[tokio::test]
async fn a_registrys_own_store_wins_over_the_common_one() {
    let fixture = Fixture::new(r#"{"credsStore": "common", "credHelpers": {"quay.io": "own", "docker.io": "own", "box.lan": ""}}"#)
        .helper("common", r#"echo '{"Username": "ada", "Secret": "common"}'"#)
        .helper("own", r#"echo '{"Username": "<token>", "Secret": "own"}'"#);
    let own = fixture.get("quay.io/a").await.unwrap().unwrap();
    assert_eq!(
        (own.username.as_str(), own.proof),
        ("", Proof::IdentityToken(Secret::from("own")))
    );
    let hub = fixture.get("nginx").await.unwrap().unwrap();
    assert_eq!(hub.server, "docker.io");
    assert_eq!(
        fixture.get("ghcr.io/a").await.unwrap(),
        Some(login("ghcr.io", "ada", "common"))
    );
}

#[tokio::test]
async fn a_store_that_knows_nothing_is_no_failure() {
    let not_found = "echo 'credentials not found in native keychain'; exit 1";
    for script in [not_found, r#"echo '{"Username": "", "Secret": ""}'"#] {
        let fixture = Fixture::new(r#"{"credsStore": "mine"}"#).helper("mine", script);
        assert_eq!(fixture.get("quay.io/a").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_store_that_fails_is_named_with_its_words_but_never_with_an_entry() {
    let table = [
        (
            "echo 'gpg: decryption failed'; exit 2",
            "gpg: decryption failed",
        ),
        (
            r#"echo '{"Username": "ada", "Secret": "hunter2"}'; exit 2"#,
            "exit status: 2",
        ),
        ("echo hunter2", "its answer cannot be read"),
    ];
    for (script, expected) in table {
        let fixture = Fixture::new(r#"{"credsStore": "mine"}"#).helper("mine", script);
        let error = fixture.get("quay.io/a").await.unwrap_err().to_string();
        assert!(
            error.contains("docker-credential-mine") && error.contains(expected),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_store_counts_only_when_the_file_has_no_entry() {
    let config = format!(
        r#"{{"credsStore": "gone", "auths": {{"quay.io": {{"auth": "{AUTH}"}}, "ghcr.io": {{}}}}}}"#
    );
    let fixture = Fixture::new(&config);
    assert_eq!(
        fixture.get("quay.io/a").await.unwrap(),
        Some(login("quay.io", "ada", "hunter2"))
    );
    let error = fixture.get("ghcr.io/a").await.unwrap_err();
    assert!(
        matches!(&error, CredentialsError::NoHelper { program, .. } if program == "docker-credential-gone")
    );
    let elsewhere = Fixture::new(r#"{"credsStore": "../../bin/sh"}"#)
        .get("quay.io/a")
        .await;
    assert!(matches!(elsewhere, Err(CredentialsError::NoHelper { .. })));
}

#[tokio::test]
async fn no_error_and_no_print_shows_a_secret() {
    let broken = Fixture::new("{\"auths\": {\"quay.io\": {\"auth\": hunter2}}}")
        .get("quay.io/a")
        .await
        .unwrap_err();
    let undecodable = Fixture::new(r#"{"auths": {"quay.io": {"auth": "hunter2"}}}"#)
        .get("quay.io/a")
        .await
        .unwrap_err();
    for error in [broken, undecodable] {
        assert!(
            !format!("{error} {error:?}").contains("hunter2"),
            "{error:?}"
        );
    }
    let found = login("quay.io", "ada", "hunter2");
    assert!(!format!("{found:?} {found:#?}").contains("hunter2"));
    assert_eq!(found.exposed().password.as_deref(), Some("hunter2"));
}

#[tokio::test]
async fn what_is_no_image_has_no_registry() {
    let error = Fixture::new("{}")
        .get("https://quay.io/a")
        .await
        .unwrap_err();
    assert!(matches!(error, CredentialsError::Image(_)));
}
