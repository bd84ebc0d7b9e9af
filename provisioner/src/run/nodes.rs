//! Waits until Kubernetes itself says that the nodes are there.

use std::collections::BTreeMap;
use std::time::Duration;

use docker::Command;
use serde::Deserialize;

use super::{Failure, Runner};
use crate::cluster::Wait;

const PAUSE: Duration = Duration::from_millis(100);
/// So often the API is asked before the user is told what is waited for.
const QUIET: u32 = 50;

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
struct Metadata {
    name: String,
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
        for attempt in 1_u32.. {
            let missing = match self
                .kubectl(server, &["get", "nodes", "-o", "json"])
                .await?
            {
                Answer::NoKubectl => {
                    let text = format!("{server} has no kubectl, so its nodes are not waited for");
                    self.reporter.warn(text);
                    return Ok(());
                }
                Answer::Refused(why) => Some(format!("the API server: {why}")),
                Answer::Text(json) => missing(&json, nodes),
            };
            let missing = match missing {
                None if wait == Wait::Pods => self.missing_pods(server).await?,
                missing => missing,
            };
            let Some(missing) = missing else {
                return Ok(());
            };
            if attempt % QUIET == 0 {
                self.reporter.info(format!("Waiting for {missing}"));
            }
            tokio::time::sleep(PAUSE).await;
        }
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

/// What is not there yet, in words; `None` when all is.
fn missing(json: &str, wanted: &[String]) -> Option<String> {
    let Ok(list) = serde_json::from_str::<List>(json) else {
        return Some("an answer of the API server".to_owned());
    };
    let ready: BTreeMap<&str, bool> = list
        .items
        .iter()
        .map(|item| {
            let mut conditions = item.status.conditions.iter();
            let ready = conditions.any(|it| it.kind == "Ready" && it.status == "True");
            (item.metadata.name.as_str(), ready)
        })
        .collect();
    let waiting: Vec<String> = wanted
        .iter()
        .filter_map(|name| match ready.get(name.as_str()) {
            Some(true) => None,
            Some(false) => Some(format!("node {name} to be Ready")),
            None => Some(format!("node {name} to register")),
        })
        .collect();
    (!waiting.is_empty()).then(|| waiting.join(", "))
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
            pod.status.phase != "Succeeded" && !pod.status.conditions.iter().any(ready)
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
        assert_eq!(missing(json, &wanted(&["a"])), None);
        assert_eq!(
            missing(json, &wanted(&["a", "b", "c"])).unwrap(),
            "node b to be Ready, node c to register"
        );
        assert!(missing("", &wanted(&["a"])).is_some());
    }

    #[test]
    fn pods_are_missing_until_they_are_ready_or_done() {
        let json = r#"{"items": [
            {"metadata": {"name": "job"}, "status": {"phase": "Succeeded"}},
            {"metadata": {"name": "dns"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}}
        ]}"#;
        assert_eq!(missing_pods(json).unwrap(), "pod dns");
        assert!(missing_pods(r#"{"items": []}"#).is_some());
    }
}
