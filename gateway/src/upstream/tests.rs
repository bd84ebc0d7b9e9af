//! Against a registry that is played here, over real connections.

use std::sync::{Arc, Mutex};

use docker::Credentials;
use docker::credentials::Proof;
use futures::TryStreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Problem, Upstream};
use crate::mirror::MirrorSettings;
use crate::names::{Digest, Host, MirroredName, Name, Reference};

const MANIFEST: &str = r#"{"schemaVersion":2,"layers":[]}"#;
const DIGEST: &str = "sha256:2a62ad7cddae0a3efdd0fcf29dd2b9c6a3ab9a72d2b8c0c2f0ab1a3eee4c67d0";

/// A request as it came: the first line, and what stood in `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    line: String,
    authorization: Option<String>,
}

struct Played {
    name: MirroredName,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Played {
    /// Answers each request with a status, headers and a body.
    async fn new(
        answer: impl Fn(&Seen, &str) -> (u16, String, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (kept, answer) = (Arc::clone(&seen), Arc::new(answer));
        let own = address.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (kept, answer, own) = (Arc::clone(&kept), Arc::clone(&answer), own.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await?);
                        if head == [0x16] {
                            return Ok(());
                        }
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let seen = Seen {
                        line: head.lines().next().unwrap_or_default().to_owned(),
                        authorization: head.lines().find_map(|line| {
                            let (name, value) = line.split_once(": ")?;
                            (name.eq_ignore_ascii_case("authorization")).then(|| value.to_owned())
                        }),
                    };
                    let (status, headers, body) = answer(&seen, &own);
                    kept.lock().unwrap().push(seen);
                    let length = body.len();
                    let told = format!(
                        "HTTP/1.1 {status} Any\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
                    );
                    stream.write_all(told.as_bytes()).await?;
                    if !head.starts_with("HEAD") {
                        stream.write_all(body.as_bytes()).await?;
                    }
                    stream.shutdown().await
                });
            }
        });
        let name = MirroredName {
            host: Host::parse(&address).unwrap(),
            repository: Name::parse("a/b").unwrap(),
        };
        Self { name, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        let probes = |seen: &&Seen| !seen.line.starts_with("GET /v2/ ");
        seen.iter().filter(probes).cloned().collect()
    }
}

fn upstream() -> Upstream {
    Upstream::new(&MirrorSettings::default())
}

fn login(password: &str) -> Credentials {
    Credentials {
        server: String::new(),
        username: "ada".into(),
        proof: Proof::Password(password.into()),
    }
}

fn ok(body: &str) -> (u16, String, String) {
    (200, String::new(), body.to_owned())
}

fn tag() -> Reference {
    Reference::parse("1").unwrap()
}

#[tokio::test]
async fn a_token_is_got_with_the_login_and_used_again() {
    let played = Played::new(|seen, own| {
        if seen.line.starts_with("GET /token") {
            return ok(r#"{"token": "t0ken", "expires_in": 300}"#);
        }
        if seen.authorization.as_deref() == Some("Bearer t0ken") {
            return ok(MANIFEST);
        }
        let challenge = format!(
            "WWW-Authenticate: Bearer realm=\"http://{own}/token\",service=\"s\",scope=\"repository:a/b:pull,push\"\r\n"
        );
        (401, challenge, String::new())
    })
    .await;
    let (upstream, ada) = (upstream(), login("secret"));
    for _ in 0..2 {
        let manifest = upstream
            .manifest(&played.name, &tag(), Some(&ada))
            .await
            .unwrap();
        assert_eq!(manifest.bytes, MANIFEST);
    }
    let seen = played.seen();
    let lines: Vec<&str> = seen.iter().map(|seen| seen.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "GET /v2/a/b/manifests/1 HTTP/1.1",
            "GET /token?service=s&scope=repository%3Aa%2Fb%3Apull HTTP/1.1",
            "GET /v2/a/b/manifests/1 HTTP/1.1",
            "GET /v2/a/b/manifests/1 HTTP/1.1",
        ]
    );
    assert_eq!(seen[0].authorization, None);
    assert_eq!(
        seen[1].authorization.as_deref(),
        Some("Basic YWRhOnNlY3JldA==")
    );
    // Somebody else's question is asked without that token.
    upstream.manifest(&played.name, &tag(), None).await.unwrap();
    assert_eq!(played.seen()[4].authorization, None);
}

#[tokio::test]
async fn a_redirect_elsewhere_gets_no_credentials() {
    let elsewhere = Played::new(|_, _| ok("blob")).await;
    let to = elsewhere.name.host.to_string();
    let played = Played::new(move |seen, _| match &seen.authorization {
        None => (
            401,
            "WWW-Authenticate: Basic realm=\"r\"\r\n".into(),
            String::new(),
        ),
        Some(_) => (
            307,
            format!("Location: http://{to}/there\r\n"),
            String::new(),
        ),
    })
    .await;
    let digest = Digest::parse(DIGEST).unwrap();
    let blob = upstream()
        .blob(&played.name, &digest, Some(&login("secret")))
        .await
        .unwrap();
    assert_eq!(blob.size, 4);
    let bytes: Vec<_> = blob.bytes.try_collect().await.unwrap();
    assert_eq!(bytes.concat(), b"blob");
    let seen = elsewhere.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].line.as_str(), &seen[0].authorization),
        ("GET /there HTTP/1.1", &None)
    );
}

