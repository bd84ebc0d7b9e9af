//! Looks at the runtime for ever: often while something is pulled, seldom else, and at every knock of an event. A
//! runtime that is absent, hangs or is started anew is waited for.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracer_model::{Endpoint, NameConfidence, ReportedPull, Runtime, RuntimeState};

use crate::certs_d::CertsD;
use crate::containerd::{Containerd, Heard, RuntimeError, tells_of_content};
use crate::discover::{self, Candidate};
use crate::health::Metrics;
use crate::reporter::Present;
use crate::session::Tracker;

/// Between two looks while something is pulled.
const BUSY: Duration = Duration::from_millis(250);
/// Between two looks when nothing is, and events tell of every blob.
const IDLE_WITH_EVENTS: Duration = Duration::from_secs(1);
/// And when they do not.
const IDLE_WITHOUT_EVENTS: Duration = Duration::from_millis(400);
/// Events come in swarms: no two looks are closer.
const CLOSEST: Duration = Duration::from_millis(50);
/// A fact leads to a question so often: index, manifest, configuration, snapshots, layers.
const MOST_ROUNDS: usize = 8;
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A connection that hangs so often in a row is made anew.
const PATIENCE: u32 = 3;

/// What a watch needs to begin.
pub struct Watch {
    /// Where the runtime may listen.
    pub candidates: Vec<Candidate>,
    /// Where the host is mounted.
    pub host_prefix: std::path::PathBuf,
    /// Folder to read in place of the runtime's own.
    pub certs_d: Option<std::path::PathBuf>,
    /// Of containerd.
    pub namespaces: Vec<String>,
    /// Takes the node as it is.
    pub present: watch::Sender<Present>,
    /// Take the pulls that ended.
    pub finished: Vec<mpsc::UnboundedSender<ReportedPull>>,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether the runtime answers.
    pub readiness: daemon::http::Readiness,
}

/// What lasts longer than a connection.
struct Room {
    watch: Watch,
    trackers: Vec<Tracker>,
    certs_d: Option<CertsD>,
    runtime: Runtime,
    /// By pull: what certs.d said, for the name as it was then.
    endpoints: HashMap<String, (String, NameConfidence, Vec<Endpoint>)>,
}

