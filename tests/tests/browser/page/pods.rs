//! A real API server's pods and Events on the page: who waits, in which queue, and why it failed.

use anyhow::{Context as _, Result, ensure};
use e2e::settings::{Settings, repository};
use e2e::{Cluster, api_scenario};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Namespace, Pod, ServiceAccount};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::super::feed::ago;
use super::*;

const CAUSE: &str = "failed to resolve reference \"registry.example.com/shop/checkout:2026.11.3\": registry.example.com/shop/checkout:2026.11.3: not found";

/// The namespaces of a shop, as its controllers would make them.
async fn namespaces(client: &Client) -> Result<()> {
    for name in ["shop", "search"] {
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await?;
        let account: ServiceAccount =
            serde_json::from_value(json!({"metadata": {"name": "default"}}))?;
        Api::namespaced(client.clone(), name)
            .create(&PostParams::default(), &account)
            .await?;
    }
    Ok(())
}

/// A pod on a node that waits for an image which the kubelet asked for `since` seconds ago.
async fn waits(client: &Client, node: &str, name: &str, image: &str, since: i64) -> Result<Pod> {
    let (namespace, name) = name.split_once('/').context("no namespace")?;
    let pod = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"nodeName": node, "automountServiceAccountToken": false, "containers": [{"name": "app", "image": image}]},
    }))?;
    let pod: Pod = Api::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &pod)
        .await?;
    says(
        client,
        &pod,
        "Pulling",
        &format!("Pulling image \"{image}\""),
        &ago(since),
    )
    .await?;
    Ok(pod)
}

/// What a kubelet says of a pod's container.
async fn says(client: &Client, pod: &Pod, reason: &str, message: &str, time: &str) -> Result<()> {
    let namespace = pod.namespace().context("no namespace")?;
    let time = Timestamp::from_second(time.parse::<Timestamp>()?.as_second())?.to_string();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let event: Event = serde_json::from_value(json!({
        "metadata": {"generateName": format!("{}.", pod.name_any()), "namespace": namespace},
        "involvedObject": {"kind": "Pod", "apiVersion": "v1", "namespace": namespace, "name": pod.name_any(), "uid": pod.uid(),
                           "fieldPath": "spec.containers{app}"},
        "reason": reason, "message": message, "type": "Normal", "count": 1, "firstTimestamp": time, "lastTimestamp": time,
        "source": {"component": "kubelet", "host": node},
    }))?;
    Api::namespaced(client.clone(), &namespace)
        .create(&PostParams::default(), &event)
        .await?;
    Ok(())
}

/// Pods that wait while the nodes pull; two of worker-1 stand in its kubelet's queue.
async fn pods_wait(client: &Client) -> Result<()> {
    for (node, pod, image, since) in [
        (
            "worker-1",
            "shop/cart-7d9f8b6c5-k2xvq",
            "registry.example.com/shop/cart:1.4",
            9,
        ),
        (
            "worker-1",
            "shop/cart-7d9f8b6c5-m8wzr",
            "registry.example.com/shop/cart:1.4",
            8,
        ),
        (
            "worker-1",
            "shop/orders-db-0",
            "docker.io/library/postgres:17",
            7,
        ),
        (
            "worker-1",
            "search/indexer-5b7c9-hq4ns",
            "ghcr.io/acme/indexer:2.1",
            5,
        ),
        (
            "worker-2",
            "shop/sessions-0",
            "docker.io/library/redis:7",
            9,
        ),
        (
            "worker-2",
            "shop/video-84d6c-j7p2v",
            "registry.example.com/shop/video:8",
            240,
        ),
        (
            "worker-3",
            "search/model-0",
            "ghcr.io/acme/model-server:0.9",
            9,
        ),
    ] {
        waits(client, node, pod, image, since).await?;
    }
    Ok(())
}

/// What the nodes of the shop do after so many seconds.
fn nodes_report(tracer: &Tracer, second: u64) -> Result<()> {
    let wave = |most: f64, pace: f64| {
        let second = f64::from(u32::try_from(second).unwrap_or(0));
        most * (0.75 + 0.25 * (second / pace).sin())
    };
    let share = |first: u64, of: u64| (first + second * (96 - first) / of).min(96);
    let mut cart = pull(
        "cart",
        "registry.example.com/shop/cart:1.4",
        920,
        share(18, 240),
    );
    cart["bytesPerSec"] = json!(wave(6.5e6, 9.0));
    let mut model = pull(
        "model",
        "ghcr.io/acme/model-server:0.9",
        4100,
        share(7, 600),
    );
    model["bytesPerSec"] = json!(wave(3.1e7, 23.0));
    let mut stalled = pull("video", "registry.example.com/shop/video:8", 900, 31);
    stalled["progressAt"] = json!(ago(95));
    stalled["startedAt"] = json!(ago(240));
    stalled["bytesPerSec"] = json!(0.0);
    stalled["etaSeconds"] = Value::Null;
    let mut unpacked = pull("redis", "docker.io/library/redis:7", 45, 100);
    unpacked["startedAt"] = json!(ago(9));
    tracer.report("worker-1", &[cart], &[])?;
    tracer.report("worker-2", &[unpacked, stalled], &[])?;
    tracer.report("worker-3", &[model], &[])?;
    tracer.report("worker-4", &[], &[])?;
    tracer.report("worker-5", &[], &[])
}

