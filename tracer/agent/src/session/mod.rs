//! Makes pulls out of what is seen of a runtime: a lease is a pull, its manifest tells what it needs, the image's
//! record tells whether it succeeded. No client, no clock.
//!
//! ```text
//! look(view) -> wants -> learn(facts) -> wants ... -> measure -> active, take_finished
//!      ^                                                            |
//!      '--------------------- heard(event) <--- runtime ------------'
//! ```

mod facts;
mod layer;
mod name;
mod pace;
mod pull;
mod recovery;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use tracer_model::{FailureClass, Phase, ReportedPull, Source};

use crate::view::{Event, Fact, Image, Ingest, View, Want, ingested_digest};
use facts::Facts;
use layer::{Arriving, Other, Seen};
use pull::Pull;
use recovery::{Outcome, Recovery};

/// The runtime fetches so many layers of a pull at a time; newer ones open all of them at once.
const LAYERS_AT_A_TIME: usize = 3;
/// Names that were heard and not looked into yet.
const MOST_RECOVERIES: usize = 256;
/// For so long a name that is set belongs to a pull that has just ended.
const AFTERMATH: SignedDuration = SignedDuration::from_secs(10);

/// The pulls of one namespace of a runtime.
#[derive(Debug)]
pub struct Tracker {
    namespace: String,
    pulls: BTreeMap<String, Pull>,
    recoveries: Vec<Recovery>,
    facts: Facts,
    /// By digest: what arrives, and the lease it arrives for.
    ingests: HashMap<String, (Ingest, String)>,
    /// By digest: the lease whose pull fetched it.
    fetched: HashMap<String, String>,
    /// Leases of a runtime that is gone; it leaves them behind.
    dead: BTreeSet<String>,
    runtime_started: Option<Timestamp>,
    /// Images of pulls that ended, for a while.
    recent: VecDeque<(String, Timestamp)>,
    finished: Vec<ReportedPull>,
}

