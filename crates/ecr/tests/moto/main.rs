//! Tokens of Amazon ECR from moto, which checks every signature as AWS does.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the functions that tests share fail as tests do"
)]

#[path = "../support/scripted.rs"]
mod scripted;
mod service;
mod tls;

use std::error::Error as _;
use std::fs;
use std::path::Path;

use docker::Credentials;
use docker::credentials::Proof;
use ecr::{Environment, Source, Sources, Tokens};
use registries::Secret;
use tempfile::TempDir;

use scripted::Scripted;
use service::{Moto, User};

const HOST: &str = "210987654321.dkr.ecr.eu-central-1.amazonaws.com";

/// What moto gives for the account of [`HOST`].
fn token() -> Credentials {
    Credentials {
        server: HOST.to_owned(),
        username: "AWS".to_owned(),
        proof: Proof::Password(Secret::from("210987654321-auth-token")),
    }
}

/// An environment that leads to moto and to nobody who would give credentials.
fn nobody(moto: &Moto) -> Environment {
    Environment {
        endpoint_url: Some(moto.url()),
        metadata_disabled: true,
        ..Environment::default()
    }
}

fn keys(moto: &Moto, user: &User) -> Environment {
    Environment {
        access_key_id: Some(user.key_id.clone()),
        secret_access_key: Some(Secret::from(user.key.as_str())),
        ..nobody(moto)
    }
}

fn profiles(moto: &Moto, folder: &Path, config: &str) -> Environment {
    let file = folder.join("config");
    fs::write(&file, config).unwrap();
    Environment {
        config_file: Some(file),
        ..nobody(moto)
    }
}

#[tokio::test]
async fn a_signed_call_gets_the_token_of_the_hosts_account() {
    let moto = Moto::start();
    let user = moto.user("ada");
    moto.check_after(0);
    let found = Tokens::new(keys(&moto, &user)).get(HOST).await.unwrap();
    assert_eq!(found, Some(token()));
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_not_repeated() {
    let moto = Moto::start();
    let mut user = moto.user("ada");
    user.key = "hunter2hunter2".to_owned();
    moto.check_after(0);
    let error = Tokens::new(keys(&moto, &user)).get(HOST).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("failed to get a token for {HOST}: it answered 403")
    );
    assert!(error.source().is_none());
}

#[tokio::test]
async fn without_aws_credentials_there_is_neither_token_nor_error() {
    let moto = Moto::start();
    let found = Tokens::new(nobody(&moto)).get(HOST).await.unwrap();
    assert_eq!(found, None);
}

#[tokio::test]
async fn another_registry_is_an_error() {
    let moto = Moto::start();
    let error = Tokens::new(nobody(&moto))
        .get("docker.io")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("docker.io"), "{error}");
}

#[tokio::test]
async fn the_token_of_a_service_account_is_enough() {
    let moto = Moto::start();
    let arn = moto.role("puller");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "a.service.account\n").unwrap();
    // STS takes this call unsigned; the one for the registry's token is checked.
    moto.check_after(1);
    let environment = Environment {
        web_identity_token_file: Some(file),
        role_arn: Some(arn),
        ..nobody(&moto)
    };
    let found = Tokens::new(environment).get(HOST).await.unwrap();
    assert_eq!(found, Some(token()));
}

#[tokio::test]
async fn a_profile_takes_on_its_role_with_the_keys_of_another() {
    let moto = Moto::start();
    let (user, arn) = (moto.user("ada"), moto.role("puller"));
    moto.check_after(0);
    let folder = TempDir::new().unwrap();
    let config = format!(
        "[profile base]\naws_access_key_id = {}\naws_secret_access_key = {}\n[profile shop]\nregion = eu-west-3\nrole_arn = {arn}\nsource_profile = base\n",
        user.key_id, user.key
    );
    let environment = Environment {
        profile: Some("shop".to_owned()),
        ..profiles(&moto, folder.path(), &config)
    };
    let found = Tokens::new(environment).get(HOST).await.unwrap();
    assert_eq!(found, Some(token()));
}

#[tokio::test]
async fn a_program_of_a_profile_gives_credentials() {
    let moto = Moto::start();
    let user = moto.user("ada");
    moto.check_after(0);
    let folder = TempDir::new().unwrap();
    let config = format!(
        "[default]\ncredential_process = echo '{{\"Version\":1,\"AccessKeyId\":\"{}\",\"SecretAccessKey\":\"{}\"}}'\n",
        user.key_id, user.key
    );
    let environment = profiles(&moto, folder.path(), &config);
    let found = Tokens::new(environment).get(HOST).await.unwrap();
    assert_eq!(found, Some(token()));
}

#[tokio::test]
async fn the_service_beside_a_container_gives_credentials_to_who_shows_its_token() {
    let moto = Moto::start();
    let user = moto.user("ada");
    moto.check_after(0);
    let document = format!(
        r#"{{"AccessKeyId":"{}","SecretAccessKey":"{}","Expiration":"2030-01-01T00:00:00Z"}}"#,
        user.key_id, user.key
    );
    let service = Scripted::start(move |request| {
        if request.line == "GET /v1/credentials" && request.header("authorization") == Some("pod") {
            (200, document.clone())
        } else {
            (401, String::new())
        }
    });
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "pod\n").unwrap();
    let with = |file: Option<&Path>| Environment {
        container_full_uri: Some(format!("{}/v1/credentials", service.url)),
        container_token_file: file.map(Path::to_owned),
        ..nobody(&moto)
    };
    let found = Tokens::new(with(Some(&file))).get(HOST).await.unwrap();
    assert_eq!(found, Some(token()));
    let error = Tokens::new(with(None)).get(HOST).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to get AWS credentials from the container's service: it answered 401"
    );
    assert_eq!(service.seen().len(), 2);
}

#[tokio::test]
async fn the_machines_role_gives_credentials() {
    let moto = Moto::start();
    let environment = Environment {
        metadata_disabled: false,
        metadata_endpoint: Some(moto.url()),
        ..nobody(&moto)
    };
    let found = Tokens::new(environment).get(HOST).await.unwrap();
    assert_eq!(found, Some(token()));
}

#[tokio::test]
async fn a_gateway_finds_the_token_and_passes_over_who_is_refused() {
    let moto = Moto::start();
    let user = moto.user("ada");
    moto.check_after(0);
    let folder = TempDir::new().unwrap();
    let docker = docker::Environment {
        docker_config: folder.path().to_owned(),
        ..docker::Environment::default()
    };
    let sources = Sources::new(keys(&moto, &user), docker.clone());
    let found = sources.credentials_for(HOST, None).await;
    assert_eq!(found.source, Source::Ecr);
    assert_eq!(found.credentials, Some(token()));

    let stranger = User {
        key_id: "AKIASTRANGER".to_owned(),
        ..user
    };
    // Base64 of `ada:hunter2`.
    let config = format!(r#"{{"auths":{{"{HOST}":{{"auth":"YWRhOmh1bnRlcjI="}}}}}}"#);
    fs::write(folder.path().join("config.json"), config).unwrap();
    let sources = Sources::new(keys(&moto, &stranger), docker);
    let found = sources.credentials_for(HOST, None).await;
    assert_eq!(found.source, Source::Docker);
    assert_eq!(found.credentials.unwrap().username, "ada");
}
