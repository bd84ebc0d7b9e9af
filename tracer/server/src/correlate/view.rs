//! Who wants which image on which node, and for which of them the kubelet is asking the runtime.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use tracer_model::{ImageName, PodCorrelation};

use super::facts::{EventFacts, PodFacts};
use super::texts::Said;
use crate::identity::is_account;

/// What an Event said is of use for so long.
const MEMORY: SignedDuration = SignedDuration::from_hours(1);

/// Pods and what was said of them.
#[derive(Debug, Default)]
pub struct View {
    pods: HashMap<String, PodFacts>,
    by_node: HashMap<String, BTreeSet<String>>,
    /// By pod and container or image: the last Event.
    said: HashMap<(String, String), Last>,
    /// Arrivals: Events of kubelets tell seconds only.
    arrivals: u64,
    /// By namespace and name: pods that run as an agent.
    agents: HashMap<(String, String), (String, String)>,
    /// By node: RegistryConfig, revision, and the pod that puts it there.
    configs: HashMap<String, (String, String, String)>,
    /// The agents' service account, `namespace/name`.
    agent_account: String,
    /// Where node-writers run; anywhere without one.
    writer_namespace: Option<String>,
}

#[derive(Clone, Debug)]
struct Last {
    time: Timestamp,
    arrival: u64,
    image: String,
    is_pulling: bool,
    is_there: bool,
}

/// An image that somebody on a node waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The name in full.
    pub name: ImageName,
    /// Since when the kubelet asks for it, and the order in which that became known.
    pub pulling: Option<(Timestamp, u64)>,
    /// The oldest pod that wants it.
    pub wanted: Timestamp,
    /// Who waits.
    pub pods: Vec<PodCorrelation>,
}

impl View {
    /// Of a cluster whose agents run as `agent_account`.
    pub fn new(agent_account: &str) -> Self {
        Self {
            agent_account: agent_account.to_owned(),
            ..Self::default()
        }
    }

    /// Believes labels of node-writers in this namespace only: others may put any label on pods of their own.
    #[must_use]
    pub fn with_writers_in(mut self, namespace: Option<String>) -> Self {
        self.writer_namespace = namespace;
        self
    }

    /// Takes a pod as it is now; tells the node whose candidates may have changed.
    pub fn apply(&mut self, pod: PodFacts) -> Option<String> {
        if is_account(&self.agent_account, &pod.namespace, &pod.service_account) {
            let key = (pod.namespace.clone(), pod.name.clone());
            self.agents.insert(key, (pod.node.clone(), pod.uid.clone()));
        }
        let is_believed = self
            .writer_namespace
            .as_ref()
            .is_none_or(|namespace| *namespace == pod.namespace);
        if let Some((config, revision)) = pod.config.as_ref().filter(|_| is_believed) {
            let value = (config.clone(), revision.clone(), pod.uid.clone());
            self.configs.insert(pod.node.clone(), value);
        }
        let node = pod.node.clone();
        if pod.wants.is_empty() {
            return self.forget(&pod.uid).then_some(node);
        }
        if self.pods.get(&pod.uid) == Some(&pod) {
            return None;
        }
        self.by_node
            .entry(node.clone())
            .or_default()
            .insert(pod.uid.clone());
        self.pods.insert(pod.uid.clone(), pod);
        Some(node)
    }

    /// Forgets a pod that was deleted.
    pub fn delete(&mut self, pod: &PodFacts) -> Option<String> {
        self.agents
            .remove(&(pod.namespace.clone(), pod.name.clone()));
        if self
            .configs
            .get(&pod.node)
            .is_some_and(|config| config.2 == pod.uid)
        {
            self.configs.remove(&pod.node);
        }
        self.forget(&pod.uid).then(|| pod.node.clone())
    }

    /// Forgets whatever a new list of all pods does not hold.
    pub fn keep_only(&mut self, listed: &BTreeSet<String>) -> BTreeSet<String> {
        let gone: Vec<PodFacts> = self
            .pods
            .values()
            .filter(|pod| !listed.contains(&pod.uid))
            .cloned()
            .collect();
        self.agents.retain(|_, (_, uid)| listed.contains(uid));
        self.configs.retain(|_, config| listed.contains(&config.2));
        gone.iter().filter_map(|pod| self.delete(pod)).collect()
    }