#[tokio::test]
async fn answers_that_cannot_be_right_are_refused() {
    let reference = Reference::parse(DIGEST).unwrap();
    let other = Played::new(|_, _| ok(MANIFEST)).await;
    let found = upstream()
        .manifest(&other.name, &reference, None)
        .await
        .unwrap_err();
    assert!(matches!(found.problem, Problem::Odd(_)), "{found}");
    let endless = Played::new(|_, _| ok(&" ".repeat(super::LARGEST + 1))).await;
    let found = upstream()
        .manifest(&endless.name, &tag(), None)
        .await
        .unwrap_err();
    assert!(matches!(found.problem, Problem::Odd(_)), "{found}");
    let circle = Played::new(|_, own| {
        (
            302,
            format!("Location: http://{own}/v2/again\r\n"),
            String::new(),
        )
    })
    .await;
    let found = upstream()
        .look(&circle.name, &tag(), None)
        .await
        .unwrap_err();
    assert_eq!(found.problem, Problem::Odd("it redirects without end"));
    assert_eq!(circle.seen().len(), super::REDIRECTS + 1);
}

#[tokio::test]
async fn encrypted_registries_are_reached_through_the_proxy() {
    let played = Played::new(|_, _| (502, String::new(), String::new())).await;
    let proxied = |no_proxy: Option<&str>| {
        Upstream::new(&MirrorSettings {
            proxy: Some(
                format!("http://ada:secret@{}", played.name.host)
                    .as_str()
                    .into(),
            ),
            no_proxy: no_proxy.map(Into::into),
            ..MirrorSettings::default()
        })
    };
    let far = MirroredName {
        host: Host::parse("registry.invalid").unwrap(),
        repository: Name::parse("a").unwrap(),
    };
    for (no_proxy, count) in [(None, 1), (Some("registry.invalid"), 1)] {
        let failed = proxied(no_proxy)
            .look(&far, &tag(), None)
            .await
            .unwrap_err();
        assert!(
            matches!(failed.problem, Problem::Unreachable(_)),
            "{failed}"
        );
        assert!(!format!("{failed:?}").contains("secret"), "{failed:?}");
        assert_eq!(played.seen().len(), count);
    }
    assert_eq!(
        played.seen()[0].line,
        "CONNECT registry.invalid:443 HTTP/1.1"
    );
    // What is on this machine is not reached by others.
    proxied(None)
        .look(&played.name, &tag(), None)
        .await
        .unwrap_err();
    assert!(
        played
            .seen()
            .iter()
            .skip(1)
            .all(|seen| !seen.line.starts_with("CONNECT"))
    );
}

#[tokio::test]
async fn statuses_are_told_apart() {
    for (status, expected) in [
        (401, Problem::Login),
        (403, Problem::Forbidden),
        (404, Problem::Absent),
        (429, Problem::RateLimit),
        (503, Problem::Down),
    ] {
        let played = Played::new(move |_, _| (status, String::new(), String::new())).await;
        let found = upstream()
            .look(&played.name, &tag(), None)
            .await
            .unwrap_err();
        assert_eq!(found.problem, expected);
    }
    let nobody = MirroredName {
        host: Host::parse("127.0.0.1:1").unwrap(),
        repository: Name::parse("a").unwrap(),
    };
    let found = upstream().look(&nobody, &tag(), None).await.unwrap_err();
    assert!(matches!(found.problem, Problem::Unreachable(_)), "{found}");
}

#[tokio::test]
async fn a_registry_that_repeats_the_login_makes_nobody_else_say_it() {
    const SECRET: &str = "tell~nobody/42";
    for status in [400, 401, 403, 404, 429, 500] {
        let played = Played::new(move |seen, own| {
            let words = seen.authorization.clone().unwrap_or_default();
            let challenge = match seen.line.starts_with("GET /token") {
                true => String::new(),
                false if words.is_empty() => "WWW-Authenticate: Basic realm=\"r\"\r\n".to_owned(),
                false => {
                    format!("WWW-Authenticate: Bearer realm=\"http://{own}/token?{SECRET}\"\r\n")
                }
            };
            let status = if words.is_empty() { 401 } else { status };
            (status, challenge, format!("{words} {SECRET}"))
        })
        .await;
        let upstream = upstream();
        let found = upstream
            .manifest(&played.name, &tag(), Some(&login(SECRET)))
            .await
            .unwrap_err();
        for text in [format!("{found}"), format!("{found:?}")] {
            assert!(!text.contains(SECRET) && !text.contains("dGVsbH"), "{text}");
        }
    }
}
