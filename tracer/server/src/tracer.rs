//! Everything that is known, behind one short lock, and what follows from each thing that happens.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tracer_model::{
    EventType, Failure, FailureClass, ImageName, NameConfidence, Phase, PullStatus, Report,
    ReportedPull,
};

use crate::correlate::amend;
use crate::correlate::facts::{EventFacts, PodFacts};
use crate::correlate::naming::{Session, assign};
use crate::correlate::queue;
use crate::correlate::texts::Said;
use crate::correlate::view::View;
use crate::history::index::{Index, Limits};
use crate::history::{Store, Stored};
use crate::hub::{Hub, event_type_of};
use crate::limiter::{Allowance, Limiter};
use crate::merge::{Caps, Changes, Ended, Nodes, Outcome};
use crate::metrics::Metrics;
use crate::rates::throughput::Throughput;
use crate::rates::whole;
use crate::spans::Spans;
use crate::status;

/// Events that readers who come back are told; each holds a whole pull.
const EVENTS: usize = 2_000;
/// Ended pulls that are still whole in memory: Events that speak of them come soon.
const RECENT: usize = 1024;
/// Agents send a sign of life every 10 to 15 s.
const SILENCE: SignedDuration = SignedDuration::from_secs(45);
/// After so long what a silent agent left is given up.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// An agent's report of a failure may come after the kubelet's Event.
const AGENT_FIRST: SignedDuration = SignedDuration::from_secs(4);
/// Occurrences of Events that are remembered, so that a new list repeats nothing.
const HEARD: SignedDuration = SignedDuration::from_hours(2);

/// What is known.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) nodes: Nodes,
    pub(crate) view: View,
    pub(crate) index: Index,
    pub(crate) recent: BTreeMap<u64, Arc<PullStatus>>,
    pub(crate) throughput: Throughput,
    limiter: Limiter,
    heard: HashMap<String, Timestamp>,
    unmatched: Vec<(Timestamp, String, EventFacts)>,
}

/// The tracer of one replica.
#[derive(Debug)]
pub struct Tracer {
    known: Mutex<Known>,
    pub(crate) hub: Hub,
    pub(crate) store: Arc<Store>,
    pub(crate) metrics: Metrics,
    spans: Option<Spans>,
    started: Timestamp,
}

/// How a report was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200, and whether it holds what must be safe first.
    Taken { must_be_safe: bool },
    /// 409
    Resync,
    /// 429
    TooMany,
}

impl Tracer {
    /// A tracer that knows what its history knows.
    pub fn new(
        history: (Store, Vec<Stored>),
        limits: Limits,
        view: View,
        metrics: Metrics,
        spans: Option<Spans>,
        now: Timestamp,
    ) -> Self {
        let mut index = Index::new(limits);
        let (store, finished) = history;
        for (number, pull, bytes) in finished {
            index.put_as(number, &pull, bytes);
        }
        let caps = Caps::default();
        let known = Known {
            nodes: Nodes::new(caps),
            view,
            index,
            recent: BTreeMap::new(),
            throughput: Throughput::default(),
            limiter: Limiter::new(2 * caps.nodes),
            heard: HashMap::new(),
            unmatched: Vec::new(),
        };
        Self {
            known: Mutex::new(known),
            hub: Hub::new(format!("{:x}", now.as_microsecond()), EVENTS),
            store: Arc::new(store),
            metrics,
            spans,
            started: now,
        }
    }

    /// Takes a report.
    pub fn report(&self, report: Report, now: Timestamp) -> Answer {
        let allowance = if report.is_legacy() {
            Allowance::LEGACY
        } else {
            Allowance::OURS
        };
        let mut known = self.lock();
        if !known.limiter.allows(&report.node_name, allowance, now) {
            return Answer::TooMany;
        }
        self.metrics.report(report.timestamp, now);
        let node = report.node_name.clone();
        let must_be_safe = !report.finished.is_empty();
        match known.nodes.take(report, now) {
            Outcome::Taken(changes) => {
                self.follow(&mut known, &node, changes, now);
                Answer::Taken { must_be_safe }
            }
            Outcome::Resync => Answer::Resync,
            Outcome::Full => Answer::TooMany,
        }
    }

