//! The tracer as users install it: real agents beside a real containerd, real servers, `berth pulls` through the API server.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::containerd::Containerd;
use e2e::kubelet::{Node, NodeSpec};
use e2e::registry::Registry;
use e2e::{Cluster, eventually, operator, scenario};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::support::{FILE, SOON, apply, is_ready, revision, rolled_out};

const REGISTRY: &str = "registry.example.com";
const MIB: usize = 1 << 20;

/// What `berth` answered.
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

async fn berth(cluster: &Cluster, arguments: &[&str]) -> Result<Said> {
    let output = Command::new(cluster.settings.binary("berth")?)
        .args(arguments)
        .env_clear()
        .env("KUBECONFIG", cluster.api.kubeconfig())
        .output()
        .await?;
    Ok(Said {
        code: output.status.code().context("killed")?,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The pulls that `berth pulls ... -o json` shows.
async fn pulls(cluster: &Cluster, arguments: &[&str]) -> Result<Vec<Value>> {
    let said = berth(cluster, &[&["pulls", "-o", "json"], arguments].concat()).await?;
    ensure!(said.code == 0, "{}", said.stderr);
    let list: Value = serde_json::from_str(&said.stdout)?;
    Ok(list["pulls"].as_array().context("no pulls")?.clone())
}

/// Waits for the only pull that these filters leave, until it says what is expected.
async fn pull(cluster: &Cluster, filter: &[&str], expected: &[(&str, Value)]) -> Result<Value> {
    eventually(&format!("a pull for {filter:?}"), SOON, || async {
        let found = pulls(cluster, filter).await?;
        let [pull] = &found[..] else {
            anyhow::bail!("{} pulls: {found:#?}", found.len());
        };
        for (pointer, value) in expected {
            ensure!(
                pull.pointer(pointer) == Some(value),
                "{pointer} is not {value}: {pull:#}"
            );
        }
        Ok(pull.clone())
    })
    .await
}

async fn waits(cluster: &Cluster, pod: &str, timeout: &str, code: i32, text: &str) -> Result<()> {
    let said = berth(cluster, &["pulls", "wait", pod, "--timeout", timeout]).await?;
    ensure!(
        said.code == code && said.stderr.contains(text),
        "{pod}: {} instead of {code}: {}",
        said.code,
        said.stderr
    );
    Ok(())
}

async fn run(cluster: &Cluster, pod: &str, image: &str) -> Result<()> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "namespace": "default"},
        "spec": {"automountServiceAccountToken": false, "terminationGracePeriodSeconds": 1,
                 "containers": [{"name": "app", "image": image}]},
    });
    // Pods are refused until the namespace has its account.
    eventually("the pod is taken", SOON, || apply(cluster, &pod)).await
}

/// What the chart is told, besides `tracer.enabled=true`.
async fn install(cluster: &Cluster, values: &[&str]) -> Result<()> {
    let level = "tracer.logLevel=info\\,tracer_agent=debug\\,tracer_server=debug";
    let values = [&["tracer.enabled=true", level], values].concat();
    operator::install(cluster, &values).await
}

/// Every node has an agent that reports and finds the runtime.
async fn connected(cluster: &Cluster, nodes: &[&str]) -> Result<()> {
    eventually("connected agents", SOON, || async {
        let path = format!(
            "/api/v1/namespaces/{}/services/berth-tracer:http/proxy/api/v1/nodes",
            operator::NAMESPACE
        );
        let answer = cluster.tools.kubectl(&["get", "--raw", &path]).await?;
        let answer: Value = serde_json::from_str(&answer)?;
        let found = answer["nodes"].as_array().context("no nodes")?;
        for name in nodes {
            let node = found.iter().find(|node| node["nodeName"] == *name);
            let node = node.with_context(|| format!("no {name} in {answer}"))?;
            ensure!(node["connected"] == true, "{node}");
            ensure!(node["runtime"]["state"] == "connected", "{node}");
        }
        Ok::<_, anyhow::Error>(())
    })
    .await
}

/// The only pod of a component.
async fn pod_of(cluster: &Cluster, component: &str) -> Result<Pod> {
    let of = ListParams::default().labels(&format!("app.kubernetes.io/component={component}"));
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), operator::NAMESPACE);
    let mut found = pods.list(&of).await?.items;
    ensure!(found.len() == 1, "{} pods of {component}", found.len());
    found.pop().context("no pod")
}

