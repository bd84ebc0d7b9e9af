//! What the server still has to hear: the difference to what it acknowledged, and pulls that ended, until it has them.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use tracer_model::{PROTOCOL, Report, ReportKind, ReportedPull, Runtime};

/// Ended pulls that wait for a server; the oldest go first.
pub const MOST_FINISHED: usize = 1000;
/// Ended pulls in one report, so that no body grows beyond what servers take.
const MOST_FINISHED_AT_ONCE: usize = 50;

/// Reports to one server.
#[derive(Debug)]
pub struct Outbox {
    node_name: String,
    boot_id: String,
    sequence: u64,
    /// What the server knows; nothing before the first report, and after one that may be lost.
    known: Option<BTreeMap<String, ReportedPull>>,
    known_runtime: Option<Runtime>,
    finished: VecDeque<ReportedPull>,
    at_once: usize,
    sent_at: Timestamp,
}

/// A report, and what it makes the server know.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// What to send.
    pub report: Report,
    known: BTreeMap<String, ReportedPull>,
}

/// How soon a report is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Only to say that the agent lives.
    Heartbeat,
    /// Numbers moved.
    Progress,
    /// Something began, changed its phase, or ended.
    Change,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server has it.
    Acknowledged,
    /// The server wants everything anew.
    Resync,
    /// Nobody knows.
    Lost,
    /// The server takes no such body.
    Refused,
}

