//! Events for readers of the stream: collected, sent as one batch a tick, kept for those who come back.
//!
//! ```text
//! changes --> pending (latest state of each pull) --tick--> batch --> ring --> every reader at its own pace
//! ```
//!
//! A reader holds a place in the ring and nothing else, so one that never reads costs nobody anything: it falls out of the
//! ring, and if it ever reads again it begins with what is true then.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;
use tracer_model::{EventType, LayerStatus, PullEvent, PullStatus, SCHEMA_VERSION};

/// One event.
#[derive(Debug)]
pub struct Event {
    /// Its place in the series of this process.
    pub number: u64,
    /// What it tells.
    pub event_type: EventType,
    /// When.
    pub time: Timestamp,
    /// Which node.
    pub node: String,
    /// Which pull.
    pub pull: Option<Arc<PullStatus>>,
    whole: OnceLock<Bytes>,
    slim: OnceLock<Bytes>,
}

/// The events of one tick.
#[derive(Debug, Default)]
pub struct Batch {
    /// In order.
    pub events: Vec<Arc<Event>>,
    /// What most readers ask for, made once for all of them: the number is a reader's form.
    pub texts: [OnceLock<Bytes>; 4],
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<Pending>,
    latest: HashMap<String, usize>,
    ring: VecDeque<Arc<Batch>>,
    kept: usize,
    last: u64,
}

#[derive(Debug)]
struct Pending {
    event_type: EventType,
    node: String,
    pull: Option<Arc<PullStatus>>,
}

/// Where changes come in and readers look.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<State>,
    ticks: watch::Sender<u64>,
    most: usize,
    /// Tells numbers of this process from those of another.
    pub epoch: String,
}

/// What a reader that stands at a number gets next.
#[derive(Debug)]
pub enum Next {
    /// One batch, whole.
    Batch(Arc<Batch>),
    /// Several, of each pull its latest state and its end.
    Coalesced(Vec<Arc<Event>>),
    /// What it missed is gone.
    Lost,
    /// Nothing yet.
    Nothing,
}

impl Hub {
    /// A hub that keeps `most` events.
    pub fn new(epoch: String, most: usize) -> Self {
        Self {
            state: Mutex::default(),
            ticks: watch::Sender::new(0),
            most,
            epoch,
        }
    }

    /// Notes a change; of a pull that changes again before the tick the latest state counts.
    pub fn tell(&self, event_type: EventType, node: &str, pull: Option<Arc<PullStatus>>) {
        let mut state = self.lock();
        let State {
            pending, latest, ..
        } = &mut *state;
        let Some(status) = &pull else {
            pending.push(Pending {
                event_type,
                node: node.to_owned(),
                pull,
            });
            return;
        };
        let place = pending.len();
        if let Some(index) = latest.get(&status.id)
            && let Some(before) = pending.get_mut(*index)
        {
            if event_type == EventType::PullProgress {
                before.pull = pull;
                return;
            }
            if before.event_type == EventType::PullProgress {
                before.event_type = event_type;
                before.pull = pull;
                return;
            }
        }
        latest.insert(status.id.clone(), place);
        pending.push(Pending {
            event_type,
            node: node.to_owned(),
            pull,
        });
        // However much happens between two ticks, so much is kept and no more.
        if pending.len() >= self.most {
            self.seal(&mut state, Timestamp::now());
        }
    }

    /// Makes a batch of what is pending and wakes the readers.
    pub fn tick(&self, now: Timestamp) {
        let mut state = self.lock();
        self.seal(&mut state, now);
        let last = state.last;
        drop(state);
        if *self.ticks.borrow() != last {
            self.ticks.send_replace(last);
        }
    }

    /// Makes a batch of what is pending, and forgets the oldest ones beyond what is kept.
    fn seal(&self, state: &mut State, now: Timestamp) {
        if state.pending.is_empty() {
            return;
        }
        state.latest.clear();
        let first = state.last + 1;
        let events: Vec<Arc<Event>> = std::mem::take(&mut state.pending)
            .into_iter()
            .zip(first..)
            .map(|(pending, number)| {
                Arc::new(Event {
                    number,
                    event_type: pending.event_type,
                    time: now,
                    node: pending.node,
                    pull: pending.pull,
                    whole: OnceLock::new(),
                    slim: OnceLock::new(),
                })
            })
            .collect();
        state.last += events.len() as u64;
        state.kept += events.len();
        state.ring.push_back(Arc::new(Batch {
            events,
            texts: Default::default(),
        }));
        while state.kept > self.most && state.ring.len() > 1 {
            let gone = state.ring.pop_front();
            state.kept -= gone.map_or(0, |batch| batch.events.len());
        }
    }

