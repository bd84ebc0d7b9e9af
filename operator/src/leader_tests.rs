//! Replicas against a scripted API server that holds one Lease and refuses writes to an older version of it.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};
use tower_test::mock;

use super::*;

const SOON: Duration = Duration::from_secs(20);

/// The Lease, and whether the server answers.
#[derive(Default)]
struct Server {
    lease: Option<Value>,
    version: u64,
    silent: bool,
}

impl Server {
    fn answer(&mut self, method: &str, body: Value) -> (u16, Value) {
        let refuse = |code: u16, reason: &str| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": ""});
            (code, status)
        };
        match (method, &self.lease) {
            ("GET", Some(lease)) => return (200, lease.clone()),
            ("GET", None) => return refuse(404, "NotFound"),
            ("POST", Some(_)) => return refuse(409, "AlreadyExists"),
            ("PUT", Some(lease))
                if lease["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"] =>
            {
                return refuse(409, "Conflict");
            }
            _ => {}
        }
        self.version += 1;
        let mut lease = body;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.lease = Some(lease.clone());
        (200, lease)
    }
}

fn client(server: &Arc<Mutex<Server>>) -> Client {
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let server = Arc::clone(server);
    tokio::spawn(async move {
        let mut unanswered = Vec::new();
        while let Some((request, answer)) = handle.next_request().await {
            let (parts, body) = request.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&bytes).unwrap_or_default();
            if server.lock().unwrap().silent {
                unanswered.push(answer);
                continue;
            }
            let (code, text) = server.lock().unwrap().answer(parts.method.as_str(), body);
            let response = Response::builder().status(code);
            let text = Body::from(text.to_string().into_bytes());
            answer.send_response(response.body(text).unwrap());
        }
    });
    Client::new(service, "berth-system")
}

fn replica(server: &Arc<Mutex<Server>>, identity: &str, seconds: u64) -> Leadership {
    let lease = settings::Lease {
        enabled: true,
        name: "berth".to_owned(),
        seconds,
        identity: identity.to_owned(),
    };
    Leadership::seek(client(server), "berth-system", &lease)
}

fn holder(server: &Arc<Mutex<Server>>) -> Value {
    let server = server.lock().unwrap();
    let lease = server.lease.as_ref().unwrap();
    lease["spec"]["holderIdentity"].clone()
}

#[tokio::test]
async fn one_of_many_leads_and_when_it_gives_the_lease_back_the_next_one_does() {
    let server = Arc::new(Mutex::new(Server::default()));
    let names = ["a", "b", "c", "d"];
    let mut waiting: Vec<_> = names
        .iter()
        .map(|name| (*name, replica(&server, name, 300)))
        .collect();
    while !waiting.is_empty() {
        let won = waiting.iter_mut().map(|(_, one)| Box::pin(one.won()));
        let ((), first, _) = timeout(SOON, futures::future::select_all(won))
            .await
            .unwrap();
        let (name, leader) = waiting.remove(first);
        assert_eq!(holder(&server), name);
        assert!(waiting.iter().all(|(_, one)| !*one.held.borrow()));
        leader.give_back().await;
        assert_ne!(holder(&server), name);
    }
    assert_eq!(holder(&server), Value::Null);
    let transitions = &server.lock().unwrap().lease.clone().unwrap()["spec"]["leaseTransitions"];
    assert_eq!(transitions, 4);
}

#[tokio::test]
async fn a_leader_that_hears_nothing_from_the_server_stops_before_the_lease_ends() {
    let server = Arc::new(Mutex::new(Server::default()));
    let mut leader = replica(&server, "a", 3);
    timeout(SOON, leader.won()).await.unwrap();
    let lost = leader.lost();
    server.lock().unwrap().silent = true;
    let silent = Instant::now();
    timeout(SOON, lost).await.unwrap();
    assert!(silent.elapsed() < Duration::from_secs(3), "{silent:?}");
}

#[tokio::test]
async fn a_leader_whose_lease_another_one_has_stops() {
    let server = Arc::new(Mutex::new(Server::default()));
    let mut leader = replica(&server, "a", 3);
    timeout(SOON, leader.won()).await.unwrap();
    let lost = leader.lost();
    {
        let mut server = server.lock().unwrap();
        let mut lease = server.lease.clone().unwrap();
        lease["spec"]["holderIdentity"] = json!("b");
        assert_eq!(server.answer("PUT", lease).0, 200);
    }
    timeout(SOON, lost).await.unwrap();
    leader.give_back().await;
    assert_eq!(holder(&server), "b");
}

#[tokio::test]
async fn the_lease_of_a_leader_that_died_is_taken_when_it_ends() {
    let server = Arc::new(Mutex::new(Server::default()));
    let mut dead = replica(&server, "dead", 1);
    timeout(SOON, dead.won()).await.unwrap();
    dead.task.abort();
    let mut next = replica(&server, "next", 1);
    timeout(SOON, next.won()).await.unwrap();
    assert_eq!(holder(&server), "next");
}
