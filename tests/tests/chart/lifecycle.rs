//! Install, upgrade and uninstall with real Helm, the real operator and real node-writers.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::RegistryConfig;
use e2e::kubelet::NodeSpec;
use e2e::{Cluster, eventually, operator, scenario};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::helm::{PROTOTYPE, at, chart, template};
use super::release::{
    NAMESPACE, earlier, everything, helm_wait, left_behind, prepare_namespace, uninstall,
};

const FILE: &str = "/etc/rancher/k3s/registries.yaml";
const ORIGINAL: &str = "# by hand\nmirrors: {}\n";
const SOON: Duration = Duration::from_secs(90);
/// Tests wait for facts, not for `minReadySeconds`.
const IMPATIENT: [&str; 2] = [
    "--set",
    "registryConfig.spec.updateStrategy.rollingUpdate.minReadySeconds=0",
];

fn file(cluster: &Cluster, node: &str) -> Result<Option<String>> {
    Ok(cluster.kubelet()?.node(node)?.read(FILE))
}

/// Waits until a `RegistryConfig` is Ready in its newest generation, on so many nodes.
async fn ready(cluster: &Cluster, name: &str, nodes: i32) -> Result<RegistryConfig> {
    let configs = Api::<RegistryConfig>::all(cluster.client.clone());
    eventually(&format!("{name} Ready on {nodes} nodes"), SOON, || async {
        let config = configs.get(name).await?;
        let status = config.status.clone().unwrap_or_default();
        let ready = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Ready");
        let ready = ready.with_context(|| format!("no Ready in {status:?}"))?;
        let counts = status.nodes.unwrap_or_default();
        ensure!(
            ready.status == "True"
                && ready.observed_generation == config.metadata.generation
                && counts.updated == nodes,
            "{status:?}"
        );
        Ok(config)
    })
    .await
}

async fn holds(cluster: &Cluster, node: &str, text: &str) -> Result<()> {
    eventually(&format!("{text} on {node}"), SOON, || async {
        let found = file(cluster, node)?.unwrap_or_default();
        ensure!(found.contains(text), "{found}");
        Ok::<_, anyhow::Error>(())
    })
    .await
}

async fn key(cluster: &Cluster) -> Result<BTreeMap<String, ByteString>> {
    let secrets = Api::<Secret>::namespaced(cluster.client.clone(), NAMESPACE);
    let data = secrets.get("berth-revision-key").await?.data;
    data.filter(|data| !data.is_empty())
        .context("the operator has made no key")
}

