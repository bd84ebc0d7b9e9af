//! Waits until Kubernetes itself says that the nodes are there.

use std::time::{Duration, Instant};

use docker::Command;
use serde::Deserialize;

use super::{Failure, Runner};
use crate::cluster::Wait;
use crate::observed::Container;
use crate::plan::kubernetes::ANY_END;
use crate::{entrypoint, names};

/// Each question starts a program in a node that has much to do just then.
const PAUSE: Duration = Duration::from_millis(300);
/// So often the API is asked before the user is told what is waited for.
const QUIET: u32 = 20;
/// A network plugin that k3s brings is there long before; another one comes when the user installs it.
const NETWORK_PATIENCE: Duration = Duration::from_secs(60);
/// The servers' own script puts names into `CoreDNS`'s configuration, mostly before the first node is Ready.
const NAMES_PATIENCE: Duration = Duration::from_secs(10);

/// What `kubectl get -o json` answers, as far as it is looked at.
#[derive(Deserialize)]
struct List {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    owner_references: Vec<Owner>,
}

#[derive(Deserialize)]
struct Owner {
    kind: String,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    phase: String,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    message: String,
}

impl Runner<'_> {
    pub(super) async fn wait_for_nodes(
        &self,
        server: &str,
        nodes: &[String],
        wait: Wait,
    ) -> Result<(), Failure> {
        tokio::select! {
            result = self.ask_until_there(server, nodes, wait) => result,
            () = self.halt.cancelled() => Err(Failure::Cancelled),
        }
    }

    async fn ask_until_there(
        &self,
        server: &str,
        nodes: &[String],
        wait: Wait,
    ) -> Result<(), Failure> {
        let mut end = Instant::now() + NETWORK_PATIENCE;
        let mut network_later = false;
        for attempt in 1_u32.. {
            let answer = self.kubectl(server, &["get", "nodes", "-o", "json"]);
            let missing = match answer.await? {
                Answer::NoKubectl => {
                    let text = format!("{server} has no kubectl, so its nodes are not waited for");
                    self.reporter.warn(text);
                    return Ok(());
                }
                Answer::Refused(why) => Missing::Other(format!("the API server: {why}")),
                Answer::Text(json) => missing(&json, nodes),
            };
            let missing = match missing {
                Missing::Nothing if wait == Wait::Pods => match self.missing_pods(server).await? {
                    Some(pods) => Missing::Other(pods),
                    None => Missing::Nothing,
                },
                missing => missing,
            };
            let text = match missing {
                Missing::Nothing => break,
                Missing::Network(text) => {
                    network_later = network_later || self.brings_no_network(server).await?;
                    if network_later || Instant::now() > end {
                        self.reporter.info(format!(
                            "Not waiting for {text}: that takes a network plugin, which is yours to install"
                        ));
                        break;
                    }
                    text
                }
                Missing::Other(text) => {
                    end = Instant::now() + NETWORK_PATIENCE;
                    text
                }
            };
            if attempt % QUIET == 0 {
                self.reporter.info(format!("Waiting for {text}"));
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.wait_for_names(server).await
    }

    /// Whether the user said to k3s that the network of pods comes from elsewhere.
    async fn brings_no_network(&self, server: &str) -> Result<bool, Failure> {
        let container = Container::of(self.engine.inspect(server).await?);
        Ok(container.is_some_and(|container| has_no_network(&container.command())))
    }

    /// Whoever looks right after us finds the names where k3d puts them. That they are late is no failure.
    async fn wait_for_names(&self, server: &str) -> Result<(), Failure> {
        let told = self
            .engine
            .get_file(server, entrypoint::COREDNS_PATH)
            .await?;
        if told.is_none_or(|text| !String::from_utf8_lossy(&text).contains(names::HOST_ALIAS)) {
            return Ok(());
        }
        let end = Instant::now() + NAMES_PATIENCE;
        let ask = ["get", "configmap", "coredns", "--namespace", "kube-system"];
        let ask = [&ask[..], &["--output", "jsonpath={.data.NodeHosts}"]].concat();
        while Instant::now() < end {
            match self.kubectl(server, &ask).await? {
                Answer::Text(text) if text.contains(names::HOST_ALIAS) => return Ok(()),
                Answer::NoKubectl => return Ok(()),
                Answer::Text(_) | Answer::Refused(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        self.reporter
            .debug(format!("CoreDNS does not know {} yet", names::HOST_ALIAS));
        Ok(())
    }

    async fn missing_pods(&self, server: &str) -> Result<Option<String>, Failure> {
        let arguments = ["get", "pods", "--namespace", "kube-system", "-o", "json"];
        Ok(match self.kubectl(server, &arguments).await? {
            Answer::Text(json) => missing_pods(&json),
            Answer::Refused(why) => Some(format!("the API server: {why}")),
            Answer::NoKubectl => None,
        })
    }

    pub(super) async fn kubectl(&self, node: &str, arguments: &[&str]) -> Result<Answer, Failure> {
        let words = std::iter::once("kubectl").chain(arguments.iter().copied());
        let output = self.engine.exec(node, &Command::new(words), None).await;
        let output = match output {
            Ok(output) => output,
            Err(error) if error.says("executable file not found") => return Ok(Answer::NoKubectl),
            // A node that restarts right now cannot be asked.
            Err(error) if error.is_conflict() => return Ok(Answer::Refused(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        Ok(match output.exit_code {
            0 => Answer::Text(String::from_utf8_lossy(&output.stdout).into_owned()),
            126 | 127 => Answer::NoKubectl,
            _ => Answer::Refused(last_line(&output.stderr)),
        })
    }
}

pub(super) enum Answer {
    Text(String),
    /// kubectl failed and says so.
    Refused(String),
    NoKubectl,
}

fn last_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    text.lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .to_owned()
}

/// What is not there yet, in words.
#[derive(Debug, PartialEq)]
enum Missing {
    Nothing,
    /// Every node is registered; those that are named lack a network for their pods alone.
    Network(String),
    Other(String),
}

fn missing(json: &str, wanted: &[String]) -> Missing {
    let Ok(list) = serde_json::from_str::<List>(json) else {
        return Missing::Other("an answer of the API server".to_owned());
    };
    let mut only_network = true;
    let mut waiting = Vec::new();
    for name in wanted {
        let mut those = list.items.iter().filter(|item| is_node(item, name));
        let Some(node) = those.next() else {
            only_network = false;
            waiting.push(format!("node {name} to register"));
            continue;
        };
        let ready = node.status.conditions.iter().find(|it| it.kind == "Ready");
        if ready.is_none_or(|ready| ready.status != "True") {
            only_network &= ready.is_some_and(lacks_network);
            waiting.push(format!("node {name} to be Ready"));
        }
    }
    match (waiting.is_empty(), only_network) {
        (true, _) => Missing::Nothing,
        (false, true) => Missing::Network(waiting.join(", ")),
        (false, false) => Missing::Other(waiting.join(", ")),
    }
}

fn is_node(item: &Item, wanted: &str) -> bool {
    let name = item.metadata.name.as_str();
    match wanted.strip_suffix(ANY_END) {
        Some(start) => name
            .strip_prefix(start)
            .is_some_and(|rest| rest.starts_with('-')),
        None => name == wanted,
    }
}

/// As the kubelet says it, in versions of all ages.
fn lacks_network(ready: &Condition) -> bool {
    let words = [
        "NetworkPluginNotReady",
        "cni plugin not initialized",
        "cni config uninitialized",
    ];
    words.iter().any(|word| ready.message.contains(word))
}

fn has_no_network(command: &[String]) -> bool {
    let mut pairs = command.iter().zip(command.iter().skip(1));
    command
        .iter()
        .any(|word| word == "--flannel-backend=none" || word == "--no-flannel")
        || pairs.any(|(flag, value)| flag == "--flannel-backend" && value == "none")
}

fn missing_pods(json: &str) -> Option<String> {
    let Ok(list) = serde_json::from_str::<List>(json) else {
        return Some("an answer of the API server".to_owned());
    };
    let waiting: Vec<String> = list
        .items
        .iter()
        .filter(|pod| {
            let ready = |it: &Condition| it.kind == "Ready" && it.status == "True";
            // What a job does is there when the job is done; its pod is ready long before.
            let of_job = pod
                .metadata
                .owner_references
                .iter()
                .any(|owner| owner.kind == "Job");
            pod.status.phase != "Succeeded" && (of_job || !pod.status.conditions.iter().any(ready))
        })
        .map(|pod| format!("pod {}", pod.metadata.name))
        .collect();
    if list.items.is_empty() {
        return Some("the system's pods".to_owned());
    }
    (!waiting.is_empty()).then(|| waiting.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_missing_until_they_are_ready() {
        let json = r#"{"items": [
            {"metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}},
            {"metadata": {"name": "b"}, "status": {"conditions": [{"type": "Ready", "status": "False"}]}}
        ]}"#;
        let wanted = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(missing(json, &wanted(&["a"])), Missing::Nothing);
        assert_eq!(
            missing(json, &wanted(&["a", "b", "c"])),
            Missing::Other("node b to be Ready, node c to register".to_owned())
        );
        assert!(matches!(missing("", &wanted(&["a"])), Missing::Other(_)));
    }

    #[test]
    fn a_node_that_waits_for_the_users_network_is_told_from_one_that_fails() {
        let node = |name: &str, message: &str| {
            serde_json::json!({"metadata": {"name": name}, "status": {"conditions": [
                {"type": "MemoryPressure", "status": "False", "message": "kubelet has memory"},
                {"type": "Ready", "status": "False", "message": message},
            ]}})
        };
        let waits = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady \
            message:Network plugin returns error: cni plugin not initialized";
        let list = |nodes: &[serde_json::Value]| serde_json::json!({"items": nodes}).to_string();
        let [a, b] = ["a", "b-1f2e"].map(str::to_owned);
        let one = list(&[node("a", waits), node(&b, waits)]);
        let wanted = [a.clone(), "b-*".to_owned()];
        let text = "node a to be Ready, node b-* to be Ready".to_owned();
        assert_eq!(missing(&one, &wanted), Missing::Network(text));
        let other = list(&[node("a", waits), node(&b, "PLEG is not healthy")]);
        assert!(matches!(missing(&other, &wanted), Missing::Other(_)));
        let fewer = list(&[node("a", waits)]);
        assert!(matches!(missing(&fewer, &wanted), Missing::Other(_)));
    }

    #[test]
    fn a_network_of_the_users_own_is_seen_in_every_spelling() {
        for (command, none) in [
            (&["server", "--flannel-backend=none"][..], true),
            (&["server", "--flannel-backend", "none"], true),
            (&["server", "--flannel-backend=host-gw"], false),
            (&["server", "--flannel-backend"], false),
        ] {
            let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(has_no_network(&command), none, "{command:?}");
        }
    }

    #[test]
    fn pods_are_missing_until_they_are_ready_or_done() {
        let json = r#"{"items": [
            {"metadata": {"name": "job"}, "status": {"phase": "Succeeded"}},
            {"metadata": {"name": "dns"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}}
        ]}"#;
        assert_eq!(missing_pods(json).unwrap(), "pod dns");
        let helm = r#"{"items": [{"metadata": {"name": "helm", "ownerReferences": [{"kind": "Job"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}]}"#;
        assert_eq!(missing_pods(helm).unwrap(), "pod helm");
        assert!(missing_pods(r#"{"items": []}"#).is_some());
    }
}
