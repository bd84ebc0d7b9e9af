use serde_json::json;

use super::*;

fn node(value: serde_json::Value) -> NodeFacts {
    NodeFacts::of(&serde_json::from_value(value).unwrap())
}

fn reporting(version: &str, ready: &str) -> serde_json::Value {
    json!({
        "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "nodeInfo": {
            "architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "",
            "kubeProxyVersion": "", "kubeletVersion": version, "machineID": "", "operatingSystem": "",
            "osImage": "", "systemUUID": "",
        },
    })
}

#[test]
fn a_node_is_what_its_labels_and_version_say() {
    let worker =
        node(json!({"metadata": {"name": "a"}, "status": reporting("v1.33.3+k3s1", "True")}));
    assert_eq!(
        (worker.role, worker.distribution),
        (Role::Workers, Some(Distribution::K3s))
    );
    assert_eq!(worker.not_ready_since, None);
    for label in names::CONTROL_PLANE_LABELS {
        let server = node(
            json!({"metadata": {"name": "s", "labels": {label: ""}}, "status": reporting("v1.31.1+rke2r1", "False")}),
        );
        assert_eq!(
            (server.role, server.distribution),
            (Role::ControlPlane, Some(Distribution::Rke2))
        );
        assert_eq!(
            server.not_ready_since,
            Some("2026-01-01T00:00:00Z".parse().unwrap())
        );
    }
    assert_eq!(
        node(json!({"metadata": {"name": "new"}})).distribution,
        None
    );
}

#[test]
fn a_node_that_reads_another_file_says_so_in_its_arguments() {
    for (arguments, elsewhere) in [
        (r#"["server","--private-registry","/etc/other.yaml"]"#, true),
        (r#"["agent","--private-registry=/etc/other.yaml"]"#, true),
        (
            r#"["server","--private-registry","/etc/rancher/k3s/registries.yaml"]"#,
            false,
        ),
        (r#"["server"]"#, false),
        ("not json", false),
    ] {
        let facts = node(json!({
            "metadata": {"name": "a", "annotations": {"k3s.io/node-args": arguments}},
            "status": reporting("v1.33.3+k3s1", "True"),
        }));
        assert_eq!(facts.reads_elsewhere, elsewhere, "{arguments}");
    }
}

fn pod(status: &serde_json::Value) -> PodFacts {
    let pod = json!({
        "metadata": {"name": "p", "labels": {
            "berth.dev/registry-config": "default", "berth.dev/role": "workers", "berth.dev/revision": "r1",
        }},
        "spec": {"nodeName": "a", "containers": []},
        "status": status,
    });
    PodFacts::of(&serde_json::from_value(pod).unwrap()).unwrap()
}

fn container(state: &serde_json::Value, last: &serde_json::Value) -> serde_json::Value {
    json!({"containerStatuses": [{
        "name": "node-writer", "image": "", "imageID": "", "ready": false, "restartCount": 1,
        "state": state, "lastState": last,
    }]})
}

#[test]
fn a_failure_is_what_the_node_writer_left_behind() {
    let message = r#"{"reason":"DiskFull","message":"no space","revision":"r1"}"#;
    let ended = json!({"terminated": {"exitCode": 1, "message": message}});
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    for status in [container(&ended, &json!({})), container(&waiting, &ended)] {
        let failure = pod(&status).failure.unwrap();
        assert_eq!(
            (failure.reason.as_str(), failure.message.as_str()),
            ("DiskFull", "no space")
        );
    }
    let silent = container(&json!({"terminated": {"exitCode": 137}}), &json!({}));
    assert_eq!(pod(&silent).failure.unwrap().reason, "WriteFailed");
    let unpulled = container(
        &json!({"waiting": {"reason": "ImagePullBackOff"}}),
        &json!({}),
    );
    assert_eq!(pod(&unpulled).failure.unwrap().reason, "ImagePullBackOff");
    let starting = container(
        &json!({"waiting": {"reason": "ContainerCreating"}}),
        &json!({}),
    );
    assert_eq!(pod(&starting).failure, None);
}

#[test]
fn a_ready_pod_has_no_failure_and_a_pod_of_somebody_else_no_facts() {
    let ready = json!({"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    let facts = pod(&ready);
    assert_eq!((facts.failure, facts.ready_since.is_some()), (None, true));
    assert_eq!(PodFacts::of(&Pod::default()), None);
}

#[test]
fn a_long_message_of_a_node_is_cut() {
    let message =
        json!({"reason": "WriteFailed", "message": "x".repeat(3000), "revision": "r1"}).to_string();
    let status = container(
        &json!({"terminated": {"exitCode": 1, "message": message}}),
        &json!({}),
    );
    assert_eq!(pod(&status).failure.unwrap().message.len(), MESSAGE_CHARS);
}