    /// Takes an Event; tells the node it is about. One that is older than what is known changes nothing.
    pub fn hear(&mut self, event: &EventFacts) -> Option<String> {
        let node = if event.node.is_empty() {
            self.pods.get(&event.pod_uid)?.node.clone()
        } else {
            event.node.clone()
        };
        let place = if event.container.is_empty() {
            event.said.image().to_owned()
        } else {
            event.container.clone()
        };
        self.arrivals += 1;
        let key = (event.pod_uid.clone(), place);
        if self
            .said
            .get(&key)
            .is_some_and(|last| last.time > event.time)
        {
            return None;
        }
        let last = Last {
            time: event.time,
            arrival: self.arrivals,
            image: tracer_model::image::normalized(event.said.image()),
            is_pulling: matches!(event.said, Said::Pulling { .. }),
            is_there: matches!(event.said, Said::Pulled { .. } | Said::Present { .. }),
        };
        self.said.insert(key, last);
        Some(node)
    }

    /// The runtime has `name` on `node` since `time`: who asked for it before asks no more.
    pub fn arrived(&mut self, node: &str, name: &ImageName, time: Timestamp) {
        let name = name.to_string();
        let uids = self.by_node.get(node);
        for uid in uids.into_iter().flatten() {
            let Some(pod) = self.pods.get(uid) else {
                continue;
            };
            for want in &pod.wants {
                let key = (uid.clone(), want.container.clone());
                if let Some(last) = self.said.get_mut(&key)
                    && last.is_pulling
                    && last.image == name
                    && last.time <= time
                {
                    last.is_pulling = false;
                    last.is_there = true;
                }
            }
        }
    }

    /// Images that somebody on the node waits for, first those that the kubelet asks for, in the order of its asking.
    pub fn candidates(&self, node: &str) -> Vec<Candidate> {
        let mut found: BTreeMap<ImageName, Candidate> = BTreeMap::new();
        let pods = self.by_node.get(node).into_iter().flatten();
        for pod in pods.filter_map(|uid| self.pods.get(uid)) {
            for want in &pod.wants {
                let by_container = (pod.uid.clone(), want.container.clone());
                let by_image = (pod.uid.clone(), want.image.clone());
                let last = self
                    .said
                    .get(&by_container)
                    .or_else(|| self.said.get(&by_image))
                    .filter(|last| last.image == want.name.to_string());
                if last.is_some_and(|last| last.is_there) {
                    continue;
                }
                let pulling = last
                    .filter(|last| last.is_pulling)
                    .map(|last| (last.time, last.arrival));
                let candidate = found.entry(want.name.clone()).or_insert_with(|| Candidate {
                    name: want.name.clone(),
                    pulling: None,
                    wanted: pod.created,
                    pods: Vec::new(),
                });
                candidate.pulling = earlier(candidate.pulling, pulling);
                candidate.wanted = candidate.wanted.min(pod.created);
                candidate.pods.push(PodCorrelation {
                    namespace: pod.namespace.clone(),
                    pod_name: pod.name.clone(),
                    container: want.container.clone(),
                    image: want.image.clone(),
                });
            }
        }
        let mut all: Vec<Candidate> = found.into_values().collect();
        all.sort_by_key(|candidate| match candidate.pulling {
            Some((time, arrival)) => (false, time, arrival),
            None => (true, candidate.wanted, 0),
        });
        all
    }

    /// The node of a pod that runs as an agent, if its uid is the same.
    pub fn agent_node(&self, namespace: &str, pod: &str, uid: &str) -> Option<&str> {
        let (node, known) = self.agents.get(&(namespace.to_owned(), pod.to_owned()))?;
        (known == uid).then_some(node)
    }

    /// RegistryConfig and revision of a node.
    pub fn config(&self, node: &str) -> Option<(&str, &str)> {
        let (config, revision, _) = self.configs.get(node)?;
        Some((config, revision))
    }

    /// Forgets what was said long ago.
    pub fn sweep(&mut self, now: Timestamp) {
        self.said
            .retain(|_, last| now.duration_since(last.time) < MEMORY);
    }

    fn forget(&mut self, uid: &str) -> bool {
        let Some(pod) = self.pods.remove(uid) else {
            return false;
        };
        if let Some(uids) = self.by_node.get_mut(&pod.node) {
            uids.remove(uid);
            if uids.is_empty() {
                self.by_node.remove(&pod.node);
            }
        }
        for want in &pod.wants {
            self.said.remove(&(uid.to_owned(), want.container.clone()));
            self.said.remove(&(uid.to_owned(), want.image.clone()));
        }
        true
    }
}

fn earlier(a: Option<(Timestamp, u64)>, b: Option<(Timestamp, u64)>) -> Option<(Timestamp, u64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
