//! Who is asked after whom.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use docker::Credentials;
use docker::credentials::Proof;
use ecr::{Environment, Found, Source};
use registries::Secret;

use crate::scripted::Scripted;
use crate::{HOST, Home, denied, token};

/// An entry of `config.json` for a registry: base64 of `ada:hunter2`.
fn login(server: &str) -> String {
    format!(r#"{{"auths":{{"{server}":{{"auth":"YWRhOmh1bnRlcjI="}}}}}}"#)
}

fn user(found: &Found) -> Option<&str> {
    Some(found.credentials.as_ref()?.username.as_str())
}

const ANSWER: &str = r#"printf '{"Username":"helper","Secret":"%s"}' "$server""#;

#[tokio::test]
async fn a_callers_own_credentials_are_all_that_a_registry_is_shown() {
    // Base64 of `AWS:pass`.
    let services = Scripted::start(|_| token("QVdTOnBhc3M="));
    let home = Home::new(&services).docker_config(&login(HOST));
    let mine = Credentials {
        server: HOST.to_owned(),
        username: "me".to_owned(),
        proof: Proof::Password(Secret::from("mine")),
    };
    let found = home
        .sources()
        .credentials_for(HOST, Some(mine.clone()))
        .await;
    assert_eq!(found.source, Source::Caller);
    assert_eq!(found.credentials, Some(mine));
    assert!(services.seen().is_empty());
}

#[tokio::test]
async fn without_a_token_amazons_own_program_is_asked_then_docker_then_nobody() {
    let services = Scripted::start(|_| denied());
    let home = Home::new(&services)
        .docker_config(&login(HOST))
        .helper("ecr-login", ANSWER);
    let found = home.sources().credentials_for(HOST, None).await;
    assert_eq!(
        (found.source, user(&found)),
        (Source::EcrLogin, Some("helper"))
    );
    let secret = Proof::Password(Secret::from(HOST));
    assert_eq!(
        found.credentials.unwrap().proof,
        secret,
        "it is asked for the host alone"
    );

    let home = home.helper("ecr-login", "echo no credentials; exit 1");
    let found = home.sources().credentials_for(HOST, None).await;
    assert_eq!((found.source, user(&found)), (Source::Docker, Some("ada")));

    let home = home.docker_config("{}");
    let found = home.sources().credentials_for(HOST, None).await;
    assert_eq!((found.source, user(&found)), (Source::Anonymous, None));
}

#[tokio::test]
async fn amazons_services_and_program_are_for_its_registries_alone() {
    let services = Scripted::start(|_| denied());
    let home = Home::new(&services)
        .docker_config(&login("quay.io"))
        .helper("ecr-login", ANSWER);
    let found = home.sources().credentials_for("quay.io", None).await;
    assert_eq!((found.source, user(&found)), (Source::Docker, Some("ada")));
    let found = home.sources().credentials_for("ghcr.io", None).await;
    assert_eq!((found.source, user(&found)), (Source::Anonymous, None));
    assert!(services.seen().is_empty());
}

#[tokio::test]
async fn programs_that_dockers_configuration_names_are_asked() {
    let services = Scripted::start(|_| denied());
    let home = Home::new(&services)
        .docker_config(r#"{"credHelpers":{"quay.io":"vault"},"credsStore":"all"}"#)
        .helper("vault", ANSWER)
        .helper(
            "all",
            "echo credentials not found in native keychain; exit 1",
        );
    let found = home.sources().credentials_for("quay.io", None).await;
    assert_eq!(
        (found.source, user(&found)),
        (Source::Docker, Some("helper"))
    );
    let found = home.sources().credentials_for("ghcr.io", None).await;
    assert_eq!(found.source, Source::Anonymous);
}

#[tokio::test]
async fn a_broken_configuration_leaves_the_registry_to_be_asked_without() {
    let services = Scripted::start(|_| denied());
    for config in [
        "{ not json",
        r#"{"auths":{"quay.io":{"auth":"*"}}}"#,
        r#"{"credsStore":"missing"}"#,
        r#"{"credsStore":"broken"}"#,
    ] {
        let home = Home::new(&services)
            .docker_config(config)
            .helper("broken", "echo; exit 3");
        let found = home.sources().credentials_for("quay.io", None).await;
        assert_eq!(found.source, Source::Anonymous, "{config}");
    }
}

/// Whether a process runs that was started with this path.
fn runs(path: &Path) -> bool {
    let path = path.to_str().unwrap().as_bytes();
    fs::read_dir("/proc").unwrap().any(|entry| {
        let command = fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        command.split(|byte| *byte == 0).any(|word| word == path)
    })
}

/// The program's own time passes, and that of the test stands still until it has begun to wait.
#[tokio::test]
async fn a_program_that_never_answers_is_ended() {
    let services = Scripted::start(|_| denied());
    let home = Home::new(&services)
        .docker_config(r#"{"credsStore":"slow"}"#)
        .helper("slow", "read -r line < ${0%/*}/fifo");
    let fifo = home.folder.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let program = home.folder.path().join("docker-credential-slow");

    let asked = tokio::spawn(async move { home.sources().credentials_for("quay.io", None).await });
    let deadline = Instant::now() + Duration::from_secs(10);
    while !runs(&program) {
        assert!(Instant::now() < deadline, "the program is not started");
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let found = asked.await.unwrap();
    assert_eq!(found.source, Source::Anonymous);
    while runs(&program) {
        assert!(Instant::now() < deadline, "the program still runs");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn nothing_listens_and_the_registry_is_asked_without() {
    let services = Scripted::start(|_| denied());
    let mut home = Home::new(&services);
    home.aws.endpoint_url = Some("http://127.0.0.1:1".to_owned());
    assert_eq!(
        home.sources().credentials_for(HOST, None).await.source,
        Source::Anonymous
    );
}

#[tokio::test]
async fn a_machine_without_the_service_of_amazons_machines_has_no_credentials() {
    let services = Scripted::start(|_| denied());
    let mut home = Home::new(&services);
    home.aws = Environment {
        metadata_endpoint: Some("http://127.0.0.1:1".to_owned()),
        ..Environment::default()
    };
    let tokens = ecr::Tokens::new(home.aws);
    assert_eq!(tokens.get(HOST).await.unwrap(), None);
}

#[tokio::test]
async fn the_machines_service_is_asked_with_a_token_only() {
    let services = Scripted::start(|request| {
        match request.line.as_str() {
        "PUT /latest/api/token" => (200, "session".to_owned()),
        _ if request.header("x-aws-ec2-metadata-token") != Some("session") => (401, String::new()),
        "GET /latest/meta-data/iam/security-credentials/" => (200, "role\n".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/role" => (
            200,
            r#"{"Code":"Success","AccessKeyId":"ASIA","SecretAccessKey":"x","Token":"of the session"}"#.to_owned(),
        ),
        _ => (404, String::new()),
    }
    });
    let registry = Scripted::start(|_| token("QVdTOnBhc3M="));
    let mut home = Home::new(&registry);
    home.aws = Environment {
        metadata_endpoint: Some(services.url.clone()),
        endpoint_url: Some(registry.url.clone()),
        ..Environment::default()
    };
    assert_eq!(
        home.sources().credentials_for(HOST, None).await.source,
        Source::Ecr
    );
    let request = registry.seen().remove(0);
    assert_eq!(
        request.header("x-amz-security-token"),
        Some("of the session")
    );
    assert_eq!(services.seen().len(), 3);
}

#[tokio::test]
async fn a_machine_without_a_role_and_one_of_another_cloud_have_no_credentials() {
    for status in [200, 403, 404, 405] {
        let services = Scripted::start(move |request| match request.line.as_str() {
            "PUT /latest/api/token" => (status, "session".to_owned()),
            _ => (404, String::new()),
        });
        let environment = Environment {
            metadata_endpoint: Some(services.url.clone()),
            ..Environment::default()
        };
        let found = ecr::Tokens::new(environment).get(HOST).await;
        assert_eq!(found.unwrap(), None, "{status}");
    }
}
