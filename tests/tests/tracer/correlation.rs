use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::process::{Server, free_ports};
use e2e::{Cluster, api_scenario, eventually};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Event, Pod, ServiceAccount};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::http::ask;

const SOON: Duration = Duration::from_secs(30);
const ACCOUNT: &str = "berth-tracer-agent";

fn start(cluster: &Cluster, ports: [u16; 2], name: &str) -> Result<Server> {
    let program = cluster.settings.binary("berth-tracer-server")?;
    let arguments = [
        format!("KUBECONFIG={}", cluster.api.kubeconfig().display()),
        program.display().to_string(),
        format!("--http-address=127.0.0.1:{}", ports[0]),
        format!("--metrics-address=127.0.0.1:{}", ports[1]),
        format!("--history-folder={}", cluster.folder().join(name).display()),
        "--kubernetes=true".to_owned(),
        "--token-review".to_owned(),
    ];
    Server::start(
        Path::new("/usr/bin/env"),
        arguments,
        cluster.folder().join(format!("{name}.log")),
    )
}

async fn ready(port: u16) -> Result<()> {
    eventually("a server that has listed the pods", SOON, || async {
        let (status, _) = ask(port, "GET", "/readyz", "", "")?;
        ensure!(status == 200, "{status}");
        Ok::<_, anyhow::Error>(())
    })
    .await
}

async fn pod(client: &Client, name: &str, spec: Value) -> Result<Pod> {
    let mut spec = spec;
    spec["nodeName"] = json!("worker-1");
    spec["automountServiceAccountToken"] = json!(false);
    let pod = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec}))?;
    Ok(Api::<Pod>::default_namespaced(client.clone())
        .create(&PostParams::default(), &pod)
        .await?)
}

async fn event(
    client: &Client,
    pod: &Pod,
    container: &str,
    reason: &str,
    message: &str,
    time: Timestamp,
) -> Result<()> {
    let time = Timestamp::from_second(time.as_second())?.to_string();
    let event: Event = serde_json::from_value(json!({
        "metadata": {"generateName": format!("{}.", pod.name_any()), "namespace": "default"},
        "involvedObject": {"kind": "Pod", "apiVersion": "v1", "namespace": "default", "name": pod.name_any(), "uid": pod.uid(),
                           "fieldPath": format!("spec.containers{{{container}}}")},
        "reason": reason, "message": message, "type": "Normal", "count": 1, "firstTimestamp": time, "lastTimestamp": time,
        "source": {"component": "kubelet", "host": "worker-1"},
    }))?;
    Api::<Event>::default_namespaced(client.clone())
        .create(&PostParams::default(), &event)
        .await?;
    Ok(())
}

async fn token(client: &Client, pod: &Pod) -> Result<String> {
    let request: TokenRequest = serde_json::from_value(json!({
        "spec": {"audiences": ["berth-tracer"],
                 "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": pod.name_any(), "uid": pod.uid()}},
    }))?;
    let accounts = Api::<ServiceAccount>::default_namespaced(client.clone());
    let answer = accounts
        .create_token_request(ACCOUNT, &PostParams::default(), &request)
        .await?;
    Ok(answer.status.context("no token")?.token)
}

fn pull(id: &str, repository: &str, started: Timestamp) -> Value {
    json!({"id": id, "imageRef": "", "registry": "quay.io", "repository": repository, "nameConfidence": "repo", "source": "lease",
           "phase": "downloading", "totalBytes": 100, "downloadedBytes": 10, "totalKnown": true, "startedAt": started.to_string()})
}

fn report(node: &str, sequence: u64, pulls: &[Value], finished: &[Value]) -> String {
    json!({"nodeName": node, "timestamp": Timestamp::now().to_string(), "protocol": 2, "bootId": "b", "sequence": sequence,
           "kind": "full", "pulls": pulls, "finished": finished})
    .to_string()
}

/// Lets etcd's revisions go on and drops those before: watches that ask for what followed are answered 410.
fn forget_the_past(etcd: &str) -> Result<()> {
    let port = etcd.rsplit(':').next().context("no port")?.parse()?;
    let put = json!({"key": "dGVzdA==", "value": "dGVzdA=="}).to_string();
    let mut revision = Value::Null;
    for _ in 0..100 {
        let (status, answer) = ask(port, "POST", "/v3/kv/put", "", &put)?;
        ensure!(status == 200, "{status} {answer}");
        revision = answer["header"]["revision"].clone();
    }
    let compaction = json!({"revision": revision, "physical": true}).to_string();
    let (status, answer) = ask(port, "POST", "/v3/kv/compaction", "", &compaction)?;
    ensure!(status == 200, "{status} {answer}");
    Ok(())
}