/// k3s on a node: containerd where k3s has it, asking what `registries.yaml` made of certs.d.
async fn k3s(cluster: &Cluster, node: &Arc<Node>) -> Result<Containerd> {
    let folder = node.path("/var/lib/rancher/k3s/agent/etc/containerd");
    let socket = node.path("/run/k3s/containerd/containerd.sock");
    let runtime = Containerd::start(&cluster.settings, &socket, &folder.join("certs.d")).await?;
    node.pull_with(&socket);
    Ok(runtime)
}

/// What k3s does with `registries.yaml` when it starts.
async fn generate_certs_d(cluster: &Cluster, node: &Arc<Node>) -> Result<()> {
    let file = node.path(FILE).display().to_string();
    let folder = node.path("/var/lib/rancher/k3s/agent/etc/containerd");
    let folder = folder.display().to_string();
    let said = berth(cluster, &["render", &file, "--to", &folder]).await?;
    ensure!(said.code == 0, "{}", said.stderr);
    Ok(())
}

/// Every node asks this registry for images of [`REGISTRY`].
async fn mirrored(cluster: &Cluster, registry: &Registry) -> Result<String> {
    let mut config = e2e::fixtures::registry_config("default");
    config["spec"]["registries"]["mirrors"] = json!({
        REGISTRY: {"endpoint": [format!("http://{}", registry.address)]},
    });
    apply(cluster, &config).await?;
    rolled_out(cluster, "default").await?;
    revision(cluster, "default").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installed_tracer_shows_what_pods_of_a_node_pull_from_where_and_why_not() {
    let story = scenario(
        [NodeSpec::worker("worker-0")],
        async |cluster: &mut Cluster| {
            let node = cluster.kubelet()?.node("worker-0")?;
            let registry = Registry::start(&cluster.settings, 2 << 20).await?;
            let image = registry.holds("shop/cart", "1.4", &[6 * MIB, 2 * MIB])?;
            let _runtime = k3s(cluster, &node).await?;
            let values = ["tracer.runtime=k3s", "tracer.networkPolicy.enabled=true"];
            install(cluster, &values).await?;
            let revision = mirrored(cluster, &registry).await?;
            generate_certs_d(cluster, &node).await?;
            connected(cluster, &["worker-0"]).await?;
            ensure!(pulls(cluster, &[]).await?.is_empty());

            let name = format!("{REGISTRY}/shop/cart:1.4");
            let (mut watching, mut lines) = watch(cluster)?;
            run(cluster, "cart", &name).await?;
            let moving = [
                ("/imageRef", json!(name)),
                ("/phase", json!("downloading")),
                ("/totalBytes", json!(image.total)),
                ("/layerCount", json!(2)),
                ("/pods/0/namespace", json!("default")),
                ("/pods/0/container", json!("app")),
            ];
            pull(cluster, &["--pod", "cart"], &moving).await?;
            waits(cluster, "cart", "1s", 3, "still waits for").await?;
            waits(cluster, "cart", "60s", 0, "has its images").await?;
            let events = told_until_the_end(&mut lines, &name).await?;
            watching.kill().await?;
            ensure!(events.contains("pull.progress"), "{events:?}");
            let done = [
                ("/imageRef", json!(name)),
                ("/nameConfidence", json!("exact")),
                ("/state", json!("succeeded")),
                ("/nodeName", json!("worker-0")),
                ("/digest", json!(image.digest)),
                ("/totalBytes", json!(image.total)),
                ("/downloadedBytes", json!(image.total)),
                ("/registryConfig", json!("default")),
                ("/revision", json!(revision)),
                (
                    "/expectedEndpoints/0/url",
                    json!(format!("http://{}/v2", registry.address)),
                ),
            ];
            pull(cluster, &["--node", "worker-0"], &done).await?;
            pull(cluster, &["--pod", "default/cart"], &done).await?;
            for nothing in [["--node", "worker-1"], ["--pod", "other/cart"]] {
                let found = pulls(cluster, &nothing).await?;
                ensure!(found.is_empty(), "{nothing:?}: {found:#?}");
            }
            let table = berth(cluster, &["pulls"]).await?.stdout;
            ensure!(
                table.contains("shop/cart:1.4") && table.contains("worker-0"),
                "{table}"
            );

            // At the registry's own address, so that nobody else is asked afterwards.
            let gone = format!("{}/shop/gone:1", registry.address);
            run(cluster, "gone", &gone).await?;
            waits(cluster, "gone", "60s", 1, "does not get its images").await?;
            let failed = [
                ("/state", json!("failed")),
                ("/failure/class", json!("not-found")),
                ("/imageRef", json!(gone)),
            ];
            eventually("the failure with its cause", SOON, || async {
                let found = pulls(cluster, &["--pod", "gone", "--state", "failed"]).await?;
                let said = |pull: &&Value| {
                    let is_said = |(at, value): &(&str, Value)| pull.pointer(at) == Some(value);
                    failed.iter().all(is_said)
                };
                found
                    .iter()
                    .find(said)
                    .map(drop)
                    .with_context(|| format!("{found:#?}"))
            })
            .await?;

            let agent = pod_of(cluster, "tracer-agent").await?;
            let metrics = operator::metrics(cluster, &agent).await?;
            for line in [
                r#"berth_tracer_agent_runtime{state="connected"} 1"#,
                r#"berth_tracer_agent_pulls_total{phase="done"} 1"#,
                "berth_tracer_agent_finished_lost_total 0",
            ] {
                ensure!(metrics.lines().any(|found| found == line), "{metrics}");
            }
            reader_needs_the_proxy_only(cluster).await?;

            both_parts_have_a_network_policy(cluster).await?;
            Ok(())
        },
    );
    Box::pin(story).await;
}

/// `berth pulls --watch`, until it is dropped.
fn watch(cluster: &Cluster) -> Result<(Child, Lines<BufReader<ChildStdout>>)> {
    let mut child = Command::new(cluster.settings.binary("berth")?)
        .args(["pulls", "--watch", "-o", "json"])
        .env_clear()
        .env("KUBECONFIG", cluster.api.kubeconfig())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    Ok((child, lines))
}

/// The kinds of events that the stream tells of an image, up to its completion.
async fn told_until_the_end(
    lines: &mut Lines<BufReader<ChildStdout>>,
    image: &str,
) -> Result<BTreeSet<String>> {
    let mut kinds = BTreeSet::new();
    let listening = async {
        while let Some(line) = lines.next_line().await? {
            let event: Value = serde_json::from_str(&line)?;
            let kind = event["type"].as_str().unwrap_or_default();
            if event["pull"]["imageRef"] == *image {
                kinds.insert(kind.to_owned());
                if kind == "pull.completed" {
                    return Ok(());
                }
            }
        }
        anyhow::bail!("the stream ended")
    };
    let told: Result<()> = tokio::time::timeout(SOON, listening).await?;
    told.map(|()| kinds)
}

/// Who may get the Service's proxy and nothing else sees the pulls by the Service's name.
async fn reader_needs_the_proxy_only(cluster: &Cluster) -> Result<()> {
    let namespace = ["-n", operator::NAMESPACE];
    for command in [
        &["create", "serviceaccount", "reader"][..],
        &[
            "create",
            "role",
            "reads-pulls",
            "--verb=get",
            "--resource=services/proxy",
        ],
        &[
            "create",
            "rolebinding",
            "reader",
            "--role=reads-pulls",
            "--serviceaccount=berth-system:reader",
        ],
    ] {
        cluster
            .tools
            .kubectl(&[command, &namespace].concat())
            .await?;
    }
    let kubeconfig = std::fs::read_to_string(cluster.api.kubeconfig())?;
    let mut kubeconfig: Value = serde_yaml::from_str(&kubeconfig)?;
    kubeconfig["users"][0]["user"]["as"] = json!("system:serviceaccount:berth-system:reader");
    let file = cluster.folder().join("reader.kubeconfig");
    std::fs::write(&file, kubeconfig.to_string())?;
    let file = file.display().to_string();
    let service = format!("{}/berth-tracer", operator::NAMESPACE);
    let named = ["pulls", "--kubeconfig", &file, "--service", &service];
    let said = berth(cluster, &named).await?;
    ensure!(
        said.code == 0 && said.stdout.contains("shop/cart:1.4"),
        "{}",
        said.stderr
    );
    let said = berth(cluster, &named[..3]).await?;
    ensure!(
        said.code == 1 && said.stderr.contains("--service NAMESPACE/NAME"),
        "{}",
        said.stderr
    );
    Ok(())
}

async fn both_parts_have_a_network_policy(cluster: &Cluster) -> Result<()> {
    let policies = [
        "get",
        "networkpolicies",
        "-n",
        operator::NAMESPACE,
        "-o",
        "name",
    ];
    let policies = cluster.tools.kubectl(&policies).await?;
    for name in ["berth-tracer", "berth-tracer-agent"] {
        let line = format!("networkpolicy.networking.k8s.io/{name}");
        ensure!(policies.lines().any(|found| found == line), "{policies}");
    }
    Ok(())
}

/// What a server itself knows, asked at its own address.
async fn known(cluster: &Cluster, server: &str) -> Result<Vec<Value>> {
    let path = format!(
        "/api/v1/namespaces/{}/pods/{server}:8080/proxy/api/v1/pulls",
        operator::NAMESPACE
    );
    let answer = cluster.tools.kubectl(&["get", "--raw", &path]).await?;
    let answer: Value = serde_json::from_str(&answer)?;
    Ok(answer["pulls"].as_array().context("no pulls")?.clone())
}

/// Waits until a server knows that this image was pulled.
async fn has(cluster: &Cluster, server: &str, image: &str) -> Result<()> {
    eventually(&format!("{image} in {server}"), SOON, || async {
        let pulls = known(cluster, server).await?;
        let is_it = |pull: &&Value| pull["imageRef"] == *image && pull["state"] == "succeeded";
        ensure!(pulls.iter().filter(is_it).count() == 1, "{pulls:#?}");
        Ok(())
    })
    .await
}

/// So many servers, no more and no less.
async fn scale(cluster: &Cluster, count: &str) -> Result<()> {
    let scale = [
        "scale",
        "statefulset/berth-tracer",
        "-n",
        operator::NAMESPACE,
        "--replicas",
        count,
    ];
    cluster.tools.kubectl(&scale).await?;
    let of = ListParams::default().labels("app.kubernetes.io/component=tracer-server");
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), operator::NAMESPACE);
    eventually(&format!("{count} servers"), SOON, || async {
        let found = pods.list(&of).await?.items;
        let ready = found.iter().filter(|pod| is_ready(pod)).count();
        ensure!(
            found.len().to_string() == count && ready == found.len(),
            "{ready} of {}",
            found.len()
        );
        Ok::<_, anyhow::Error>(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_servers_hear_of_every_pull_even_of_those_while_one_starts_again() {
    let story = scenario(
        [NodeSpec::worker("worker-0")],
        async |cluster: &mut Cluster| {
            let node = cluster.kubelet()?.node("worker-0")?;
            let registry = Registry::start(&cluster.settings, 16 << 20).await?;
            let _runtime = k3s(cluster, &node).await?;
            // The way without names of single servers: the agent finds them behind the Service.
            let url = format!(
                "http://berth-tracer-servers.{}.svc:8080",
                operator::NAMESPACE
            );
            let variable = format!("BERTH_TRACER_SERVER_URL={url}");
            install(cluster, &["tracer.runtime=k3s", "tracer.server.replicas=2"]).await?;
            let servers = ["berth-tracer-0", "berth-tracer-1"];
            connected(cluster, &["worker-0"]).await?;

            for (number, change) in ["as the chart has it", "by the Service's name"]
                .iter()
                .enumerate()
            {
                if number == 1 {
                    let agents = "daemonset/berth-tracer-agent";
                    let set = ["set", "env", agents, "-n", operator::NAMESPACE, &variable];
                    cluster.tools.kubectl(&set).await?;
                    let wait = [
                        "rollout",
                        "status",
                        agents,
                        "-n",
                        operator::NAMESPACE,
                        "--timeout=60s",
                    ];
                    cluster.tools.kubectl(&wait).await?;
                }
                let image = |part: &str| {
                    let repository = format!("shop/{part}-{number}");
                    registry.holds(&repository, "v1", &[MIB])?;
                    Ok::<_, anyhow::Error>(format!("{}/{repository}:v1", registry.address))
                };
                let before = image("before")?;
                run(cluster, &format!("before-{number}"), &before).await?;
                for server in servers {
                    has(cluster, server, &before).await.context(*change)?;
                }
                // Who takes a server's place, at another address, hears what happened while there was none.
                scale(cluster, "1").await?;
                let meanwhile = image("meanwhile")?;
                run(cluster, &format!("meanwhile-{number}"), &meanwhile).await?;
                has(cluster, servers[0], &meanwhile)
                    .await
                    .context(*change)?;
                scale(cluster, "2").await?;
                has(cluster, servers[1], &meanwhile)
                    .await
                    .context(*change)?;
            }
            Ok(())
        },
    );
    Box::pin(story).await;
}
