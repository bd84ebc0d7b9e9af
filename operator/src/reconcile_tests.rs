//! One reconcile against a scripted API server: the shape of every request, and where credentials may stand.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use api::names::Role;
use futures::stream;
use http::{Request, Response};
use http_body_util::BodyExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::Client;
use kube::client::Body;
use kube::runtime::watcher::Event;
use proptest::prelude::*;
use serde_json::{Value, json};
use tower_test::mock;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::fixtures::{config, key, time};
use crate::process::TELL_TALES;
use crate::settings::tests::run_settings;

/// One request, as the server saw it.
#[derive(Clone, Debug)]
struct Seen {
    method: String,
    path: String,
    query: String,
    content_type: String,
    body: Value,
}

impl Seen {
    fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const CONFIGS: &str = "/apis/berth.dev/v1alpha1/registryconfigs/default";
const SECRETS: &str = "/api/v1/namespaces/berth-system/secrets/";
const SETS: &str = "/apis/apps/v1/namespaces/berth-system/daemonsets/";
const EVENTS: &str = "/api/v1/namespaces/default/events";

/// Answers from what is there; whatever is written is only noted.
fn scripted(objects: BTreeMap<String, Value>) -> (Client, Arc<Mutex<Vec<Seen>>>) {
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Some((request, answer)) = handle.next_request().await {
            let (parts, body) = request.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let content_type = parts.headers.get("content-type");
            let note = Seen {
                method: parts.method.to_string(),
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().unwrap_or_default().to_owned(),
                content_type: content_type
                    .map_or("", |text| text.to_str().unwrap())
                    .to_owned(),
                body: serde_json::from_slice(&bytes).unwrap_or_default(),
            };
            let (code, text) = match (note.method.as_str(), objects.get(&note.path)) {
                ("GET", Some(object)) => (200, object.clone()),
                ("GET", None) => (
                    404,
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": ""}),
                ),
                _ => (
                    200,
                    json!({"metadata": {"name": "written", "namespace": "berth-system"}, "involvedObject": {}, "spec": {"nodeSelector": {}}}),
                ),
            };
            notes.lock().unwrap().push(note);
            let response = Response::builder()
                .status(code)
                .header("content-type", "application/json");
            answer.send_response(
                response
                    .body(Body::from(text.to_string().into_bytes()))
                    .unwrap(),
            );
        }
    });
    (Client::new(service, "berth-system"), seen)
}

async fn reconciler(client: Client, nodes: &[&str]) -> Reconciler {
    let caches = Caches::default();
    let node = |name: &&str| -> Node {
        let node = json!({"metadata": {"name": name}, "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {
                "architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "",
                "kubeletVersion": "v1.33.3+k3s1", "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": "",
            },
        }});
        serde_json::from_value(node).unwrap()
    };
    let events = nodes.iter().map(node).map(|node| Ok(Event::Apply(node)));
    let facts = |node: &Node| Some(crate::facts::NodeFacts::of(node));
    caches
        .nodes
        .clone()
        .follow(stream::iter(events), facts, |_| {})
        .await;
    Reconciler {
        reader: Reader::new(client.clone(), "berth-system".to_owned()),
        writer: Writer::new(client, "berth-system".to_owned()),
        caches,
        metrics: Metrics::new().unwrap(),
        settings: run_settings(),
        namespace: "berth-system".to_owned(),
        key: key(),
        started: time(0),
    }
}

fn stored(spec: &Value) -> Value {
    let mut object = serde_json::to_value(config("default")).unwrap();
    object["spec"] = spec.clone();
    object
}

