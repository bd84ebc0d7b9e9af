//! Who may push, who may ask, which registries may be named.

use berth_gateway::access::{Push, Users};
use berth_gateway::names::Digest;
use berth_gateway::target::Registries;
use serde_json::json;

use crate::running::{Setup, manifest_of, start, start_with};

fn users() -> Push {
    let hash = bcrypt::hash_with_salt("open sesame", 4, *b"0123456789abcdef").unwrap();
    Push::Users(Users::parse(&format!("ann:{hash}\n")).unwrap())
}

// ann:open sesame, ann:wrong
const RIGHT: &str = "Basic YW5uOm9wZW4gc2VzYW1l";
const WRONG: &str = "Basic YW5uOndyb25n";

/// Every request that changes something.
fn writes() -> Vec<(&'static str, String)> {
    let digest = Digest::of(b"x");
    let upload = format!("/v2/app/blobs/uploads/{}", "0".repeat(32));
    vec![
        ("POST", "/v2/app/blobs/uploads/".to_owned()),
        ("POST", format!("/v2/app/blobs/uploads/?digest={digest}")),
        ("POST", format!("/v2/app/blobs/uploads/?mount={digest}")),
        ("PATCH", upload.clone()),
        ("PUT", format!("{upload}?digest={digest}")),
        ("DELETE", upload.clone()),
        ("GET", upload),
        ("PUT", "/v2/app/manifests/1".to_owned()),
        ("DELETE", "/v2/app/manifests/1".to_owned()),
        ("DELETE", format!("/v2/app/blobs/{digest}")),
    ]
}

#[tokio::test]
async fn nobody_pushes_where_it_is_off() {
    let running = start_with(Setup {
        push: Push::Off,
        ..Setup::default()
    })
    .await;
    for (method, path) in writes() {
        let answer = running.ask(method, &path).body("x").send().await;
        assert!(
            answer.refuses(405, "UNSUPPORTED").header("allow").is_some(),
            "{method} {path}"
        );
    }
    assert_eq!(running.get("/v2/").await.status, 200);
}

#[tokio::test]
async fn users_push_with_their_passwords_and_everybody_pulls() {
    let running = start_with(Setup {
        push: users(),
        ..Setup::default()
    })
    .await;
    for (method, path) in writes() {
        for login in [None, Some(WRONG)] {
            let mut ask = running.ask(method, &path).body("x");
            if let Some(login) = login {
                ask = ask.header("Authorization", login);
            }
            let answer = ask.send().await.refuses(401, "UNAUTHORIZED");
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Basic realm=\"berth-gateway\""),
                "{method} {path}"
            );
        }
    }
    running.get("/v2/").await.refuses(401, "UNAUTHORIZED");
    running
        .ask("GET", "/v2/")
        .header("Authorization", WRONG)
        .send()
        .await
        .is(401);
    running
        .ask("GET", "/v2/")
        .header("Authorization", RIGHT)
        .send()
        .await
        .is(200);
    let digest = Digest::of(b"{}");
    let post = format!("/v2/app/blobs/uploads/?digest={digest}");
    running
        .ask("POST", &post)
        .header("Authorization", RIGHT)
        .body("{}")
        .send()
        .await
        .is(201);
    running
        .get(&format!("/v2/app/blobs/{digest}"))
        .await
        .is(200);
}

#[tokio::test]
async fn a_password_of_ours_is_not_handed_to_other_registries() {
    let running = start_with(Setup {
        push: users(),
        ..Setup::default()
    })
    .await;
    running
        .images
        .add("docker.io", "library/app", "1", &json!({"layers": []}));
    running
        .ask("GET", "/v2/app/manifests/1")
        .header("Authorization", RIGHT)
        .send()
        .await
        .is(200);
    assert!(
        running
            .images
            .asked()
            .iter()
            .all(|(_, user, _)| user.is_none())
    );
    running
        .ask("GET", "/v2/library/app/manifests/1?ns=docker.io")
        .header("Authorization", RIGHT)
        .send()
        .await
        .is(200);
    assert_eq!(running.images.asked()[0].1.as_deref(), Some("ann"));
}

#[tokio::test]
async fn nothing_is_pushed_into_another_registry_s_names() {
    let running = start().await;
    for (method, path) in writes() {
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}ns=docker.io");
        running
            .ask(method, &path)
            .body("x")
            .send()
            .await
            .refuses(405, "UNSUPPORTED");
    }
}

#[tokio::test]
async fn what_is_pushed_is_never_served_for_another_registry() {
    let running = start().await;
    for name in ["docker.io/library/app", "library/app", "app", "ghcr.io/app"] {
        running.push_image(name, "1").await;
    }
    for path in [
        "/v2/library/app/manifests/1?ns=docker.io",
        "/v2/app/manifests/1?ns=docker.io",
        "/v2/app/manifests/1?ns=ghcr.io",
        "/v2/library/app/manifests/1?ns=registry-1.docker.io",
    ] {
        running.get(path).await.refuses(404, "MANIFEST_UNKNOWN");
    }
    let blob = Digest::of(b"{}");
    running
        .get(&format!("/v2/library/app/blobs/{blob}?ns=docker.io"))
        .await
        .refuses(404, "BLOB_UNKNOWN");
    running
        .get("/v2/library/app/tags/list?ns=docker.io")
        .await
        .refuses(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn only_registries_of_the_list_are_asked() {
    let registries = Registries::parse(["docker.io", "*.example.com"]).unwrap();
    let running = start_with(Setup {
        registries,
        ..Setup::default()
    })
    .await;
    for host in [
        "evil.test",
        "169.254.169.254",
        "127.0.0.1%3A15000",
        "example.com",
    ] {
        let path = format!("/v2/app/manifests/1?ns={host}");
        running.get(&path).await.refuses(403, "DENIED");
    }
    assert!(running.images.asked().is_empty());
    running
        .get("/v2/app/manifests/1?ns=a.example.com")
        .await
        .is(404);
    assert_eq!(running.images.asked().len(), 1);
}

#[tokio::test]
async fn a_broken_login_is_refused_and_never_repeated() {
    let running = start().await;
    let answer = running
        .ask("GET", "/v2/")
        .header("Authorization", "Basic c2VjcmV0")
        .send()
        .await
        .is(400);
    assert!(!String::from_utf8_lossy(&answer.body).contains("c2VjcmV0"));
}

#[tokio::test]
async fn local_pushes_come_from_this_machine() {
    let running = start().await;
    running.push_blob("app", b"{}").await;
    running
        .put_manifest("app", "1", &manifest_of("{}", "{}"))
        .await
        .is(201);
}