fn revision(config: &RegistryConfig) -> Option<&str> {
    config.status.as_ref()?.revision.as_deref()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_reach_every_node_and_nodes_follow_an_upgrade_from_the_earlier_chart() {
    let mut nodes = NodeSpec::workers("worker", 2);
    nodes.push(NodeSpec::control_plane("server-0"));
    scenario(nodes, upgrade).await;
}

#[expect(
    clippy::print_stdout,
    reason = "which chart was upgraded from is part of the result"
)]
async fn upgrade(cluster: &mut Cluster) -> Result<()> {
    let nodes = ["worker-0", "worker-1", "server-0"];
    cluster.kubelet()?.node("worker-1")?.write(FILE, ORIGINAL)?;
    prepare_namespace(cluster).await?;
    let before = everything(cluster).await?;
    let folder = tempfile::tempdir()?;
    let (old, name) = earlier(&folder)?;
    println!("upgrading from {name}");

    helm_wait(cluster, "install", &old, PROTOTYPE, &IMPATIENT).await?;
    let first = ready(cluster, "default", 3).await?;
    for node in nodes {
        let text = file(cluster, node)?.with_context(|| format!("{node} has no file"))?;
        let found: Value = serde_yaml::from_str(&text)?;
        let values: Value = serde_yaml::from_str(PROTOTYPE)?;
        ensure!(
            found["mirrors"] == values["registries"]["mirrors"],
            "{text}"
        );
        ensure!(
            text.contains("made-up-password") && text.contains("/etc/ssl/certs/ca.pem"),
            "{text}"
        );
    }
    let key_before = key(cluster).await?;
    metrics_of_the_alerts_exist(cluster).await?;

    // Another chart, the same registries: nothing changes for the nodes.
    let debug = [&IMPATIENT[..], &["--set", "operator.logLevel=debug"]].concat();
    helm_wait(cluster, "upgrade", &chart(), PROTOTYPE, &debug).await?;
    operator::wait_until_ready(cluster).await?;
    let second = ready(cluster, "default", 3).await?;
    ensure!(
        revision(&second) == revision(&first),
        "another revision of the same files"
    );
    ensure!(
        second.uid() == first.uid() && key(cluster).await? == key_before,
        "made anew"
    );

    let changed = PROTOTYPE.replacen(
        "https://registry.example.com:5000",
        "https://second.example.com",
        1,
    );
    helm_wait(cluster, "upgrade", &chart(), &changed, &IMPATIENT).await?;
    for node in nodes {
        holds(cluster, node, "https://second.example.com").await?;
    }
    let third = ready(cluster, "default", 3).await?;
    ensure!(
        revision(&third) != revision(&first),
        "the same revision of other files"
    );
    ensure!(key(cluster).await? == key_before, "another key");

    helm_wait(cluster, "upgrade", &chart(), "crds: {keep: false}", &[]).await?;
    let configs = Api::<RegistryConfig>::all(cluster.client.clone());
    eventually("no RegistryConfig", SOON, || async {
        let left = configs
            .list_metadata(&ListParams::default())
            .await?
            .items
            .len();
        ensure!(left == 0, "{left} left");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    ensure!(
        file(cluster, "worker-1")?.as_deref() == Some(ORIGINAL),
        "not restored"
    );
    ensure!(
        file(cluster, "worker-0")?.is_none(),
        "a file where none was"
    );

    uninstall(cluster).await?;
    left_behind(cluster, &before, &[]).await
}

async fn metrics_of_the_alerts_exist(cluster: &Cluster) -> Result<()> {
    let pods = operator::pods(cluster).await?;
    let shown = operator::metrics(cluster, pods.first().context("no operator")?).await?;
    let rendered = template(&["--set", "prometheusRule.enabled=true"])?;
    let rules = at(rendered.only("PrometheusRule")?, "/spec/groups/0/rules")?;
    for rule in rules.as_array().into_iter().flatten() {
        let expression = rule["expr"].as_str().unwrap_or_default();
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for metric in words.filter(|word| word.starts_with("berth_")) {
            ensure!(
                shown.contains(&format!("\n{metric}")),
                "{metric} is not measured: {shown}"
            );
        }
    }
    Ok(())
}

fn pools() -> Vec<NodeSpec> {
    ["chart-0", "chart-1", "foreign-0"]
        .map(|name| {
            NodeSpec::worker(name).label("pool", name.split('-').next().unwrap_or_default())
        })
        .into()
}

/// A release with a `RegistryConfig` of its own beside one that somebody else made.
async fn two_registry_configs(cluster: &Cluster, keep: &str) -> Result<()> {
    cluster.kubelet()?.node("chart-1")?.write(FILE, ORIGINAL)?;
    cluster
        .kubelet()?
        .node("foreign-0")?
        .write(FILE, ORIGINAL)?;
    let further = [
        &IMPATIENT[..],
        &[
            "--set",
            keep,
            "--set",
            "registryConfig.spec.nodeSelector.matchLabels.pool=chart",
        ],
        &[
            "--set",
            "networkPolicy.enabled=true",
            "--set",
            "podDisruptionBudget.enabled=true",
        ],
    ];
    helm_wait(cluster, "install", &chart(), PROTOTYPE, &further.concat()).await?;
    let mut foreign = e2e::fixtures::registry_config("foreign");
    foreign["spec"]["nodeSelector"] = json!({"matchLabels": {"pool": "foreign"}});
    cluster.tools.apply(&foreign.to_string()).await?;
    ready(cluster, "default", 2).await?;
    ready(cluster, "foreign", 1).await?;
    the_network_policies_select_their_pods(cluster).await
}

async fn the_network_policies_select_their_pods(cluster: &Cluster) -> Result<()> {
    let rendered = template(&["--set", "networkPolicy.enabled=true"])?;
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), NAMESPACE);
    for (policy, count) in [("berth", 1), ("berth-node-writer", 3)] {
        let policy = rendered.named("NetworkPolicy", policy)?;
        let labels = at(policy, "/spec/podSelector/matchLabels")?.as_object();
        let labels = labels.into_iter().flatten();
        let selector: Vec<String> = labels
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect();
        let found = pods
            .list_metadata(&ListParams::default().labels(&selector.join(",")))
            .await?;
        ensure!(
            found.items.len() == count,
            "{selector:?} selects {} pods",
            found.items.len()
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uninstalling_with_the_crd_gives_all_files_back_and_leaves_nothing_behind() {
    scenario(pools(), async |cluster: &mut Cluster| {
        prepare_namespace(cluster).await?;
        let before = everything(cluster).await?;
        two_registry_configs(cluster, "crds.keep=false").await?;
        uninstall(cluster).await?;
        for (node, original) in [
            ("chart-0", None),
            ("chart-1", Some(ORIGINAL)),
            ("foreign-0", Some(ORIGINAL)),
        ] {
            let found = file(cluster, node)?;
            ensure!(found.as_deref() == original, "{node}: {found:?}");
        }
        left_behind(cluster, &before, &[]).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uninstalling_without_the_crd_keeps_what_others_made_and_says_so() {
    scenario(pools(), kept).await;
}

async fn kept(cluster: &mut Cluster) -> Result<()> {
    prepare_namespace(cluster).await?;
    let before = everything(cluster).await?;
    two_registry_configs(cluster, "crds.keep=true").await?;
    uninstall(cluster).await?;
    for (node, original) in [("chart-0", None), ("chart-1", Some(ORIGINAL))] {
        let found = file(cluster, node)?;
        ensure!(found.as_deref() == original, "{node}: {found:?}");
    }
    holds(cluster, "foreign-0", "https://mirror.internal:5000").await?;
    let stays = [
        "APIService /v1alpha1.berth.dev",
        "CustomResourceDefinition /registryconfigs.berth.dev",
        "RegistryConfig /foreign",
    ];
    left_behind(cluster, &before, &stays).await?;
    let configs = Api::<RegistryConfig>::all(cluster.client.clone());
    let foreign = configs.get("foreign").await?;
    ensure!(
        foreign.finalizers().is_empty(),
        "{:?}",
        foreign.finalizers()
    );
    let logs = cluster.kubelet()?.logs(NAMESPACE);
    let of_job = logs
        .iter()
        .find(|(pod, _)| pod.starts_with("berth-uninstall"));
    let (_, log) = of_job.context("no log of the Job")?;
    ensure!(log.contains("foreign") && log.contains("Retain"), "{log}");

    // The next release takes over what stayed.
    helm_wait(
        cluster,
        "install",
        &chart(),
        PROTOTYPE,
        &[
            "--set",
            "registryConfig.spec.nodeSelector.matchLabels.pool=chart",
        ],
    )
    .await?;
    ready(cluster, "foreign", 1).await?;
    ready(cluster, "default", 2).await.map(drop)
}

/// Words that YAML 1.1 takes for something else, and a name that looks like a number.
const ODD_VALUES: &str = r#"
registryConfig:
  name: "1e3"
  spec:
    nodeSelector: {matchLabels: {"on": "off"}}
    registries:
      mirrors:
        docker.io:
          endpoint: ["https://mirror.internal:5000"]
          rewrite: {"^library/": "0x1F/", "no": "yes"}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_words_in_the_values_reach_the_nodes_and_an_empty_one_is_refused_with_the_mend() {
    let node = NodeSpec::worker("worker-0").label("on", "off");
    scenario([node], async |cluster: &mut Cluster| {
        prepare_namespace(cluster).await?;
        helm_wait(cluster, "install", &chart(), ODD_VALUES, &IMPATIENT).await?;
        ready(cluster, "1e3", 1).await?;
        for line in [r#""^library/": "0x1F/""#, r#""no": "yes""#] {
            holds(cluster, "worker-0", line).await?;
        }
        // The oldest server cannot store an empty text in any way: nothing is lost, and the operator says what to do.
        let empty = ODD_VALUES.replace(r#""0x1F/""#, r#""""#);
        helm_wait(cluster, "upgrade", &chart(), &empty, &IMPATIENT).await?;
        eventually("the mend in the log", SOON, || async {
            let logs: String = cluster.kubelet()?.logs(NAMESPACE).into_values().collect();
            let stored = Api::<RegistryConfig>::all(cluster.client.clone());
            let stored = serde_json::to_value(stored.get("1e3").await?.spec.registries)?;
            let is_stored = stored["mirrors"]["docker.io"]["rewrite"]["^library/"] == "";
            ensure!(
                is_stored || logs.contains("may not store empty texts"),
                "neither stored nor refused"
            );
            Ok::<_, anyhow::Error>(())
        })
        .await?;
        holds(cluster, "worker-0", "https://mirror.internal:5000").await
    })
    .await;
}
