//! A token is asked for once.

use futures::future::join_all;

use crate::scripted::Scripted;
use crate::{HOST, Home, denied, token};
use ecr::{Source, Tokens};

/// Base64 of `AWS:pass`.
const TOKEN: &str = "QVdTOnBhc3M=";

#[tokio::test]
async fn however_many_want_a_token_it_is_asked_for_once() {
    let services = Scripted::start(|_| token(TOKEN));
    let sources = Home::new(&services).sources();
    let all = join_all((0..20).map(|_| sources.credentials_for(HOST, None))).await;
    assert!(all.iter().all(|found| found.source == Source::Ecr));
    assert_eq!(services.seen().len(), 1);
}

#[tokio::test]
async fn each_registry_has_a_token_of_its_own() {
    let services = Scripted::start(|_| token(TOKEN));
    let sources = Home::new(&services).sources();
    let other = HOST.replace("123456789012", "210987654321");
    for host in [HOST, &other, HOST, &other] {
        sources.credentials_for(host, None).await;
    }
    let accounts: Vec<_> = services
        .seen()
        .into_iter()
        .map(|request| request.body)
        .collect();
    assert_eq!(
        accounts,
        [
            r#"{"registryIds":["123456789012"]}"#,
            r#"{"registryIds":["210987654321"]}"#
        ]
    );
}

#[tokio::test]
async fn a_token_that_was_not_taken_is_asked_for_anew() {
    let services = Scripted::start(|_| token(TOKEN));
    let sources = Home::new(&services).sources();
    sources.credentials_for(HOST, None).await;
    sources.forget(HOST);
    sources.credentials_for(HOST, None).await;
    assert_eq!(services.seen().len(), 2);
}

#[tokio::test]
async fn a_failure_is_remembered_for_a_moment() {
    let services = Scripted::start(|_| denied());
    let tokens = Tokens::new(Home::new(&services).aws);
    let first = tokens.get(HOST).await.unwrap_err().to_string();
    let second = tokens.get(HOST).await.unwrap_err().to_string();
    assert_eq!(
        first,
        format!("failed to get a token for {HOST}: it answered 400 (AccessDeniedException)")
    );
    assert_eq!(second, format!("{first} (tried within the last 20 s)"));
    assert_eq!(services.seen().len(), 1);
}

#[tokio::test]
async fn who_gives_up_waiting_does_not_stop_the_others() {
    let services = Scripted::start(|_| token(TOKEN));
    let sources = Home::new(&services).sources();
    let impatient = sources.credentials_for(HOST, None);
    let gone = tokio::time::timeout(std::time::Duration::ZERO, impatient).await;
    assert!(gone.is_err());
    assert_eq!(
        sources.credentials_for(HOST, None).await.source,
        Source::Ecr
    );
}

#[tokio::test]
async fn the_public_registry_has_a_service_of_its_own() {
    let services = Scripted::start(|request| {
        assert_eq!(request.body, "{}");
        let body = r#"{"authorizationData":{"authorizationToken":"QVdTOnBhc3M=","expiresAt":4e9}}"#;
        (200, body.to_owned())
    });
    let sources = Home::new(&services).sources();
    let found = sources.credentials_for("public.ecr.aws", None).await;
    assert_eq!(found.source, Source::Ecr);
    let request = services.seen().remove(0);
    assert_eq!(
        request.header("x-amz-target"),
        Some("SpencerFrontendService.GetAuthorizationToken")
    );
    let signature = request.header("authorization").unwrap();
    assert!(
        signature.contains("/us-east-1/ecr-public/aws4_request"),
        "{signature}"
    );
}