async fn run(objects: BTreeMap<String, Value>, nodes: &[&str]) -> Vec<Seen> {
    let (client, seen) = scripted(objects);
    let reconciler = reconciler(client, nodes).await;
    reconciler.reconcile("default", time(5)).await.unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[tokio::test]
async fn a_new_resource_is_held_rendered_applied_and_told() {
    let objects = BTreeMap::from([(CONFIGS.to_owned(), stored(&json!({"nodeSelector": {}})))]);
    let seen = run(objects, &[]).await;
    let writes: Vec<&Seen> = seen.iter().filter(|seen| seen.method != "GET").collect();
    let forced = "&force=true&fieldManager=berth-operator";

    assert!(writes[0].is("PATCH", CONFIGS));
    assert_eq!(writes[0].content_type, "application/merge-patch+json");
    assert_eq!(
        writes[0].body,
        json!({"metadata": {"resourceVersion": "7", "finalizers": ["berth.dev/restore-nodes"]}})
    );

    assert!(writes[1].path.starts_with(&format!("{SECRETS}default-")));
    assert_eq!(writes[1].content_type, "application/apply-patch+yaml");
    assert_eq!(writes[1].query, forced);
    assert_eq!(writes[1].body["immutable"], true);

    for (write, role) in [(writes[2], Role::Workers), (writes[3], Role::ControlPlane)] {
        assert!(write.is("PATCH", &format!("{SETS}default-{role}")));
        assert_eq!(write.content_type, "application/apply-patch+yaml");
        assert_eq!(write.query, forced);
        assert_eq!(write.body["kind"], "DaemonSet");
    }

    assert!(writes[4].is("PATCH", &format!("{CONFIGS}/status")));
    assert_eq!(writes[4].content_type, "application/apply-patch+yaml");
    assert_eq!(writes[4].query, forced);
    assert_eq!(
        writes[4].body["status"]["conditions"]
            .as_array()
            .unwrap()
            .len(),
        4
    );

    assert!(writes[5].is("POST", EVENTS));
    assert_eq!(writes[5].body["reason"], "RollingOut");
    assert_eq!(writes.len(), 6);
}

#[tokio::test]
async fn a_second_look_writes_nothing() {
    let mut objects = BTreeMap::from([(CONFIGS.to_owned(), stored(&json!({"nodeSelector": {}})))]);
    let mut index = ConfigMap::default();
    for _ in 0..2 {
        for write in run(objects.clone(), &[]).await {
            match write.method.as_str() {
                "PATCH" if write.path.ends_with("/status") => {
                    objects.get_mut(CONFIGS).unwrap()["status"] = write.body["status"].clone();
                }
                "PATCH" if write.path == CONFIGS => {
                    objects.get_mut(CONFIGS).unwrap()["metadata"]["finalizers"] =
                        write.body["metadata"]["finalizers"].clone();
                }
                "PATCH" => {
                    index.metadata.name = write
                        .path
                        .strip_prefix(SECRETS)
                        .map(str::to_owned)
                        .or(index.metadata.name);
                    objects.insert(write.path, write.body);
                }
                _ => {}
            }
        }
    }
    let (client, seen) = scripted(objects);
    let reconciler = reconciler(client, &[]).await;
    let secret = stream::iter([Ok(Event::Apply(index))]);
    let facts = |secret: &ConfigMap| {
        Some(crate::facts::ObjectFacts {
            name: secret.name_any(),
            version: None,
            created: None,
            config: Some("default".to_owned()),
            revision: secret
                .name_any()
                .strip_prefix("default-")
                .map(str::to_owned),
        })
    };
    reconciler
        .caches
        .secrets
        .clone()
        .follow(secret, facts, |_| {})
        .await;
    reconciler.reconcile("default", time(500)).await.unwrap();
    let seen = seen.lock().unwrap();
    let writes: Vec<&Seen> = seen.iter().filter(|seen| seen.method != "GET").collect();
    assert!(writes.is_empty(), "{writes:?}");
}

/// Somebody else's object under the name of ours.
fn strange(kind: &str, name: &str) -> Value {
    let spec = json!({"selector": {}, "template": {"metadata": {"labels": {"berth.dev/revision": "0123456789"}}}});
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "labels": {"app": "other"}}, "spec": spec})
}

