//! Reports become what is known of each node: full lists, deltas and heartbeats under a boot id and a sequence number.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tracer_model::{PullStatus, Report, ReportKind, ReportedPull, Runtime};

use crate::correlate::Naming;
use crate::correlate::queue::Queue;
use crate::legacy;
use crate::rates::RateWindow;
use crate::status;

/// What one node and all nodes together may take of memory.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Nodes.
    pub nodes: usize,
    /// Pulls of a node that go on at once.
    pub pulls: usize,
    /// Layers of a pull.
    pub layers: usize,
}

/// Longer texts of a report are cut: nothing that is real is so long.
const TEXT: usize = 1024;
/// Names and endpoints of a pull.
const LISTED: usize = 64;

impl Default for Caps {
    fn default() -> Self {
        Self {
            nodes: 10_000,
            pulls: 256,
            layers: 512,
        }
    }
}

/// A pull that goes on.
#[derive(Clone, Debug)]
pub struct Active {
    /// As the agent told it last.
    pub reported: ReportedPull,
    /// What pods and Events add.
    pub naming: Naming,
    /// What readers get.
    pub status: Arc<PullStatus>,
    rates: RateWindow,
    legacy: bool,
}

/// A node and its agent.
#[derive(Clone, Debug, Default)]
pub struct Node {
    boot_id: String,
    sequence: u64,
    /// When a report last came.
    pub last_seen: Timestamp,
    /// Whether reports come.
    pub connected: bool,
    /// Version of the agent.
    pub agent_version: String,
    /// How its runtime is.
    pub runtime: Option<Runtime>,
    /// By the id that the agent gave.
    pub pulls: BTreeMap<String, Active>,
    /// What the kubelet asks for while the runtime pulls something else.
    pub queued: Queue,
}

/// What a report came to.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// It was taken.
    Taken(Changes),
    /// Something is missing before it: the next must be a full one.
    Resync,
    /// There are too many nodes.
    Full,
}

/// What changed by a report.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    /// The agent was silent or unknown before.
    pub connected: bool,
    /// Agent's ids of pulls that began.
    pub started: Vec<String>,
    /// Agent's ids of pulls that moved.
    pub moved: Vec<String>,
    /// Pulls that ended, with what was known of them.
    pub finished: Vec<Ended>,
    /// Pulls that nobody knows any more.
    pub forgotten: Vec<Arc<PullStatus>>,
}

/// A pull that ended.
#[derive(Debug, PartialEq)]
pub struct Ended {
    /// As the agent told it last.
    pub reported: ReportedPull,
    /// What pods and Events said while it went on.
    pub naming: Naming,
    /// Its last state before, where there was one.
    pub before: Option<Arc<PullStatus>>,
    /// Of an agent of the earlier program, whose ids come again.
    pub legacy: bool,
}

/// All nodes.
#[derive(Debug, Default)]
pub struct Nodes {
    nodes: BTreeMap<String, Node>,
    caps: Caps,
}

impl Nodes {
    /// No nodes yet.
    pub fn new(caps: Caps) -> Self {
        Self {
            nodes: BTreeMap::new(),
            caps,
        }
    }

    /// Nodes in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// A node that reported.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// Same, to change names of its pulls.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.nodes.get_mut(name)
    }

    /// Every pull that goes on or waits.
    pub fn active(&self) -> impl Iterator<Item = &Arc<PullStatus>> {
        self.nodes.values().flat_map(|node| {
            let pulls = node.pulls.values().map(|pull| &pull.status);
            pulls.chain(node.queued.values())
        })
    }

    /// Takes one report in.
    pub fn take(&mut self, mut report: Report, now: Timestamp) -> Outcome {
        if !self.nodes.contains_key(&report.node_name) && self.nodes.len() >= self.caps.nodes {
            return Outcome::Full;
        }
        self.bound(&mut report, now);
        let known = self.nodes.get(&report.node_name);
        let follows = |node: &Node| {
            node.connected
                && node.boot_id == report.boot_id
                && report.sequence <= node.sequence.saturating_add(1)
        };
        if report.kind != ReportKind::Full && !known.is_some_and(follows) {
            return Outcome::Resync;
        }
        let node = self.nodes.entry(report.node_name.clone()).or_default();
        let mut changes = Changes {
            connected: !node.connected,
            ..Changes::default()
        };
        let repeated = report.kind != ReportKind::Full && report.sequence <= node.sequence;
        node.connected = true;
        node.last_seen = now;
        node.finish(std::mem::take(&mut report.finished), &mut changes);
        if !repeated {
            node.update(
                &report.node_name,
                report.pulls,
                now,
                self.caps.pulls,
                &mut changes,
                report.kind,
                report.protocol.is_none(),
            );
            node.boot_id = report.boot_id;
            node.sequence = report.sequence;
            node.agent_version = report.agent_version;
            node.runtime = report.runtime.or(node.runtime.take());
        }
        Outcome::Taken(changes)
    }

    /// Nodes whose agents are silent since `silence`.
    pub fn lose(&mut self, now: Timestamp, silence: SignedDuration) -> Vec<String> {
        let mut lost = Vec::new();
        for (name, node) in &mut self.nodes {
            if node.connected && now.duration_since(node.last_seen) > silence {
                node.connected = false;
                lost.push(name.clone());
            }
        }
        lost
    }

    /// Ends what agents that are silent for `patience` left, and forgets nodes that are silent for a day.
    pub fn abandon(&mut self, now: Timestamp, patience: SignedDuration) -> Vec<(String, Ended)> {
        let mut ended = Vec::new();
        for (name, node) in &mut self.nodes {
            if now.duration_since(node.last_seen) > patience {
                let left = std::mem::take(&mut node.pulls).into_values();
                ended.extend(left.map(|pull| (name.clone(), pull.end())));
            }
        }
        self.nodes
            .retain(|_, node| now.duration_since(node.last_seen) < SignedDuration::from_hours(24));
        ended
    }

    fn bound(&self, report: &mut Report, now: Timestamp) {
        if report.is_legacy() {
            report.kind = ReportKind::Full;
            report.pulls = legacy::fold(std::mem::take(&mut report.pulls), now);
        }
        cut(&mut report.boot_id);
        cut(&mut report.agent_version);
        if let Some(runtime) = &mut report.runtime {
            for text in [&mut runtime.name, &mut runtime.version, &mut runtime.socket] {
                cut(text);
            }
        }
        for pull in report.pulls.iter_mut().chain(&mut report.finished) {
            pull.layers.truncate(self.caps.layers);
            bound_texts(pull);
            if pull.id.is_empty() {
                pull.id = format!("{}@{}", pull.image_ref, pull.started_at.as_nanosecond());
            }
        }
    }
}