impl Outbox {
    /// For one run of the agent.
    pub fn new(node_name: &str, boot_id: &str) -> Self {
        Self {
            node_name: node_name.to_owned(),
            boot_id: boot_id.to_owned(),
            sequence: 0,
            known: None,
            known_runtime: None,
            finished: VecDeque::new(),
            at_once: MOST_FINISHED_AT_ONCE,
            sent_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Keeps an ended pull; says how many were given up for it.
    pub fn finished(&mut self, pull: ReportedPull) -> u64 {
        self.finished.push_back(pull);
        if self.finished.len() > MOST_FINISHED {
            self.finished.pop_front();
            return 1;
        }
        0
    }

    /// How many ended pulls wait.
    pub fn waiting(&self) -> usize {
        self.finished.len()
    }

    /// When the last report was prepared.
    pub fn sent_at(&self) -> Timestamp {
        self.sent_at
    }

    /// How soon the next report is to be sent.
    pub fn urgency(&self, active: &[ReportedPull], runtime: &Runtime) -> Urgency {
        let Some(known) = &self.known else {
            return Urgency::Change;
        };
        let is_same_phase = |pull: &ReportedPull| {
            known
                .get(&pull.id)
                .is_some_and(|before| before.phase == pull.phase)
        };
        if !self.finished.is_empty()
            || self.known_runtime.as_ref() != Some(runtime)
            || active.len() != known.len()
            || !active.iter().all(is_same_phase)
        {
            Urgency::Change
        } else if active.iter().any(|pull| known.get(&pull.id) != Some(pull)) {
            Urgency::Progress
        } else {
            Urgency::Heartbeat
        }
    }

    /// The next report.
    pub fn prepare(
        &mut self,
        active: &[ReportedPull],
        runtime: &Runtime,
        now: Timestamp,
    ) -> Prepared {
        let finished: Vec<_> = self.finished.iter().take(self.at_once).cloned().collect();
        let is_accounted = |id: &String| {
            active.iter().any(|pull| pull.id == *id) || finished.iter().any(|pull| pull.id == *id)
        };
        // A pull that is gone without an end can only be told by leaving it out of everything.
        let known = self
            .known
            .as_ref()
            .filter(|known| known.keys().all(is_accounted));
        let (kind, pulls) = match known {
            None => (ReportKind::Full, active.to_vec()),
            Some(known) => {
                let changed = |pull: &&ReportedPull| known.get(&pull.id) != Some(pull);
                let pulls: Vec<_> = active.iter().filter(changed).cloned().collect();
                let is_news = !pulls.is_empty()
                    || !finished.is_empty()
                    || self.known_runtime.as_ref() != Some(runtime);
                let kind = if is_news {
                    ReportKind::Delta
                } else {
                    ReportKind::Heartbeat
                };
                (kind, pulls)
            }
        };
        self.sequence += 1;
        self.sent_at = now;
        let known = active
            .iter()
            .map(|pull| (pull.id.clone(), pull.clone()))
            .collect();
        let report = Report {
            node_name: self.node_name.clone(),
            timestamp: now,
            pulls,
            protocol: Some(PROTOCOL),
            boot_id: self.boot_id.clone(),
            sequence: self.sequence,
            kind,
            finished,
            runtime: Some(runtime.clone()),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Prepared { report, known }
    }

    /// Takes what became of a report; says how many ended pulls were given up.
    pub fn settle(&mut self, prepared: Prepared, outcome: Outcome) -> u64 {
        let sent = prepared.report.finished.len();
        match outcome {
            Outcome::Acknowledged => {
                self.finished.drain(..sent.min(self.finished.len()));
                self.known = Some(prepared.known);
                self.known_runtime = prepared.report.runtime;
                self.at_once = MOST_FINISHED_AT_ONCE;
                return 0;
            }
            // Perhaps one of them is what it does not take: fewer at a time until that one is alone.
            Outcome::Refused if sent > 1 => self.at_once = sent / 2,
            Outcome::Refused if sent == 1 => {
                self.finished.pop_front();
                self.known = None;
                return 1;
            }
            Outcome::Refused | Outcome::Resync | Outcome::Lost => {}
        }
        self.known = None;
        0
    }
}

/// How long after a failure the next try is made: twice as long each time, and never all agents at once.
pub fn back_off(failures: u32, chance: f64) -> SignedDuration {
    let seconds = f64::from(1_u32 << failures.saturating_sub(1).min(5)).min(30.0);
    SignedDuration::try_from_secs_f64(seconds * (0.5 + chance / 2.0))
        .unwrap_or(SignedDuration::from_secs(30))
}

#[cfg(test)]
mod tests {
    use tracer_model::RuntimeState;

    use super::*;

    fn pull(id: &str, bytes: u64) -> ReportedPull {
        ReportedPull {
            id: id.to_owned(),
            downloaded_bytes: bytes,
            ..ReportedPull::default()
        }
    }

    fn runtime() -> Runtime {
        Runtime {
            state: RuntimeState::Connected,
            name: "containerd".to_owned(),
            version: String::new(),
            socket: String::new(),
            since: None,
        }
    }

    fn send(outbox: &mut Outbox, active: &[ReportedPull], outcome: Outcome) -> Report {
        let prepared = outbox.prepare(active, &runtime(), Timestamp::UNIX_EPOCH);
        let report = prepared.report.clone();
        outbox.settle(prepared, outcome);
        report
    }

    #[test]
    fn the_first_report_is_full_and_the_next_ones_tell_differences() {
        let mut outbox = Outbox::new("node", "boot");
        let first = send(
            &mut outbox,
            &[pull("a", 1), pull("b", 1)],
            Outcome::Acknowledged,
        );
        assert_eq!(
            (first.kind, first.pulls.len(), first.sequence),
            (ReportKind::Full, 2, 1)
        );
        let active = [pull("a", 2), pull("b", 1)];
        assert_eq!(outbox.urgency(&active, &runtime()), Urgency::Progress);
        let second = send(&mut outbox, &active, Outcome::Acknowledged);
        assert_eq!((second.kind, second.sequence), (ReportKind::Delta, 2));
        assert_eq!(second.pulls, [pull("a", 2)]);
        assert_eq!(outbox.urgency(&active, &runtime()), Urgency::Heartbeat);
        let third = send(&mut outbox, &active, Outcome::Acknowledged);
        assert_eq!((third.kind, third.pulls.len()), (ReportKind::Heartbeat, 0));
    }

    #[test]
    fn an_ended_pull_is_sent_until_the_server_has_it() {
        let mut outbox = Outbox::new("node", "boot");
        send(&mut outbox, &[pull("a", 1)], Outcome::Acknowledged);
        outbox.finished(pull("a", 5));
        assert_eq!(outbox.urgency(&[], &runtime()), Urgency::Change);
        for outcome in [Outcome::Lost, Outcome::Resync, Outcome::Acknowledged] {
            let report = send(&mut outbox, &[], outcome);
            assert_eq!(report.finished, [pull("a", 5)]);
        }
        assert_eq!(outbox.waiting(), 0);
        assert!(
            send(&mut outbox, &[], Outcome::Acknowledged)
                .finished
                .is_empty()
        );
    }

    #[test]
    fn after_a_doubt_everything_is_told_anew() {
        for outcome in [Outcome::Lost, Outcome::Resync, Outcome::Refused] {
            let mut outbox = Outbox::new("node", "boot");
            send(&mut outbox, &[pull("a", 1)], Outcome::Acknowledged);
            send(&mut outbox, &[pull("a", 2)], outcome);
            let report = send(&mut outbox, &[pull("a", 2)], Outcome::Acknowledged);
            assert_eq!(
                (report.kind, report.pulls.len()),
                (ReportKind::Full, 1),
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn a_pull_that_vanishes_without_an_end_leads_to_a_full_report() {
        let mut outbox = Outbox::new("node", "boot");
        send(&mut outbox, &[pull("a", 1)], Outcome::Acknowledged);
        assert_eq!(
            send(&mut outbox, &[], Outcome::Acknowledged).kind,
            ReportKind::Full
        );
    }

    #[test]
    fn the_buffer_is_bounded_and_a_refused_pull_is_given_up_alone() {
        let mut outbox = Outbox::new("node", "boot");
        let given_up: u64 = (0..MOST_FINISHED + 7)
            .map(|id| outbox.finished(pull(&id.to_string(), 1)))
            .sum();
        assert_eq!((given_up, outbox.waiting()), (7, MOST_FINISHED));
        let mut sizes = Vec::new();
        while outbox.waiting() == MOST_FINISHED {
            sizes.push(send(&mut outbox, &[], Outcome::Refused).finished.len());
        }
        assert_eq!(sizes, [50, 25, 12, 6, 3, 1]);
    }

    #[test]
    fn the_back_off_doubles_up_to_half_a_minute() {
        assert_eq!(back_off(1, 1.0), SignedDuration::from_secs(1));
        assert_eq!(back_off(3, 1.0), SignedDuration::from_secs(4));
        assert_eq!(back_off(99, 1.0), SignedDuration::from_secs(30));
        assert_eq!(back_off(99, 0.0), SignedDuration::from_secs(15));
    }
}