impl Watch {
    /// Never ends.
    pub async fn run(self) {
        let trackers = self
            .namespaces
            .iter()
            .map(|name| Tracker::new(name))
            .collect();
        let mut room = Room {
            runtime: unreachable_runtime(),
            watch: self,
            trackers,
            certs_d: None,
            endpoints: HashMap::new(),
        };
        let mut wait = Duration::from_secs(1);
        loop {
            match room.connect().await {
                Ok(mut containerd) => {
                    wait = Duration::from_secs(1);
                    let error = room.follow(&mut containerd).await;
                    room.is_troubled(&error);
                }
                Err(error) => {
                    if matches!(error, RuntimeError::Unreachable { .. }) {
                        // Nobody listens, so whoever pulled is dead.
                        room.lose();
                    }
                    room.is_troubled(&error);
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }
}

impl Room {
    async fn connect(&mut self) -> Result<Containerd, RuntimeError> {
        let mut problem = None;
        for candidate in &self.watch.candidates {
            match Containerd::connect(&candidate.path).await {
                Ok(containerd) => {
                    let candidate = candidate.clone();
                    self.is_connected(&candidate, &containerd);
                    return Ok(containerd);
                }
                // A socket that is there says more than one that is not.
                Err(error) if problem.is_none() || candidate.path.exists() => problem = Some(error),
                Err(_) => {}
            }
        }
        Err(problem.unwrap_or(RuntimeError::Unreachable {
            socket: std::path::PathBuf::new(),
            cause: "there is no place to look".to_owned(),
        }))
    }

    fn is_connected(&mut self, candidate: &Candidate, containerd: &Containerd) {
        let now = Timestamp::now();
        if let Some(started) = started(&candidate.path) {
            for tracker in &mut self.trackers {
                tracker.runtime_started(started, now);
            }
        }
        let directories: Vec<_> = match &self.watch.certs_d {
            Some(directory) => vec![directory.clone()],
            None => candidate.certs_d.clone(),
        };
        let mounted = directories
            .into_iter()
            .map(|directory| discover::under(&self.watch.host_prefix, &directory));
        self.certs_d = CertsD::find(mounted, candidate.containerd);
        tracing::info!(
            runtime.version = containerd.version(),
            runtime.socket = %candidate.socket.display(),
            certs_d = self.certs_d.is_some(),
            "watching containerd"
        );
        self.runtime = Runtime {
            state: RuntimeState::Connected,
            name: "containerd".to_owned(),
            version: containerd.version().to_owned(),
            socket: candidate.socket.to_string_lossy().into_owned(),
            since: Some(now),
        };
        self.tell_state();
    }

    /// Follows one connection until it breaks.
    async fn follow(&mut self, containerd: &mut Containerd) -> RuntimeError {
        let mut heard = containerd.listen(&self.watch.namespaces);
        let mut is_listening = true;
        let idle = if tells_of_content(containerd.version()) {
            IDLE_WITH_EVENTS
        } else {
            IDLE_WITHOUT_EVENTS
        };
        let mut hangs = 0;
        loop {
            let began = Instant::now();
            match self.look(containerd).await {
                Ok(()) => {
                    hangs = 0;
                    if self.runtime.state != RuntimeState::Connected {
                        self.runtime.state = RuntimeState::Connected;
                        self.runtime.since = Some(Timestamp::now());
                        tracing::info!("containerd answers again");
                        self.tell_state();
                    }
                }
                Err(error @ RuntimeError::Unreachable { .. }) => return error,
                Err(error) => {
                    hangs += 1;
                    if hangs >= PATIENCE {
                        return error;
                    }
                    self.is_troubled(&error);
                }
            }
            let is_busy = self.trackers.iter().any(Tracker::is_busy);
            let next = began + if is_busy { BUSY } else { idle };
            if is_listening {
                is_listening = self.listen(&mut heard, began + CLOSEST, next).await;
            } else {
                // Without events looks are all there is; the stream comes back with the next connection.
                tokio::time::sleep_until(next).await;
                heard = containerd.listen(&self.watch.namespaces);
                is_listening = true;
            }
        }
    }

    /// Waits for the next look; says whether events still come.
    async fn listen(
        &mut self,
        heard: &mut mpsc::Receiver<Heard>,
        soonest: Instant,
        next: Instant,
    ) -> bool {
        let mut due = next;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(due) => return true,
                event = heard.recv() => match event {
                    Some(event) => {
                        self.hear(&event);
                        due = due.min(soonest.max(Instant::now()));
                    }
                    None => return false,
                },
            }
        }
    }

    fn hear(&mut self, heard: &Heard) {
        let found = self
            .watch
            .namespaces
            .iter()
            .position(|name| *name == heard.namespace);
        if let Some(tracker) = found.and_then(|place| self.trackers.get_mut(place)) {
            tracker.heard(&heard.event, heard.at);
        }
    }

    async fn look(&mut self, containerd: &mut Containerd) -> Result<(), RuntimeError> {
        for (tracker, namespace) in self.trackers.iter_mut().zip(&self.watch.namespaces) {
            let view = containerd.look(namespace).await?;
            tracker.look(&view, Timestamp::now());
            for _ in 0..MOST_ROUNDS {
                let wants = tracker.wants();
                if wants.is_empty() {
                    break;
                }
                let mut facts = Vec::with_capacity(wants.len());
                for want in wants {
                    facts.push(containerd.answer(namespace, want).await?);
                }
                tracker.learn(facts, Timestamp::now());
            }
            tracker.measure(Timestamp::now());
        }
        self.publish();
        Ok(())
    }

    fn lose(&mut self) {
        let now = Timestamp::now();
        for tracker in &mut self.trackers {
            tracker.runtime_lost(now);
        }
        self.publish();
    }

    fn is_troubled(&mut self, error: &RuntimeError) {
        let state = match error {
            RuntimeError::Unreachable { .. } => RuntimeState::Unreachable,
            RuntimeError::Hanging { .. } | RuntimeError::Refused { .. } => RuntimeState::Hanging,
        };
        if self.runtime.state == state && self.runtime.since.is_some() {
            tracing::debug!(%error, "containerd still cannot be asked");
        } else {
            tracing::warn!(%error, "containerd cannot be asked; trying again until it can");
            self.runtime.state = state;
            self.runtime.since = Some(Timestamp::now());
        }
        self.tell_state();
    }

    fn tell_state(&mut self) {
        self.watch.metrics.runtime(self.runtime.state);
        self.watch
            .readiness
            .set(self.runtime.state == RuntimeState::Connected);
        self.publish();
    }

    fn publish(&mut self) {
        let now = Timestamp::now();
        let mut active: Vec<_> = self
            .trackers
            .iter()
            .flat_map(|tracker| tracker.active(now))
            .collect();
        let mut ended: Vec<_> = self
            .trackers
            .iter_mut()
            .flat_map(Tracker::take_finished)
            .collect();
        for pull in active.iter_mut().chain(&mut ended) {
            pull.expected_endpoints = self.expected(pull);
        }
        for pull in ended {
            self.endpoints.remove(&pull.id);
            self.watch.metrics.ended(&pull);
            tell_of(&pull);
            for sender in &self.watch.finished {
                // A reporter that is gone needs nothing.
                let _ = sender.send(pull.clone());
            }
        }
        self.watch.metrics.looked(active.len());
        let runtime = &self.runtime;
        self.watch.present.send_if_modified(|present| {
            let is_new = present.active != active || present.runtime != *runtime;
            if is_new {
                present.active = active;
                present.runtime = runtime.clone();
            }
            is_new
        });
    }

    fn expected(&mut self, pull: &ReportedPull) -> Vec<Endpoint> {
        let Some(certs_d) = &self.certs_d else {
            return Vec::new();
        };
        let name = format!("{}/{}", pull.registry, pull.repository);
        let known = self
            .endpoints
            .get(&pull.id)
            .filter(|(before, confidence, _)| {
                *before == name && *confidence == pull.name_confidence
            });
        if let Some((_, _, endpoints)) = known {
            return endpoints.clone();
        }
        let endpoints = certs_d.endpoints(pull);
        let kept = (name, pull.name_confidence, endpoints.clone());
        self.endpoints.insert(pull.id.clone(), kept);
        endpoints
    }
}

fn tell_of(pull: &ReportedPull) {
    let end = pull.completed_at.unwrap_or(pull.started_at);
    tracing::info!(
        image = pull.image_ref,
        phase = pull.phase.as_str(),
        bytes.total = pull.total_bytes,
        bytes.cached = pull.cached_bytes,
        seconds = end.duration_since(pull.started_at).as_secs_f64(),
        "pull ended"
    );
}

/// A runtime makes its socket anew when it starts.
fn started(socket: &Path) -> Option<Timestamp> {
    let found = std::fs::metadata(socket).ok()?;
    let nanoseconds = i32::try_from(found.mtime_nsec()).ok()?;
    Timestamp::new(found.mtime(), nanoseconds).ok()
}

/// Before the first connection.
pub fn unreachable_runtime() -> Runtime {
    Runtime {
        state: RuntimeState::Unreachable,
        name: "containerd".to_owned(),
        version: String::new(),
        socket: String::new(),
        since: None,
    }
}