fn bound_texts(pull: &mut ReportedPull) {
    for text in [
        &mut pull.image_ref,
        &mut pull.id,
        &mut pull.registry,
        &mut pull.repository,
        &mut pull.tag,
        &mut pull.digest,
        &mut pull.observed_endpoint,
    ] {
        cut(text);
    }
    if let Some(failure) = &mut pull.failure {
        status::tidy(&mut failure.message);
    }
    pull.names.truncate(LISTED);
    pull.names.iter_mut().for_each(cut);
    pull.expected_endpoints.truncate(LISTED);
    for endpoint in &mut pull.expected_endpoints {
        cut(&mut endpoint.url);
        cut(&mut endpoint.repository);
    }
    for layer in &mut pull.layers {
        for text in [
            &mut layer.digest,
            &mut layer.media_type,
            &mut layer.shared_with,
        ] {
            cut(text);
        }
    }
}

fn cut(text: &mut String) {
    if text.len() > TEXT {
        let end = (0..=TEXT).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.shrink_to_fit();
    }
}

impl Node {
    fn finish(&mut self, finished: Vec<ReportedPull>, changes: &mut Changes) {
        for reported in finished {
            let known = self.pulls.remove(&reported.id);
            let (naming, before) =
                known.map_or_else(Default::default, |pull| (pull.naming, Some(pull.status)));
            changes.finished.push(Ended {
                reported,
                naming,
                before,
                legacy: false,
            });
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one step of one function")]
    fn update(
        &mut self,
        name: &str,
        pulls: Vec<ReportedPull>,
        now: Timestamp,
        most: usize,
        changes: &mut Changes,
        kind: ReportKind,
        legacy: bool,
    ) {
        if kind == ReportKind::Full {
            let named: HashSet<&str> = pulls.iter().map(|pull| pull.id.as_str()).collect();
            let gone: Vec<String> = self
                .pulls
                .keys()
                .filter(|id| !named.contains(id.as_str()))
                .cloned()
                .collect();
            for pull in gone.iter().filter_map(|id| self.pulls.remove(id)) {
                if legacy {
                    changes.finished.push(pull.end());
                } else {
                    changes.forgotten.push(pull.status);
                }
            }
        }
        for mut reported in pulls {
            let id = reported.id.clone();
            let Some(known) = self.pulls.get_mut(&id) else {
                // More than a runtime can do at once is a broken agent: what is there goes on, what is new is left out.
                if self.pulls.len() < most {
                    let mut rates = RateWindow::default();
                    rates.add(now, reported.downloaded_bytes);
                    let naming = Naming::default();
                    let status = Arc::new(status::of(name, &reported, &naming, None));
                    let pull = Active {
                        reported,
                        naming,
                        status,
                        rates,
                        legacy,
                    };
                    self.pulls.insert(id.clone(), pull);
                    changes.started.push(id);
                }
                continue;
            };
            if legacy {
                known.rates.add(now, reported.downloaded_bytes);
                reported.bytes_per_sec = known.rates.rate();
                let left = reported
                    .total_bytes
                    .saturating_sub(reported.downloaded_bytes);
                reported.eta_seconds = reported.total_known.then(|| known.rates.eta(left));
                reported.started_at = known.reported.started_at;
            }
            known.reported = reported;
            known.refresh(name);
            changes.moved.push(id);
        }
    }
}

impl Active {
    /// Makes the status again after the report or the name changed.
    pub fn refresh(&mut self, node: &str) {
        self.status = Arc::new(status::of(
            node,
            &self.reported,
            &self.naming,
            Some(&self.status),
        ));
    }

    fn end(self) -> Ended {
        Ended {
            reported: self.reported,
            naming: self.naming,
            legacy: self.legacy,
            before: Some(self.status),
        }
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
