use k8s_openapi::api::core::v1::{Event, Pod};
use serde_json::{Value, json};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn pod(name: &str, spec: &Value, status: &Value) -> PodFacts {
    let mut spec = spec.clone();
    spec["nodeName"] = json!("worker-1");
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "n", "uid": format!("uid-{name}"), "creationTimestamp": "1970-01-01T00:00:00Z"},
        "spec": spec, "status": status,
    }))
    .unwrap();
    PodFacts::of(&pod).unwrap()
}

fn simple(name: &str, image: &str) -> PodFacts {
    pod(
        name,
        &json!({"containers": [{"name": "app", "image": image}]}),
        &json!({"phase": "Pending"}),
    )
}

fn event(pod: &str, container: &str, reason: &str, message: &str, second: i64) -> EventFacts {
    let event: Event = serde_json::from_value(json!({
        "metadata": {"name": format!("{pod}.{reason}.{second}"), "namespace": "n"},
        "involvedObject": {"kind": "Pod", "namespace": "n", "name": pod, "uid": format!("uid-{pod}"),
                           "fieldPath": format!("spec.containers{{{container}}}")},
        "reason": reason, "message": message, "lastTimestamp": at(second).to_string(),
        "source": {"component": "kubelet", "host": "worker-1"},
    }))
    .unwrap();
    EventFacts::of(&event).unwrap()
}

fn names(view: &View) -> Vec<(String, bool)> {
    view.candidates("worker-1")
        .into_iter()
        .map(|candidate| (candidate.name.to_string(), candidate.pulling.is_some()))
        .collect()
}

#[test]
fn init_ephemeral_and_volume_images_are_wanted_until_they_started() {
    let spec = json!({
        "initContainers": [{"name": "set-up", "image": "quay.io/init:1"}, {"name": "done", "image": "quay.io/done:1"}],
        "containers": [{"name": "app", "image": "localhost:5000/app"}, {"name": "runs", "image": "quay.io/runs:1"},
                       {"name": "crashes", "image": "quay.io/crashes:1"}, {"name": "retries", "image": "quay.io/retries:1"}],
        "ephemeralContainers": [{"name": "debug", "image": "busybox"}],
        "volumes": [{"name": "data", "image": {"reference": "quay.io/data:1"}}],
    });
    let waiting = |reason: &str| json!({"waiting": {"reason": reason}});
    let status = json!({
        "phase": "Pending",
        "initContainerStatuses": [{"name": "set-up", "state": waiting("PodInitializing")},
                                  {"name": "done", "state": {"terminated": {"exitCode": 0}}}],
        "containerStatuses": [{"name": "app", "state": waiting("PodInitializing")}, {"name": "runs", "state": {"running": {}}},
                              {"name": "crashes", "state": waiting("CrashLoopBackOff"), "restartCount": 3},
                              {"name": "retries", "state": waiting("ImagePullBackOff")}],
    });
    let wants = |status: &Value| -> Vec<String> {
        pod("p", &spec, status)
            .wants
            .iter()
            .map(|want| want.name.to_string())
            .collect()
    };
    assert_eq!(
        wants(&status),
        [
            "quay.io/init:1",
            "localhost:5000/app:latest",
            "quay.io/retries:1",
            "docker.io/library/busybox:latest"
        ]
    );
    assert_eq!(
        wants(&json!({}))[0],
        "quay.io/data:1",
        "volumes come before the first container"
    );
    assert!(wants(&json!({"phase": "Succeeded"})).is_empty());
}

