//! Whose credentials a registry is shown, with services and programs that answer as a script says.

#![expect(
    clippy::unwrap_used,
    reason = "the functions that tests share fail as tests do"
)]

#[path = "../support/scripted.rs"]
mod scripted;

mod cache;
mod fallback;
mod secrets;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ecr::{Environment, Sources};
use registries::Secret;
use tempfile::TempDir;

use scripted::Scripted;

const HOST: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";

/// A home with keys for AWS, whose services are at one address, and a folder of programs.
struct Home {
    folder: TempDir,
    aws: Environment,
}

impl Home {
    fn new(services: &Scripted) -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            aws: Environment {
                access_key_id: Some("AKIA".to_owned()),
                secret_access_key: Some(Secret::from("x")),
                endpoint_url: Some(services.url.clone()),
                metadata_disabled: true,
                ..Environment::default()
            },
        }
    }

    /// A `config.json` of Docker.
    fn docker_config(self, text: &str) -> Self {
        fs::write(self.folder.path().join("config.json"), text).unwrap();
        self
    }

    /// A program in shell that keeps credentials; `$server` is what it is asked for.
    fn helper(self, name: &str, script: &str) -> Self {
        let path = self.folder.path().join(format!("docker-credential-{name}"));
        fs::write(
            &path,
            format!("#!/bin/sh\n[ \"$1\" = get ] || exit 9\nserver=$(cat)\n{script}\n"),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn sources(&self) -> Sources {
        let docker = docker::Environment {
            docker_config: self.folder.path().to_owned(),
            path: vec![self.folder.path().to_owned()],
            ..docker::Environment::default()
        };
        Sources::new(self.aws.clone(), docker)
    }
}

/// The answer of a service that gives a token for twelve hours.
fn token(base64: &str) -> (u16, String) {
    let expires = jiff::Timestamp::now().as_second() + 43_200;
    let body = format!(
        r#"{{"authorizationData":[{{"authorizationToken":"{base64}","expiresAt":{expires}}}]}}"#
    );
    (200, body)
}

/// The answer of a service that says no.
fn denied() -> (u16, String) {
    let body = r#"{"__type":"AccessDeniedException","message":"hunter2"}"#;
    (400, body.to_owned())
}