    /// Takes a pod as it is now.
    pub fn pod(&self, pod: PodFacts) {
        let mut known = self.lock();
        if let Some(node) = known.view.apply(pod) {
            self.rename(&mut known, &node);
        }
    }

    /// Forgets a pod.
    pub fn pod_gone(&self, pod: &PodFacts) {
        let mut known = self.lock();
        if let Some(node) = known.view.delete(pod) {
            self.rename(&mut known, &node);
        }
    }

    /// Forgets what a new list of pods does not hold.
    pub fn pods_listed(&self, uids: &BTreeSet<String>) {
        let mut known = self.lock();
        for node in known.view.keep_only(uids) {
            self.rename(&mut known, &node);
        }
    }

    /// Takes an Event; one that was heard before, in an earlier list, changes nothing.
    pub fn event(&self, event: &EventFacts, now: Timestamp) {
        let mut known = self.lock();
        if known
            .heard
            .insert(event.occurrence.clone(), event.time)
            .is_some()
        {
            return;
        }
        let Some(node) = known.view.hear(event) else {
            return;
        };
        self.rename(&mut known, &node);
        if amend::is_old(event, self.started)
            || !matches!(event.said, Said::Failed { .. } | Said::Pulled { .. })
        {
            return;
        }
        if !self.amend(&mut known, &node, event) && matches!(event.said, Said::Failed { .. }) {
            let due = now.saturating_add(AGENT_FIRST).unwrap_or(now);
            known.unmatched.push((due, node, event.clone()));
        }
    }

    /// What time alone brings: silent agents, failures that no agent saw, the end of what is old. Each second.
    pub fn tick(&self, now: Timestamp) {
        let mut known = self.lock();
        for node in known.nodes.lose(now, SILENCE) {
            self.hub.tell(EventType::AgentLost, &node, None);
        }
        let (due, later) = std::mem::take(&mut known.unmatched)
            .into_iter()
            .partition(|(due, ..)| *due <= now);
        known.unmatched = later;
        for (_, node, event) in due {
            if !self.amend(&mut known, &node, &event)
                && let Some(pull) = amend::unseen(&event, &node)
            {
                let pull = configured(&known.view, pull);
                self.keep(&mut known, pull, true);
            }
        }
        let expired = known.index.expire(now);
        for (number, _) in &expired {
            known.recent.remove(number);
        }
        self.store
            .delete(expired.into_iter().map(|(number, _)| number).collect());
        let rates = moving(&known.nodes);
        known.throughput.push(now.as_second(), rates);
        self.count(&known);
    }

    /// The same, each minute.
    pub fn sweep(&self, now: Timestamp) {
        let mut known = self.lock();
        for (node, mut ended) in known.nodes.abandon(now, PATIENCE) {
            ended.reported.phase = Phase::Orphaned;
            ended.reported.failure = Some(Failure {
                class: FailureClass::Unknown,
                message: "the node's agent is silent: what became of the pull is not known"
                    .to_owned(),
            });
            self.finish(&mut known, &node, ended, now);
        }
        known.limiter.sweep(now);
        known.view.sweep(now);
        let waiting = known
            .nodes
            .iter()
            .filter(|(_, node)| !node.queued.is_empty());
        let waiting: Vec<String> = waiting.map(|(name, _)| name.to_owned()).collect();
        for node in waiting {
            self.queue(&mut known, &node);
        }
        known
            .heard
            .retain(|_, time| now.duration_since(*time) < HEARD);
    }