impl Tracker {
    /// Begins with nothing.
    pub fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            pulls: BTreeMap::new(),
            recoveries: Vec::new(),
            facts: Facts::default(),
            ingests: HashMap::new(),
            fetched: HashMap::new(),
            dead: BTreeSet::new(),
            runtime_started: None,
            recent: VecDeque::new(),
            finished: Vec::new(),
        }
    }

    /// A runtime that began at this time answers: older pulls died with the one before.
    pub fn runtime_started(&mut self, at: Timestamp, now: Timestamp) {
        if self.runtime_started.is_some_and(|before| before != at) {
            self.runtime_lost(now);
        }
        self.runtime_started = Some(at);
    }

    /// The runtime is gone, and with it all that it pulled.
    pub fn runtime_lost(&mut self, now: Timestamp) {
        for (lease, mut pull) in std::mem::take(&mut self.pulls) {
            pull.fail(Phase::Orphaned, FailureClass::RuntimeRestarted, now);
            self.finish(&pull, now);
            self.dead.insert(lease);
        }
        self.recoveries.clear();
        self.ingests.clear();
        self.forget();
    }

    /// Takes one look.
    pub fn look(&mut self, view: &View, now: Timestamp) {
        self.dead
            .retain(|id| view.leases.iter().any(|lease| lease.id == *id));
        let mut leases: Vec<_> = view
            .leases
            .iter()
            .filter(|lease| !self.dead.contains(&lease.id))
            .filter(|lease| self.runtime_started.is_none_or(|at| lease.created_at >= at))
            .collect();
        // What two leases claim belongs to the newest: the other was left behind by a crash.
        leases.sort_by_key(|lease| lease.created_at);
        let owners: HashMap<&str, &str> = leases
            .iter()
            .flat_map(|lease| {
                lease
                    .ingests
                    .iter()
                    .map(|name| (name.as_str(), lease.id.as_str()))
            })
            .collect();
        self.ingests = view
            .ingests
            .iter()
            .filter_map(|ingest| {
                let digest = ingested_digest(&ingest.reference)?;
                let owner = owners.get(ingest.reference.as_str())?;
                Some((digest.to_owned(), (ingest.clone(), (*owner).to_owned())))
            })
            .collect();
        for pull in self.pulls.values_mut() {
            pull.is_gone = !leases.iter().any(|lease| lease.id == pull.lease.id);
        }
        for chain_id in leases.iter().flat_map(|lease| &lease.snapshots) {
            self.facts.is_unpacked_now(chain_id, now);
        }
        for lease in leases {
            self.pulls
                .entry(lease.id.clone())
                .or_insert_with(|| Pull::new(lease.clone(), Source::Lease))
                .holds(lease.clone());
        }
        for pull in self.pulls.values() {
            let unread: Vec<String> = pull.unread(&self.facts).cloned().collect();
            self.facts.doubt(unread.iter());
        }
        for recovery in &mut self.recoveries {
            recovery.looks += 1;
        }
        self.recent
            .retain(|(_, at)| now.duration_since(*at) <= AFTERMATH);
        self.settle(now);
    }

    /// Takes what the runtime told by itself.
    pub fn heard(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::SnapshotCommitted(chain_id) => {
                if self.pulls.values().any(|pull| pull.needs(chain_id)) {
                    self.facts.unpacked(chain_id.clone(), Some(at));
                }
            }
            Event::ImageNamed(name) => {
                let is_known = self
                    .recoveries
                    .iter()
                    .any(|recovery| recovery.name == *name);
                let is_wanted = !name::is_id(name) && !name.contains('@') && !is_known;
                if is_wanted && self.recoveries.len() < MOST_RECOVERIES {
                    self.recoveries.push(Recovery::of_event(name.clone()));
                }
            }
            Event::ContentCreated | Event::SnapshotPrepared | Event::SnapshotRemoved => {}
        }
    }

    /// What is to be asked before the look is complete.
    pub fn wants(&self) -> BTreeSet<Want> {
        let mut wants = BTreeSet::new();
        for pull in self.pulls.values() {
            pull.wants(&self.facts, &mut wants);
        }
        for recovery in &self.recoveries {
            recovery.wants(&self.facts, &mut wants);
        }
        wants
    }

    /// Takes answers.
    pub fn learn(&mut self, facts: Vec<Fact>, now: Timestamp) {
        for fact in facts {
            match fact {
                Fact::NamesOf(root, images) => self.named(&root, &images, now),
                Fact::AllNames(images) => self.all_named(&images, now),
                Fact::Name(name, image) => self.recovered_name(&name, image),
                other => self.facts.learn(other),
            }
        }
        self.settle(now);
        self.recover(now);
    }

    /// Ends a look: samples the pace of all pulls and forgets what none of them needs.
    pub fn measure(&mut self, now: Timestamp) {
        for pull in self.pulls.values_mut() {
            pull.measure(now);
        }
        self.forget();
    }

    /// Pulls that go on.
    pub fn active(&self, now: Timestamp) -> Vec<ReportedPull> {
        self.pulls
            .values()
            .map(|pull| pull.report(&self.namespace, now))
            .collect()
    }

    /// Pulls that ended since the last time.
    pub fn take_finished(&mut self) -> Vec<ReportedPull> {
        std::mem::take(&mut self.finished)
    }

    /// Whether it is worth looking often.
    pub fn is_busy(&self) -> bool {
        !self.pulls.is_empty() || !self.recoveries.is_empty()
    }

    fn settle(&mut self, now: Timestamp) {
        for pull in self.pulls.values_mut() {
            pull.read(&self.facts);
        }
        let leases: Vec<String> = self.pulls.keys().cloned().collect();
        for lease in leases {
            let Some(mut pull) = self.pulls.remove(&lease) else {
                continue;
            };
            if !pull.is_gone {
                self.settle_pull(&mut pull, now);
            }
            self.pulls.insert(lease, pull);
        }
    }

    fn settle_pull(&mut self, pull: &mut Pull, now: Timestamp) {
        let started_at = pull.started_at();
        let moving = self.moving(&pull.lease.id, pull);
        for layer in &mut pull.layers {
            let seen = self.seen(layer, &pull.lease, &moving);
            layer.settle(&seen, started_at, now);
            if layer.origin == Some(layer::Origin::Own) && layer.state.is_here() {
                self.fetched
                    .insert(layer.digest.clone(), pull.lease.id.clone());
            }
        }
        pull.advance(now);
    }

    /// The layers that the runtime fetches for this pull now.
    fn moving(&self, lease: &str, pull: &Pull) -> BTreeSet<String> {
        let mut open: Vec<(&str, u64, usize)> = (0..)
            .zip(&pull.layers)
            .filter_map(|(order, layer)| {
                let (ingest, owner) = self.ingests.get(&layer.digest)?;
                (owner == lease).then_some((layer.digest.as_str(), ingest.offset, order))
            })
            .collect();
        open.sort_by_key(|(_, offset, order)| (*offset == 0, *order));
        (0..)
            .zip(open)
            .filter(|(place, (_, offset, _))| *offset > 0 || *place < LAYERS_AT_A_TIME)
            .map(|(_, (digest, ..))| digest.to_owned())
            .collect()
    }

    fn seen<'a>(
        &'a self,
        layer: &layer::Layer,
        lease: &crate::view::Lease,
        moving: &BTreeSet<String>,
    ) -> Seen<'a> {
        let ingest = self.ingests.get(&layer.digest);
        let arriving = ingest.filter(|(_, owner)| *owner == lease.id);
        let chain_id = layer.chain_id.as_deref();
        let committed = chain_id.and_then(|chain_id| self.facts.unpacked_at(chain_id));
        Seen {
            is_here: lease.content.contains(&layer.digest),
            created_at: self
                .facts
                .content(&layer.digest)
                .map(|content| content.created_at),
            arriving: arriving.map(|(ingest, _)| Arriving {
                offset: ingest.offset,
                started_at: ingest.started_at,
                updated_at: ingest.updated_at,
                is_moving: moving.contains(&layer.digest),
            }),
            other: self.other(&layer.digest, &lease.id),
            unpacked_at: committed,
            is_extracting: chain_id.is_some_and(|chain_id| {
                let is_key = |key: &String| key.starts_with("extract-") && key.ends_with(chain_id);
                lease.snapshots.iter().any(is_key)
            }),
        }
    }

    /// Another pull that fetches or fetched a layer.
    fn other<'a>(&'a self, digest: &str, lease: &str) -> Option<Other<'a>> {
        let fetching = self
            .pulls
            .values()
            .filter(|pull| pull.lease.id != lease)
            .find_map(|pull| Some((pull, pull.own_layer(digest)?)));
        if let Some((pull, layer)) = fetching {
            return Some(Other {
                lease: &pull.lease.id,
                offset: layer.offset(),
                is_here: layer.state.is_here(),
            });
        }
        if let Some((ingest, owner)) = self.ingests.get(digest).filter(|(_, owner)| owner != lease)
        {
            return Some(Other {
                lease: owner,
                offset: ingest.offset,
                is_here: false,
            });
        }
        let owner = self.fetched.get(digest).filter(|owner| *owner != lease)?;
        Some(Other {
            lease: owner,
            offset: u64::MAX,
            is_here: true,
        })
    }

    /// The lease of a pull is gone, and these are the names of its image.
    fn named(&mut self, root: &str, images: &[Image], now: Timestamp) {
        let ended = self.take(|pull| pull.is_gone && pull.root.as_deref() == Some(root));
        for mut pull in ended {
            if !pull.succeeded(images) {
                pull.fail(Phase::Failed, FailureClass::Unknown, now);
            } else if pull.layers.is_empty() {
                let recovery = Recovery::of_lease(&pull.lease, images.to_vec());
                self.recoveries.push(recovery);
                continue;
            } else {
                pull.succeed(images, now);
            }
            self.finish(&pull, now);
        }
    }

    /// The lease of a pull is gone before anything was known of its image: one that was named since may be it.
    fn all_named(&mut self, images: &[Image], now: Timestamp) {
        for mut pull in self.take(|pull| pull.is_gone && pull.root.is_none()) {
            let fresh = images
                .iter()
                .filter(|image| image.updated_at >= pull.started_at())
                .filter(|image| !self.is_claimed(&image.target));
            let mut by_target: BTreeMap<&str, Vec<Image>> = BTreeMap::new();
            for image in fresh {
                by_target
                    .entry(&image.target)
                    .or_default()
                    .push(image.clone());
            }
            if let Some((_, images)) = by_target.pop_first() {
                self.recoveries
                    .push(Recovery::of_lease(&pull.lease, images));
            } else {
                pull.fail(Phase::Failed, FailureClass::Unknown, now);
                self.finish(&pull, now);
            }
        }
    }

    fn is_claimed(&self, root: &str) -> bool {
        self.recent.iter().any(|(recent, _)| recent == root)
            || self
                .pulls
                .values()
                .any(|pull| pull.root.as_deref() == Some(root))
            || self
                .recoveries
                .iter()
                .any(|recovery| recovery.target() == Some(root))
    }

    fn recovered_name(&mut self, name: &str, image: Option<Image>) {
        let is_claimed = image
            .as_ref()
            .is_none_or(|image| self.is_claimed(&image.target));
        if is_claimed {
            self.recoveries
                .retain(|recovery| recovery.name != name || recovery.target().is_some());
        } else if let Some(image) = image
            && let Some(recovery) = self
                .recoveries
                .iter_mut()
                .find(|recovery| recovery.name == name)
        {
            recovery.is_named(image);
        }
    }

    fn recover(&mut self, now: Timestamp) {
        for recovery in std::mem::take(&mut self.recoveries) {
            match recovery.outcome(&self.facts, now) {
                Outcome::Waiting => self.recoveries.push(recovery),
                Outcome::Nothing => {}
                Outcome::Pull(pull) => self.finish(&pull, now),
            }
        }
    }

    fn take(&mut self, which: impl Fn(&Pull) -> bool) -> Vec<Pull> {
        let (taken, kept) = std::mem::take(&mut self.pulls)
            .into_iter()
            .partition(|(_, pull)| which(pull));
        self.pulls = kept;
        let taken: BTreeMap<String, Pull> = taken;
        taken.into_values().collect()
    }

    fn finish(&mut self, pull: &Pull, now: Timestamp) {
        if let Some(root) = &pull.root {
            self.recent.push_back((root.clone(), now));
        }
        self.finished.push(pull.report(&self.namespace, now));
    }

    fn forget(&mut self) {
        if !self.is_busy() {
            self.facts.clear();
            self.fetched.clear();
            return;
        }
        let facts = std::mem::take(&mut self.facts);
        let is_needed = |key: &str| {
            self.pulls.values().any(|pull| pull.needs(key))
                || self
                    .recoveries
                    .iter()
                    .any(|recovery| recovery.needs(key, &facts))
        };
        let needless: BTreeSet<String> = facts
            .keys()
            .filter(|key| !is_needed(key))
            .map(str::to_owned)
            .collect();
        self.fetched
            .retain(|digest, _| self.pulls.values().any(|pull| pull.needs(digest)));
        self.facts = facts;
        self.facts.keep(|key| !needless.contains(key));
    }
}