#[tokio::test]
async fn a_daemon_set_of_somebody_else_is_named_and_left_alone() {
    let path = format!("{SETS}default-workers");
    let objects = |object: Value| {
        BTreeMap::from([
            (CONFIGS.to_owned(), object),
            (path.clone(), strange("DaemonSet", "default-workers")),
        ])
    };
    let seen = run(objects(stored(&json!({"nodeSelector": {}}))), &["a"]).await;
    let told = seen
        .iter()
        .find(|seen| seen.path.ends_with("/status"))
        .unwrap();
    let conditions = told.body["status"]["conditions"].as_array().unwrap();
    let stalled = conditions
        .iter()
        .find(|condition| condition["type"] == "Stalled")
        .unwrap();
    assert_eq!(stalled["reason"], "InvalidSpec");
    let message = stalled["message"].as_str().unwrap();
    assert!(
        message.contains("DaemonSet berth-system/default-workers")
            && message.contains("delete that"),
        "{message}"
    );
    let touched = |seen: &Seen| seen.method != "GET" && seen.path.starts_with(SETS);
    assert!(!seen.iter().any(touched), "{seen:?}");

    let mut going = stored(&json!({"nodeSelector": {}}));
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    going["metadata"]["finalizers"] = json!(["berth.dev/restore-nodes"]);
    let seen = run(objects(going), &["a"]).await;
    assert!(!seen.iter().any(touched), "{seen:?}");
    assert!(
        seen.last().unwrap().is("PATCH", CONFIGS),
        "it goes all the same"
    );
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_named_and_not_mounted() {
    let object = BTreeMap::from([(CONFIGS.to_owned(), stored(&json!({"nodeSelector": {}})))]);
    let written = run(object.clone(), &["a"]).await;
    let secret = written
        .iter()
        .find_map(|seen| seen.path.strip_prefix(SECRETS))
        .unwrap()
        .to_owned();
    let (client, seen) = scripted(object);
    let reconciler = reconciler(client, &["a"]).await;
    let mut map = ConfigMap::default();
    map.metadata.name = Some(secret.clone());
    let facts = |map: &ConfigMap| {
        Some(crate::facts::ObjectFacts {
            name: map.name_any(),
            version: None,
            created: None,
            config: None,
            revision: None,
        })
    };
    let secrets = reconciler.caches.secrets.clone();
    secrets
        .follow(stream::iter([Ok(Event::Apply(map))]), facts, |_| {})
        .await;
    let wake = reconciler.reconcile("default", time(5)).await.unwrap();
    assert_eq!(wake, Some(TAKEN));
    let seen = seen.lock().unwrap();
    let told = seen
        .iter()
        .find(|seen| seen.path.ends_with("/status"))
        .unwrap();
    assert!(
        told.body
            .to_string()
            .contains(&format!("Secret berth-system/{secret}"))
    );
    assert!(
        !seen
            .iter()
            .any(|seen| seen.method != "GET" && seen.path.starts_with("/apis/apps"))
    );
}

#[tokio::test]
async fn a_resource_that_goes_loses_its_finalizer_when_nothing_is_to_restore() {
    let mut object = stored(&json!({"nodeSelector": {}}));
    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    object["metadata"]["finalizers"] = json!(["other", "berth.dev/restore-nodes"]);
    let seen = run(BTreeMap::from([(CONFIGS.to_owned(), object)]), &["a"]).await;
    let last = seen.last().unwrap();
    assert!(last.is("PATCH", CONFIGS));
    assert_eq!(last.body["metadata"]["finalizers"], json!(["other"]));
}

/// A `DaemonSet` of ours whose pods put the original back.
fn restoring() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "default-workers", "labels": {"berth.dev/registry-config": "default"}},
        "spec": {"selector": {}, "template": {"metadata": {"labels": {"berth.dev/revision": "restore"}}}},
    })
}