    /// Sends what is left to send.
    pub fn end(&self) {
        if let Some(spans) = &self.spans {
            spans.flush();
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, known: &mut Known, node: &str, changes: Changes, now: Timestamp) {
        if changes.connected {
            self.hub.tell(EventType::AgentConnected, node, None);
        }
        for gone in changes.forgotten {
            self.hub.tell(EventType::PullRemoved, node, Some(gone));
        }
        let moved = !changes.started.is_empty() || !changes.moved.is_empty();
        let mut may_wait = !changes.started.is_empty() || !changes.finished.is_empty();
        for ended in changes.finished {
            self.finish(known, node, ended, now);
        }
        if moved {
            may_wait |= !self.name(known, node).is_empty();
        }
        if may_wait {
            self.queue(known, node);
        }
        let Some(pulls) = known.nodes.get(node).map(|node| &node.pulls) else {
            return;
        };
        let started = changes
            .started
            .into_iter()
            .map(|id| (EventType::PullStarted, id));
        let moved = changes
            .moved
            .into_iter()
            .map(|id| (EventType::PullProgress, id));
        for (event_type, id) in started.chain(moved) {
            if let Some(pull) = pulls.get(&id) {
                self.hub
                    .tell(event_type, node, Some(Arc::clone(&pull.status)));
            }
        }
    }

    /// Names the pulls of a node again, and tells of those whose names changed.
    fn rename(&self, known: &mut Known, node: &str) {
        let changed = self.name(known, node);
        let pulls = known.nodes.get(node).map(|node| &node.pulls);
        for pull in changed.iter().filter_map(|id| pulls?.get(id)) {
            self.hub.tell(
                EventType::PullProgress,
                node,
                Some(Arc::clone(&pull.status)),
            );
        }
        self.queue(known, node);
    }

    /// Finds a node's queue again, and tells what changed in it.
    fn queue(&self, known: &mut Known, name: &str) {
        let Some(node) = known.nodes.get_mut(name) else {
            return;
        };
        if node.pulls.is_empty() && node.queued.is_empty() {
            return;
        }
        let candidates = known.view.candidates(name);
        let active: Vec<&PullStatus> = node
            .pulls
            .values()
            .map(|pull| pull.status.as_ref())
            .collect();
        let config = known.view.config(name);
        let queued = queue::of(name, &candidates, &active, &node.queued, config);
        let before = std::mem::replace(&mut node.queued, queued);
        for (image, pull) in &before {
            if !node.queued.contains_key(image) {
                self.hub
                    .tell(EventType::PullRemoved, name, Some(Arc::clone(pull)));
            }
        }
        for (image, pull) in &node.queued {
            let event_type = match before.get(image) {
                None => EventType::PullStarted,
                Some(known) if !Arc::ptr_eq(known, pull) => EventType::PullProgress,
                Some(_) => continue,
            };
            self.hub.tell(event_type, name, Some(Arc::clone(pull)));
        }
    }

    #[expect(clippy::unused_self, reason = "one of the steps")]
    fn name(&self, known: &mut Known, name: &str) -> Vec<String> {
        let Some(node) = known.nodes.get_mut(name) else {
            return Vec::new();
        };
        let sessions: Vec<Session> = node
            .pulls
            .values()
            .map(|pull| session(&pull.reported, &pull.naming))
            .collect();
        if sessions.is_empty() {
            return Vec::new();
        }
        let candidates = known.view.candidates(name);
        let config = known.view.config(name);
        let mut changed = Vec::new();
        for ((id, pull), mut naming) in node.pulls.iter_mut().zip(assign(&sessions, &candidates)) {
            if let Some((config, revision)) = config {
                config.clone_into(&mut naming.registry_config);
                revision.clone_into(&mut naming.revision);
            }
            if naming != pull.naming {
                pull.naming = naming;
                pull.refresh(name);
                changed.push(id.clone());
            }
        }
        changed
    }

    fn finish(&self, known: &mut Known, node: &str, mut ended: Ended, now: Timestamp) {
        if known
            .index
            .number(&status::id(node, &ended.reported.id))
            .is_some()
            && !ended.legacy
        {
            // Sent again, because the answer to the report that held it was lost.
            return;
        }
        if ended.legacy {
            ended.reported.id = format!("{}@{}", ended.reported.id, now.as_nanosecond());
        }
        let candidates = known.view.candidates(node);
        let active = known
            .nodes
            .get(node)
            .into_iter()
            .flat_map(|node| node.pulls.values());
        let mut sessions = vec![session(&ended.reported, &ended.naming)];
        sessions.extend(active.map(|pull| session(&pull.reported, &pull.naming)));
        if let Some(naming) = assign(&sessions, &candidates).into_iter().next() {
            ended.naming = naming;
        }
        let pull = configured(&known.view, status::ended(node, &ended, now));
        if let Ok(name) = ImageName::parse(&pull.image_ref)
            && pull.phase == Phase::Done
        {
            known
                .view
                .arrived(node, &name, pull.completed_at.unwrap_or(now));
        }
        if let Some(before) = ended.before.filter(|before| before.id != pull.id) {
            self.hub.tell(EventType::PullRemoved, node, Some(before));
        }
        let spoken = known.unmatched.iter().position(|(_, on, event)| {
            on == node && amend::meant(event, node, std::iter::once(&pull)).is_some()
        });
        let pull = match spoken.map(|index| known.unmatched.swap_remove(index)) {
            Some((_, _, event)) => amend::amended(&pull, &event),
            None => pull,
        };
        self.keep(known, pull, true);
    }

    /// Adds what an Event says to the pull that it speaks of; false when there is none.
    fn amend(&self, known: &mut Known, node: &str, event: &EventFacts) -> bool {
        let recent = known.recent.values().rev().map(AsRef::as_ref);
        let Some(pull) = amend::meant(event, node, recent) else {
            return false;
        };
        let amended = amend::amended(pull, event);
        let before = pull.failure.as_ref().map(|failure| failure.class);
        self.metrics.amended(before, &amended);
        self.keep(known, amended, false);
        true
    }

    /// Puts a pull that ended into the history.
    fn keep(&self, known: &mut Known, pull: PullStatus, is_new: bool) {
        if is_new && known.index.number(&pull.id).is_some() {
            return;
        }
        let json = serde_json::to_vec(&pull).unwrap_or_default();
        let number = known.index.put(&pull, json.len());
        self.store.put(number, json);
        if is_new {
            self.metrics.finished(&pull);
            if let Some(spans) = &self.spans {
                spans.export(&pull);
            }
        }
        let pull = Arc::new(pull);
        self.hub.tell(
            event_type_of(&pull),
            &pull.node_name,
            Some(Arc::clone(&pull)),
        );
        known.recent.insert(number, pull);
        while known.recent.len() > RECENT {
            known.recent.pop_first();
        }
    }

    fn count(&self, known: &Known) {
        let mut phases: HashMap<Phase, i64> = HashMap::new();
        for pull in known.nodes.active() {
            *phases.entry(pull.phase).or_default() += 1;
        }
        let (mut connected, mut lost) = (0, 0);
        for (_, node) in known.nodes.iter() {
            if node.connected {
                connected += 1;
            } else {
                lost += 1;
            }
        }
        self.metrics.present(&phases, connected, lost);
    }
}

/// Bytes a second, by what they are of.
fn moving(nodes: &Nodes) -> BTreeMap<String, u64> {
    let mut rates = BTreeMap::new();
    for pull in nodes.active() {
        let rate = whole(pull.bytes_per_sec);
        if rate == 0 {
            continue;
        }
        let mut add = |name: String| *rates.entry(name).or_insert(0) += rate;
        add("all".to_owned());
        add(format!("node {}", pull.node_name));
        if !pull.registry.is_empty() {
            add(format!("registry {}", pull.registry));
        }
    }
    rates
}

fn configured(view: &View, mut pull: PullStatus) -> PullStatus {
    if let Some((config, revision)) = view.config(&pull.node_name) {
        config.clone_into(&mut pull.registry_config);
        revision.clone_into(&mut pull.revision);
    }
    pull
}

fn session(pull: &ReportedPull, naming: &crate::correlate::Naming) -> Session {
    let is_exact = pull.name_confidence == NameConfidence::Exact;
    Session {
        started: pull.started_at,
        registry: pull.registry.clone(),
        repository: pull.repository.clone(),
        digest: pull.digest.clone(),
        exact: is_exact
            .then(|| ImageName::parse(&pull.image_ref).ok())
            .flatten(),
        before: naming.clone(),
    }
}