/// Waits until the pull of this id says all that is expected.
async fn says(port: u16, id: &str, expected: &[(&str, Value)]) -> Result<()> {
    eventually(id, SOON, || async {
        let (status, found) = ask(port, "GET", &format!("/api/v1/pulls/{id}"), "", "")?;
        ensure!(status == 200, "{status}");
        for (pointer, value) in expected {
            ensure!(
                found.pointer(pointer) == Some(value),
                "{pointer} is not {value}: {found}"
            );
        }
        Ok::<_, anyhow::Error>(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one story on one cluster")]
async fn pulls_have_the_names_pods_and_causes_that_the_cluster_tells() {
    let scenario = api_scenario(async |cluster: &mut Cluster| {
        let client = cluster.client.clone();
        for name in ["default", ACCOUNT] {
            let account = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            Api::<ServiceAccount>::default_namespaced(client.clone())
                .create(&PostParams::default(), &account)
                .await?;
        }
        let agent = json!({"serviceAccountName": ACCOUNT, "containers": [{"name": "agent", "image": "quay.io/agent:1"}]});
        let agent = pod(&client, "agent", agent).await?;
        let web = json!({"initContainers": [{"name": "set-up", "image": "quay.io/init:1"}],
                         "containers": [{"name": "app", "image": "quay.io/a:1"}]});
        let web = pod(&client, "web", web).await?;
        let second = pod(
            &client,
            "second",
            json!({"containers": [{"name": "app", "image": "quay.io/a:2"}]}),
        )
        .await?;
        let now = Timestamp::now();
        let long_ago = now - SignedDuration::from_mins(30);
        event(
            &client,
            &web,
            "app",
            "Pulling",
            r#"Pulling image "quay.io/old:1""#,
            long_ago,
        )
        .await?;
        event(
            &client,
            &web,
            "app",
            "Failed",
            r#"Failed to pull image "quay.io/old:1": not found"#,
            long_ago,
        )
        .await?;

        let [port, metrics, other, other_metrics] = free_ports()?;
        let mut server = start(cluster, [port, metrics], "one")?;
        let _replica = start(cluster, [other, other_metrics], "two")?;
        ready(port).await?;
        ready(other).await?;
        let token = token(&client, &agent).await?;
        let say =
            |port: u16, token: &str, body: &str| ask(port, "POST", "/api/v1/report", token, body);
        ensure!(say(port, "wrong", &report("worker-1", 1, &[], &[]))?.0 == 401);
        ensure!(say(port, &token, &report("worker-2", 1, &[], &[]))?.0 == 403);

        // Of two tags of one repository the order of asking tells which is which; an init container is found by its image.
        event(
            &client,
            &second,
            "app",
            "Pulling",
            r#"Pulling image "quay.io/a:2""#,
            now - SignedDuration::from_secs(20),
        )
        .await?;
        event(
            &client,
            &web,
            "app",
            "Pulling",
            r#"Pulling image "quay.io/a:1""#,
            now - SignedDuration::from_secs(10),
        )
        .await?;
        let first = pull("a2", "a", now - SignedDuration::from_secs(19));
        let pulls = [
            first.clone(),
            pull("a1", "a", now - SignedDuration::from_secs(9)),
            pull("init", "init", now),
        ];
        for port in [port, other] {
            let (status, answer) = say(port, &token, &report("worker-1", 1, &pulls, &[]))?;
            ensure!(status == 200, "{status} {answer}");
            says(
                port,
                "worker-1:init",
                &[
                    ("/imageRef", json!("quay.io/init:1")),
                    ("/nameConfidence", json!("repo")),
                    ("/pods/0/podName", json!("web")),
                    ("/pods/0/container", json!("set-up")),
                ],
            )
            .await?;
            says(
                port,
                "worker-1:a2",
                &[
                    ("/imageRef", json!("quay.io/a:2")),
                    ("/nameConfidence", json!("guessed")),
                    ("/pods/0/podName", json!("second")),
                ],
            )
            .await?;
            says(port, "worker-1:a1", &[("/imageRef", json!("quay.io/a:1"))]).await?;
        }

        // What the kubelet says after the end corrects what stands in the history.
        let mut failed = first;
        failed["phase"] = json!("failed");
        failed["completedAt"] = json!(Timestamp::now().to_string());
        ensure!(say(port, &token, &report("worker-1", 2, &pulls[1..], &[failed]))?.0 == 200);
        let why = r#"Failed to pull image "quay.io/a:2": failed to authorize: unexpected status: 401 Unauthorized"#;
        event(&client, &second, "app", "Failed", why, Timestamp::now()).await?;
        says(
            port,
            "worker-1:a2",
            &[
                ("/failure/class", json!("unauthorized")),
                ("/state", json!("failed")),
            ],
        )
        .await?;
        let unseen = r#"Failed to pull image "quay.io/init:1": quay.io/init:1: not found"#;
        event(&client, &web, "set-up", "Failed", unseen, Timestamp::now()).await?;
        eventually(
            "a failure that no agent saw, and none of before the start",
            SOON,
            || async {
                let (_, list) = ask(port, "GET", "/api/v1/pulls?state=failed&sort=image", "", "")?;
                let images: Vec<_> = list["pulls"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|pull| (&pull["imageRef"], &pull["source"]))
                    .collect();
                let expected = [
                    (&json!("quay.io/a:2"), &json!("lease")),
                    (&json!("quay.io/init:1"), &json!("kubelet-event")),
                ];
                ensure!(images == expected, "{images:?}");
                Ok::<_, anyhow::Error>(())
            },
        )
        .await?;

        // An API server that was away and has forgotten what the watches saw last, and a server that starts again.
        cluster.api.stop_server();
        forget_the_past(cluster.api.etcd_url())?;
        cluster.api.start_server().await?;
        let client = cluster.api.client().await?;
        pod(
            &client,
            "third",
            json!({"containers": [{"name": "app", "image": "quay.io/late:3"}]}),
        )
        .await?;
        let late = pull("late", "late", Timestamp::now());
        ensure!(say(port, &token, &report("worker-1", 3, &[late], &[]))?.0 == 200);
        says(
            port,
            "worker-1:late",
            &[("/imageRef", json!("quay.io/late:3"))],
        )
        .await?;
        let log = std::fs::read_to_string(&server.log)?;
        ensure!(
            log.contains("too old resource version") || log.contains("compacted"),
            "no watch was told to begin anew:\n{log}"
        );
        server.kill();
        let _again = start(cluster, [port, metrics], "one")?;
        ready(port).await?;
        says(
            port,
            "worker-1:a2",
            &[("/failure/class", json!("unauthorized"))],
        )
        .await
    });
    Box::pin(scenario).await;
}