#[tokio::test]
async fn a_node_that_is_away_is_waited_for_ten_minutes_and_then_named_and_left() {
    let mut object = stored(&json!({"nodeSelector": {}}));
    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    object["metadata"]["finalizers"] = json!(["berth.dev/restore-nodes"]);
    let objects = BTreeMap::from([
        (CONFIGS.to_owned(), object),
        (format!("{SETS}default-workers"), restoring()),
    ]);
    // Away since second 100, when the server's clock counts from 0.
    for (now, is_over) in [(699, false), (700, true)] {
        let (client, seen) = scripted(objects.clone());
        let reconciler = reconciler(client, &[]).await;
        let facts = |node: &ConfigMap| {
            let mut facts = crate::fixtures::node(&node.name_any(), Role::Workers);
            facts.not_ready_since = Some(time(100));
            Some(facts)
        };
        let mut away = ConfigMap::default();
        away.metadata.name = Some("away".to_owned());
        let nodes = reconciler.caches.nodes.clone();
        nodes
            .follow(stream::iter([Ok(Event::Apply(away))]), facts, |_| {})
            .await;
        let wake = reconciler.reconcile("default", time(now)).await.unwrap();
        let seen = seen.lock().unwrap();
        let event = seen
            .iter()
            .find(|seen| seen.is("POST", EVENTS) && seen.body["type"] == "Warning");
        let gone = seen
            .iter()
            .any(|seen| seen.is("DELETE", &format!("{SETS}default-workers")));
        let last = seen.last().unwrap();
        assert_eq!(event.is_some(), is_over, "{seen:?}");
        assert_eq!(gone, is_over);
        assert_eq!(last.body["metadata"]["finalizers"] == json!([]), is_over);
        if let Some(event) = event {
            assert!(event.body["message"].as_str().unwrap().contains("away"));
        } else {
            assert_eq!(wake, Some(Duration::from_secs(1)));
        }
    }
}

fn base64(text: &str) -> String {
    let encoded = serde_json::to_value(ByteString(text.as_bytes().to_vec())).unwrap();
    encoded.as_str().unwrap().to_owned()
}

/// Everything that was sent or logged while a Secret with this password was rendered, or failed to be.
fn traces(password: &str, document: &str) -> (Vec<Seen>, String) {
    let login = json!({
        "metadata": {"name": "login"}, "type": "kubernetes.io/basic-auth",
        "data": {"username": base64("user"), "password": base64(password)},
    });
    let registries = json!({"metadata": {"name": "registries"}, "type": "Opaque", "data": {"registries.yaml": base64(document)}});
    let spec = json!({
        "nodeSelector": {},
        "registries": {"configs": {"mirror.internal:5000": {"auth": {"secretRef": {"name": "login"}}}}},
        "registriesFrom": [{"secretRef": {"name": "registries", "key": "registries.yaml"}}],
    });
    let objects = BTreeMap::from([
        (CONFIGS.to_owned(), stored(&spec)),
        (format!("{SECRETS}login"), login),
        (format!("{SECRETS}registries"), registries),
    ]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let log = captured();
    let seen = runtime.block_on(run(objects, &["a"]));
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (seen, log)
}

/// Everything that this process logs. One subscriber for all threads: whether a line is wanted is remembered by place.
fn captured() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Log::default();
        let loud = Targets::new().with_default(LevelFilter::TRACE);
        let loud = TELL_TALES.into_iter().fold(loud, |targets, target| {
            targets.with_target(target, LevelFilter::OFF)
        });
        let lines = tracing_subscriber::fmt::layer().with_writer(log.clone());
        let subscriber = tracing_subscriber::registry().with(loud).with(lines);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    });
    log.clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_credential_stands_in_the_rendered_secret_and_nowhere_else(password in "[a-zA-Z0-9%+/]{16,40}", broken in 0_usize..4) {
        let document = [
            format!("configs:\n  other.internal:\n    auth:\n      username: user\n      password: \"{password}\"\n"),
            format!("configs:\n  other.internal:\n    auth:\n      password: [{password}\n"),
            format!("configs:\n  other.internal:\n    auth: {password}\n"),
            format!("mirrors:\n  docker.io:\n    endpoint: [\"https://user:{password}@mirror.internal\", \"ftp://{password}@x\"]\n"),
        ][broken].clone();
        let (seen, log) = traces(&password, &document);
        prop_assert!(log.contains("berth_operator"), "nothing was logged");
        let encoded = base64(&password);
        for hidden in [password.as_str(), encoded.trim_end_matches('=')] {
            prop_assert!(!log.contains(hidden), "in the log: {}", log);
            for request in &seen {
                let mut request = request.clone();
                if request.path.starts_with(SECRETS) {
                    request.body["data"] = Value::Null;
                }
                prop_assert!(!format!("{request:?}").contains(hidden), "{:?}", request);
            }
        }
        let rendered = seen.iter().any(|seen| seen.method == "PATCH" && seen.path.starts_with(SECRETS));
        let told = seen.iter().any(|seen| seen.path.ends_with("/status"));
        prop_assert!(told && (rendered || broken > 0), "{:?}", seen);
    }
}
