//! The watches against a scripted API server that forgets, interrupts and dawdles.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc;
use http::{Request, Response};
use http_body_util::channel::Channel;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tower_test::mock;

use super::*;

type Answer = Response<Channel<Bytes>>;

const SOON: Duration = Duration::from_secs(30);
const SECRETS: &str = "/api/v1/namespaces/berth-system/secrets";

fn secret(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": name, "namespace": "berth-system", "resourceVersion": version},
    })
}

fn list(items: &[Value], version: &str) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
        "metadata": {"resourceVersion": version}, "items": items,
    })
}

fn gone() -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old"})
}

fn answered(code: u16, text: &str) -> Answer {
    let text = format!("{text}\n");
    let (mut sender, body) = Channel::new(1);
    // Whoever asked may have gone away.
    tokio::spawn(async move { drop(sender.send_data(text.into()).await) });
    Response::builder().status(code).body(body).unwrap()
}

/// An answer that comes in two parts, the second when `go` says so, and then does not end.
fn dawdling(event: &str, mut go: watch::Receiver<bool>) -> Answer {
    let (first, second) = event.split_at(event.len() / 2);
    let (first, second) = (first.to_owned(), format!("{second}\n"));
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        sender.send_data(first.into()).await.unwrap();
        go.wait_for(|go| *go).await.unwrap();
        sender.send_data(second.into()).await.unwrap();
        futures::future::pending::<()>().await;
    });
    Response::builder().status(200).body(body).unwrap()
}

/// What the server was asked about Secrets, watches with the version they start at.
type Asked = Arc<Mutex<Vec<String>>>;

/// Answers every question about Secrets with the next of `answers`, and none when they are at an end.
fn scripted(answers: Vec<Answer>) -> (Client, Asked) {
    let (service, mut handle) = mock::pair::<Request<Body>, Answer>();
    let asked = Asked::default();
    let notes = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        let mut unanswered = Vec::new();
        while let Some((request, answer)) = handle.next_request().await {
            let query = request.uri().query().unwrap_or_default();
            let is_watch = query.contains("watch=true");
            if request.uri().path() != SECRETS {
                if is_watch {
                    unanswered.push(answer);
                } else {
                    answer.send_response(answered(200, &list(&[], "1").to_string()));
                }
                continue;
            }
            let version = query
                .split('&')
                .find_map(|pair| pair.strip_prefix("resourceVersion="));
            let question = if is_watch {
                format!("watch from {}", version.unwrap_or_default())
            } else {
                "list".to_owned()
            };
            notes.lock().unwrap().push(question);
            match answers.next() {
                Some(response) => answer.send_response(response),
                None => unanswered.push(answer),
            }
        }
    });
    (Client::new(service, "berth-system"), asked)
}

fn known(caches: &Caches) -> Vec<String> {
    caches
        .secrets
        .with(|secrets| secrets.keys().cloned().collect())
}

async fn knows(caches: &Caches, names: &[&str]) {
    let end = Instant::now() + SOON;
    while known(caches) != names {
        assert!(
            Instant::now() < end,
            "{:?} instead of {names:?}",
            known(caches)
        );
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_version_that_the_server_forgot_is_followed_by_a_new_list() {
    let forgotten = json!({"type": "ERROR", "object": gone()}).to_string();
    // Told in the stream, or at once.
    for refusal in [
        answered(200, &forgotten),
        answered(410, &gone().to_string()),
    ] {
        let (client, asked) = scripted(vec![
            answered(200, &list(&[secret("a", "9")], "10").to_string()),
            refusal,
            answered(200, &list(&[secret("b", "19")], "20").to_string()),
        ]);
        let caches = Caches::default();
        let (wake, _wakes) = mpsc::unbounded();
        let _watches = caches.follow(&client, "berth-system", None, &wake);
        timeout(SOON, caches.wait_until_listed()).await.unwrap();
        knows(&caches, &["b"]).await;
        let asked = asked.lock().unwrap();
        assert_eq!(asked[..3], ["list", "watch from 10", "list"]);
    }
}

#[tokio::test]
async fn a_slow_watch_is_followed_and_an_ended_one_goes_on_where_it_was() {
    let added = |name: &str, version: &str| {
        json!({"type": "ADDED", "object": secret(name, version)}).to_string()
    };
    let (go, went) = watch::channel(false);
    let (client, asked) = scripted(vec![
        answered(200, &list(&[secret("a", "9")], "10").to_string()),
        answered(200, &added("b", "11")),
        answered(500, "busy"),
        dawdling(&added("c", "12"), went),
    ]);
    let caches = Caches::default();
    let (wake, _wakes) = mpsc::unbounded();
    let _watches = caches.follow(&client, "berth-system", None, &wake);
    knows(&caches, &["a", "b"]).await;
    let end = Instant::now() + SOON;
    while asked.lock().unwrap().len() < 4 {
        assert!(Instant::now() < end, "{:?}", asked.lock().unwrap());
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(known(&caches), ["a", "b"], "half an event is none");
    go.send_replace(true);
    knows(&caches, &["a", "b", "c"]).await;
    let asked = asked.lock().unwrap();
    assert_eq!(
        *asked,
        ["list", "watch from 10", "watch from 11", "watch from 11"]
    );
}