#[test]
fn events_tell_what_is_asked_for_and_in_which_order() {
    let mut view = View::new("agent");
    for (name, image) in [
        ("a", "quay.io/a:1"),
        ("b", "quay.io/b:1"),
        ("c", "quay.io/c:1"),
    ] {
        assert_eq!(view.apply(simple(name, image)).as_deref(), Some("worker-1"));
    }
    // All in the same second: the order of arrival counts.
    for name in ["c", "a", "b"] {
        view.hear(&event(
            name,
            "app",
            "Pulling",
            &format!(r#"Pulling image "quay.io/{name}:1""#),
            10,
        ));
    }
    let pulling = |names: &[&str]| -> Vec<(String, bool)> {
        names
            .iter()
            .map(|name| (format!("quay.io/{name}:1"), true))
            .collect()
    };
    assert_eq!(names(&view), pulling(&["c", "a", "b"]));
    view.hear(&event(
        "c",
        "app",
        "Pulled",
        r#"Successfully pulled image "quay.io/c:1" in 1s"#,
        12,
    ));
    assert_eq!(names(&view), pulling(&["a", "b"]));
    view.hear(&event(
        "a",
        "app",
        "Failed",
        r#"Failed to pull image "quay.io/a:1": not found"#,
        13,
    ));
    assert_eq!(
        names(&view),
        [
            ("quay.io/b:1".to_owned(), true),
            ("quay.io/a:1".to_owned(), false)
        ],
        "a back-off waits"
    );
    view.hear(&event(
        "a",
        "app",
        "Pulling",
        r#"Pulling image "quay.io/a:1""#,
        20,
    ));
    assert_eq!(names(&view), pulling(&["b", "a"]), "and asks again");
    view.arrived(
        "worker-1",
        &ImageName::parse("quay.io/b:1").unwrap(),
        at(21),
    );
    assert_eq!(names(&view), pulling(&["a"]));
}

#[test]
fn old_events_that_are_replayed_at_the_start_change_nothing() {
    let mut view = View::new("agent");
    view.apply(simple("a", "quay.io/a:2"));
    view.hear(&event(
        "a",
        "app",
        "Pulled",
        r#"Successfully pulled image "quay.io/a:1" in 1s"#,
        50,
    ));
    assert_eq!(
        view.hear(&event(
            "a",
            "app",
            "Pulling",
            r#"Pulling image "quay.io/a:1""#,
            40
        )),
        None
    );
    // Of another image than the one that is wanted now, and of a pod that is gone.
    view.hear(&event(
        "gone",
        "app",
        "Pulling",
        r#"Pulling image "quay.io/z:1""#,
        60,
    ));
    assert_eq!(names(&view), [("quay.io/a:2".to_owned(), false)]);
    view.sweep(at(50 + 7200));
    assert!(view.said.is_empty());
}

#[test]
fn pods_that_vanished_while_the_watch_was_down_are_forgotten() {
    let mut view = View::new("agent");
    view.apply(simple("a", "quay.io/a:1"));
    view.apply(simple("b", "quay.io/b:1"));
    let nodes = view.keep_only(&BTreeSet::from(["uid-b".to_owned()]));
    assert_eq!(nodes.len(), 1);
    assert_eq!(names(&view), [("quay.io/b:1".to_owned(), false)]);
    view.delete(&simple("b", "quay.io/b:1"));
    assert!(view.pods.is_empty() && view.by_node.is_empty());
}

#[test]
fn agents_and_the_writers_of_registries_are_known_by_their_pods() {
    let mut view = View::new("berth-tracer-agent");
    let mut agent = simple("agent-x", "agent:1");
    agent.service_account = "berth-tracer-agent".to_owned();
    agent.wants.clear();
    view.apply(agent.clone());
    assert_eq!(
        view.agent_node("n", "agent-x", "uid-agent-x"),
        Some("worker-1")
    );
    assert_eq!(view.agent_node("n", "agent-x", "another"), None);
    let mut writer = simple("writer", "writer:1");
    writer.config = Some(("default".to_owned(), "abc".to_owned()));
    view.apply(writer.clone());
    assert_eq!(view.config("worker-1"), Some(("default", "abc")));
    view.delete(&writer);
    view.delete(&agent);
    assert_eq!(view.config("worker-1"), None);
    assert_eq!(view.agent_node("n", "agent-x", "uid-agent-x"), None);
}

#[test]
fn only_a_node_writer_where_node_writers_run_says_what_a_node_has() {
    let labelled = |namespace: &str, component: &str| {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "w", "namespace": namespace, "uid": namespace,
                         "labels": {"app.kubernetes.io/component": component,
                                    "berth.dev/registry-config": namespace, "berth.dev/revision": "abc"}},
            "spec": {"nodeName": "worker-1", "containers": []},
        }))
        .unwrap();
        PodFacts::of(&pod).unwrap()
    };
    let mut view = View::new("agent").with_writers_in(Some("berth".to_owned()));
    view.apply(labelled("berth", "web"));
    view.apply(labelled("shop", "node-writer"));
    assert_eq!(view.config("worker-1"), None);
    view.apply(labelled("berth", "node-writer"));
    view.apply(labelled("shop", "node-writer"));
    assert_eq!(view.config("worker-1"), Some(("berth", "abc")));
    let mut anywhere = View::new("agent");
    anywhere.apply(labelled("shop", "web"));
    assert_eq!(anywhere.config("worker-1"), None);
    anywhere.apply(labelled("shop", "node-writer"));
    assert_eq!(anywhere.config("worker-1"), Some(("shop", "abc")));
}