    /// The number of the last event.
    pub fn last(&self) -> u64 {
        self.lock().last
    }

    /// Wakes at each tick.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.ticks.subscribe()
    }

    /// Whether a reader that has seen `number` can go on from there.
    pub fn reaches(&self, number: u64) -> bool {
        let state = self.lock();
        number <= state.last && number + 1 >= first(&state)
    }

    /// What follows `number`.
    pub fn after(&self, number: u64) -> Next {
        let state = self.lock();
        if number >= state.last {
            return Next::Nothing;
        }
        if number + 1 < first(&state) {
            return Next::Lost;
        }
        let batches: Vec<Arc<Batch>> = state
            .ring
            .iter()
            .rev()
            .take_while(|batch| {
                batch
                    .events
                    .last()
                    .is_some_and(|event| event.number > number)
            })
            .cloned()
            .collect();
        drop(state);
        if let [batch] = &batches[..]
            && batch
                .events
                .first()
                .is_some_and(|event| event.number == number + 1)
        {
            return Next::Batch(Arc::clone(batch));
        }
        Next::Coalesced(coalesce(&batches, number))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn first(state: &State) -> u64 {
    state
        .ring
        .front()
        .and_then(|batch| batch.events.first())
        .map_or(state.last + 1, |event| event.number)
}

/// `batches` newest first; what moved on is left out where a later event of the same pull follows.
fn coalesce(batches: &[Arc<Batch>], after: u64) -> Vec<Arc<Event>> {
    let mut later: HashSet<&str> = HashSet::new();
    let mut kept = Vec::new();
    for event in batches.iter().flat_map(|batch| batch.events.iter().rev()) {
        if event.number <= after {
            continue;
        }
        if let Some(pull) = &event.pull {
            let is_followed = !later.insert(&pull.id);
            if is_followed && event.event_type == EventType::PullProgress {
                continue;
            }
        }
        kept.push(Arc::clone(event));
    }
    kept.reverse();
    kept
}

impl Event {
    /// An event that stands for itself: part of a snapshot.
    pub fn alone(number: u64, time: Timestamp, pull: Arc<PullStatus>) -> Self {
        Self {
            number,
            event_type: event_type_of(&pull),
            time,
            node: pull.node_name.clone(),
            pull: Some(pull),
            whole: OnceLock::new(),
            slim: OnceLock::new(),
        }
    }

    /// The JSON of the event, made once for all readers.
    pub fn json(&self, with_layers: bool) -> Bytes {
        let cell = if with_layers { &self.whole } else { &self.slim };
        cell.get_or_init(|| self.make(with_layers)).clone()
    }

    fn make(&self, with_layers: bool) -> Bytes {
        let pull = self.pull.as_deref().map(|pull| {
            if with_layers {
                pull.clone()
            } else {
                without_layers(pull)
            }
        });
        let event = PullEvent {
            schema_version: SCHEMA_VERSION.to_owned(),
            timestamp: self.time,
            event_type: self.event_type,
            node_name: self.node.clone(),
            pull,
            layer: None,
        };
        // Maps with text keys and finite numbers always have a JSON form.
        serde_json::to_vec(&event).unwrap_or_default().into()
    }

    /// The JSON of an event about one layer of this event's pull.
    pub fn json_of(&self, event_type: EventType, layer: &LayerStatus) -> Vec<u8> {
        let event = PullEvent {
            schema_version: SCHEMA_VERSION.to_owned(),
            timestamp: self.time,
            event_type,
            node_name: self.node.clone(),
            pull: None,
            layer: Some(layer.clone()),
        };
        serde_json::to_vec(&event).unwrap_or_default()
    }
}

/// The same pull without its layers, which are most of it.
pub fn without_layers(pull: &PullStatus) -> PullStatus {
    PullStatus {
        layers: Vec::new(),
        id: pull.id.clone(),
        node_name: pull.node_name.clone(),
        image_ref: pull.image_ref.clone(),
        error: pull.error.clone(),
        pods: pull.pods.clone(),
        failure: pull.failure.clone(),
        registry: pull.registry.clone(),
        repository: pull.repository.clone(),
        tag: pull.tag.clone(),
        digest: pull.digest.clone(),
        expected_endpoints: pull.expected_endpoints.clone(),
        observed_endpoint: pull.observed_endpoint.clone(),
        registry_config: pull.registry_config.clone(),
        revision: pull.revision.clone(),
        ..*pull
    }
}

/// What a state alone tells.
pub fn event_type_of(pull: &PullStatus) -> EventType {
    match pull.state {
        tracer_model::State::Active => EventType::PullProgress,
        tracer_model::State::Succeeded => EventType::PullCompleted,
        tracer_model::State::Failed => EventType::PullFailed,
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
