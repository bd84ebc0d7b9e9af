//! Pulls, from a registry that is played here: dockerd takes what listens on 127.0.0.1 without TLS.

use std::sync::{Arc, Mutex};

use docker::credentials::{Credentials, Proof};
use docker::{Engine, Environment, Progress};
use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::fixture::{engine, tar_of, unique};

/// Every character that the two alphabets of base64 write differently occurs in it, at every place.
const PASSWORD: &str = "~~~???>>>\u{ff}\u{ff}\u{fe}pass:word~?";

/// A registry with one image that wants `ada` and [`PASSWORD`].
struct Registry {
    host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

struct Content {
    config: Vec<u8>,
    layer: Vec<u8>,
}

impl Content {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("name"), name).unwrap();
        let layer = tar_of(folder.path());
        let config = serde_json::json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        });
        Self {
            config: config.to_string().into_bytes(),
            layer,
        }
    }

    fn manifest(&self) -> Vec<u8> {
        let descriptor = |kind: &str, content: &[u8]| serde_json::json!({"mediaType": kind, "digest": digest(content), "size": content.len()});
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": descriptor("application/vnd.docker.container.image.v1+json", &self.config),
            "layers": [descriptor("application/vnd.docker.image.rootfs.diff.tar", &self.layer)],
        });
        manifest.to_string().into_bytes()
    }

    fn answer(&self, path: &str) -> Option<(&'static str, Vec<u8>)> {
        let blob = "application/octet-stream";
        if path == "/v2/" {
            return Some(("application/json", b"{}".to_vec()));
        }
        if path.ends_with("/manifests/1") || path.ends_with(&digest(&self.manifest())) {
            return Some((
                "application/vnd.docker.distribution.manifest.v2+json",
                self.manifest(),
            ));
        }
        [&self.config, &self.layer]
            .into_iter()
            .find(|content| path.ends_with(&digest(content)))
            .map(|content| (blob, content.clone()))
    }
}

fn digest(content: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(content) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

impl Registry {
    async fn start(name: &str) -> Self {
        use base64::Engine as _;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let content = Arc::new(Content::new(name));
        let basic = base64::prelude::BASE64_STANDARD.encode(format!("ada:{PASSWORD}"));
        let expected = format!("authorization: basic {basic}").to_lowercase();
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (seen, content, expected) =
                    (Arc::clone(&seen), Arc::clone(&content), expected.clone());
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        request.push(stream.read_u8().await?);
                        // Encryption is tried first; who is not answered waits.
                        if request == [0x16] {
                            return Ok(());
                        }
                    }
                    let request = String::from_utf8_lossy(&request).into_owned();
                    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                    seen.lock().unwrap().push(path.clone());
                    let (status, kind, body) = if !request.to_lowercase().contains(&expected) {
                        let no = br#"{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}"#;
                        ("401 Unauthorized", "application/json", no.to_vec())
                    } else if let Some((kind, body)) = content.answer(&path) {
                        ("200 OK", kind, body)
                    } else {
                        let no = br#"{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}"#;
                        ("404 Not Found", "application/json", no.to_vec())
                    };
                    let head = format!(
                        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
                         Www-Authenticate: Basic realm=\"test\"\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n",
                        body.len()
                    );
                    stream.write_all(head.as_bytes()).await?;
                    if !request.starts_with("HEAD") {
                        stream.write_all(&body).await?;
                    }
                    stream.shutdown().await
                });
            }
        });
        Self { host, asked }
    }

    async fn pull(
        &self,
        engine: &Engine,
        tag: &str,
        password: Option<&str>,
    ) -> Result<Vec<Progress>, docker::Error> {
        let credentials = password.map(|password| Credentials {
            server: self.host.clone(),
            username: "ada".into(),
            proof: Proof::Password(password.into()),
        });
        let image = format!("{}/shop:{tag}", self.host);
        engine
            .pull(&image, credentials.as_ref())
            .try_collect()
            .await
    }
}

#[tokio::test]
async fn a_private_image_is_pulled_with_the_login_and_not_without() {
    let engine = engine().await;
    let registry = Registry::start(&unique("private")).await;
    for password in [None, Some("wrong")] {
        let refused = registry.pull(&engine, "1", password).await.unwrap_err();
        assert!(refused.to_string().contains("docker login"), "{refused}");
    }
    let progress = registry.pull(&engine, "1", Some(PASSWORD)).await.unwrap();
    assert!(
        progress.iter().any(|line| line.status == "Pull complete"),
        "{progress:?}"
    );
    let image = format!("{}/shop:1", registry.host);
    assert!(engine.image(&image).await.unwrap().is_some());
    engine.remove_image(&image, false).await.unwrap();
    assert!(
        registry
            .asked
            .lock()
            .unwrap()
            .iter()
            .all(|path| path.starts_with("/v2/"))
    );
}

#[tokio::test]
async fn an_image_that_the_registry_does_not_have_is_not_found() {
    let engine = engine().await;
    let registry = Registry::start(&unique("missing")).await;
    let missing = registry
        .pull(&engine, "2", Some(PASSWORD))
        .await
        .unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
    let nonsense = engine
        .pull("https://quay.io/a", None)
        .try_collect::<Vec<_>>()
        .await
        .unwrap_err();
    assert!(
        nonsense.to_string().contains("without a scheme"),
        "{nonsense}"
    );
}

#[tokio::test]
async fn the_login_of_the_configuration_opens_the_registry() {
    use base64::Engine as _;
    let engine = engine().await;
    let registry = Registry::start(&unique("login")).await;
    let folder = tempfile::tempdir().unwrap();
    let auth = base64::prelude::BASE64_STANDARD.encode(format!("ada:{PASSWORD}"));
    let config = serde_json::json!({"auths": {&registry.host: {"auth": auth}}});
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let environment = Environment {
        docker_config: folder.path().to_owned(),
        ..Environment::default()
    };
    let image = format!("{}/shop:1", registry.host);
    let credentials = docker::credentials::for_image(&image, &environment)
        .await
        .unwrap();
    engine
        .pull(&image, credentials.as_ref())
        .try_collect::<Vec<_>>()
        .await
        .unwrap();
    engine.remove_image(&image, false).await.unwrap();
}