/// What ended on the nodes before.
fn nodes_ended(tracer: &Tracer) -> Result<()> {
    let failure = failed(
        pull(
            "checkout",
            "registry.example.com/shop/checkout:2026.11.3",
            0,
            0,
        ),
        "unknown",
        "",
    );
    tracer.report(
        "worker-2",
        &[],
        &[
            ended(pull("nginx", "docker.io/library/nginx:1.27", 68, 100)),
            failure,
        ],
    )?;
    let limited = failed(
        pull("python", "docker.io/library/python:3.13", 0, 0),
        "rate-limited",
        "unexpected status code 429 Too Many Requests: toomanyrequests: You have reached your pull rate limit",
    );
    tracer.report(
        "worker-4",
        &[],
        &[
            limited,
            ended(pull("batch", "quay.io/acme/batch:3", 160, 100)),
        ],
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_their_queue_and_the_kubelets_cause_are_on_the_page() {
    let scenario = api_scenario(async |cluster: &mut Cluster| {
        let client = cluster.client.clone();
        namespaces(&client).await?;
        let checkout = waits(
            &client,
            "worker-2",
            "shop/checkout-6c9d4f7b8-tx2lp",
            "registry.example.com/shop/checkout:2026.11.3",
            30,
        )
        .await?;
        let tracer = Tracer::start_with(Some(cluster.api.kubeconfig()))?;
        nodes_ended(&tracer)?;
        says(
            &client,
            &checkout,
            "Failed",
            &format!(
                "Failed to pull image \"registry.example.com/shop/checkout:2026.11.3\": {CAUSE}"
            ),
            &ago(0),
        )
        .await?;
        nodes_report(&tracer, 0)?;
        pods_wait(&client).await?;
        // Agents go on; the names of pods came after the pulls.
        nodes_report(&tracer, 1)?;
        let browser = live(&tracer, "?namespace=shop&node=worker-1")?;
        let rows = "return [...document.querySelectorAll('.rows .row')].map(row => [row.querySelector('.badge').innerText, row.querySelector('.repository').innerText, row.querySelector('.pods').textContent.replace(/[a-z0-9]{5}[+]/, '...+')])";
        browser.see("who waits for what", rows, |rows| {
            *rows
                == json!([
                    ["Downloading", "shop/cart", "shop/cart-7d9f8b6c5-...+1"],
                    ["Queued", "library/postgres", "shop/orders-db-0"]
                ])
        })?;
        let cut = "const more = document.querySelector('.more').getBoundingClientRect(); const cell = document.querySelector('.where').getBoundingClientRect(); return more.width > 0 && more.right <= cell.right";
        browser.see("how many pods wait, inside its cell", cut, |inside| {
            *inside == true
        })?;
        browser.open(&tracer.url("?view=nodes&node=worker-1"))?;
        let queue = "return [...document.querySelectorAll('.queue .repository')].map(name => name.innerText)";
        browser.see("the queue", queue, |names| {
            *names == json!(["library/postgres", "acme/indexer"])
        })?;
        browser.open(&tracer.url("?state=failed&node=worker-2"))?;
        let cause = "return document.querySelector('.rows .progress')?.innerText.split('\\n')[0]";
        browser.see("the kubelet's cause", cause, |cause| cause == "Not found")?;
        browser.run("document.querySelector('.rows .row').click()")?;
        browser.reads("shop/checkout-6c9d4f7b8-tx2lp")?;
        browser.reads(CAUSE)?;

        // The next image of the queue begins: it leaves the queue, and the other one stays in it.
        let postgres = pull("postgres", "docker.io/library/postgres:17", 120, 3);
        let cart = ended(pull("cart", "registry.example.com/shop/cart:1.4", 920, 100));
        if Settings::from_env().screenshots {
            pictures(&browser, &tracer)?;
        }
        tracer.report("worker-1", &[postgres], &[cart])?;
        browser.open(&tracer.url("?view=nodes&node=worker-1"))?;
        browser.see("a shorter queue", queue, |names| {
            *names == json!(["acme/indexer"])
        })?;
        let moving = "return [...document.querySelectorAll('.lines .repository')].map(name => name.innerText)";
        browser
            .see("the next one", moving, |names| {
                *names == json!(["library/postgres"])
            })
            .map(drop)
    });
    scenario.await;
}

/// The guide's pictures, of minutes in which the nodes went on.
fn pictures(browser: &Browser, tracer: &Tracer) -> Result<()> {
    let folder = repository().join("docs/images");
    std::fs::create_dir_all(&folder)?;
    for second in 0..150 {
        nodes_report(tracer, second)?;
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    let cart = "?open=worker-1%3Acart";
    for (name, theme, rest, width, height) in [
        ("tracer-light", "light", cart, 1440, 800),
        ("tracer-dark", "dark", cart, 1440, 800),
        ("tracer-nodes", "light", "?view=nodes", 1440, 800),
        (
            "tracer-failed",
            "dark",
            "?state=failed&open=worker-2%3Acheckout",
            1440,
            560,
        ),
    ] {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.devtools("Emulation.setDeviceMetricsOverride", &size)?;
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        browser.devtools("Emulation.setEmulatedMedia", &media)?;
        browser.open(&tracer.url(rest))?;
        connected(browser)?;
        nodes_report(tracer, 150)?;
        browser.reads("registry.example.com")?;
        let drawn = "return document.querySelector('.speed .line') !== null";
        browser.see("the chart", drawn, |drawn| *drawn == true)?;
        browser.screenshot(&folder.join(format!("{name}.png")))?;
    }
    let pictures = std::fs::read_dir(&folder)?.count();
    ensure!(pictures >= 4, "{pictures} pictures");
    Ok(())
}
