//! What one look at the Lease means for this process, and what it writes there. Pure: the Lease and the time go in.
//!
//! Clocks of other machines are not trusted: a Lease is free when nobody has touched it for as long as it lasts, counted
//! from when it was first seen like that.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::time::{Duration, Instant};

/// What to do about the Lease now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is free: take it.
    Take,
    /// It is ours: say that we are alive.
    Renew,
    /// Another process has it.
    Wait,
}

/// One who wants the Lease.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    identity: String,
    span: Duration,
    /// What the Lease said, and since when it has said so.
    seen: Option<(LeaseSpec, Instant)>,
}

impl Candidate {
    pub(crate) fn new(identity: &str, span: Duration) -> Self {
        Self {
            identity: identity.to_owned(),
            span,
            seen: None,
        }
    }

    /// How often the holder says that it is alive.
    pub(crate) fn renewal(&self) -> Duration {
        self.span / 3
    }

    /// How long the holder may work without having said so: well before others may take the Lease.
    pub(crate) fn confidence(&self) -> Duration {
        self.span * 2 / 3
    }

    /// Looks at the Lease.
    pub(crate) fn step(&mut self, lease: &LeaseSpec, now: Instant) -> Step {
        let since = match &self.seen {
            Some((seen, since)) if seen == lease => *since,
            _ => {
                self.seen = Some((lease.clone(), now));
                now
            }
        };
        match lease.holder_identity.as_deref() {
            None | Some("") => Step::Take,
            Some(_) if self.holds(lease) => Step::Renew,
            Some(_) if now.duration_since(since) >= self.lasts(lease) => Step::Take,
            Some(_) => Step::Wait,
        }
    }

    /// Whether the Lease is ours.
    pub(crate) fn holds(&self, lease: &LeaseSpec) -> bool {
        lease.holder_identity.as_ref() == Some(&self.identity)
    }

    /// How long the holder said that it would be alive, or else how long we would have said.
    fn lasts(&self, lease: &LeaseSpec) -> Duration {
        let seconds = lease.lease_duration_seconds;
        seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(self.span, Duration::from_secs)
    }

    /// The Lease as we take it.
    pub(crate) fn taken(&self, lease: &LeaseSpec, now: Timestamp) -> LeaseSpec {
        LeaseSpec {
            acquire_time: Some(MicroTime(now)),
            lease_transitions: Some(lease.lease_transitions.unwrap_or(0).saturating_add(1)),
            ..self.renewed(lease, now)
        }
    }

    /// The Lease as we keep it.
    pub(crate) fn renewed(&self, lease: &LeaseSpec, now: Timestamp) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.span.as_secs()).ok(),
            renew_time: Some(MicroTime(now)),
            ..lease.clone()
        }
    }
}

/// The Lease as its holder gives it back.
pub(crate) fn given_back(lease: &LeaseSpec) -> LeaseSpec {
    LeaseSpec {
        holder_identity: None,
        acquire_time: None,
        renew_time: None,
        lease_duration_seconds: None,
        ..lease.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(15);

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn of(identity: &str, second: i64) -> LeaseSpec {
        Candidate::new(identity, SPAN).taken(&LeaseSpec::default(), time(second))
    }

    #[test]
    fn a_lease_that_nobody_has_is_taken_at_once() {
        let mut candidate = Candidate::new("a", SPAN);
        let now = Instant::now();
        assert_eq!(candidate.step(&LeaseSpec::default(), now), Step::Take);
        let held = of("b", 0);
        assert_eq!(candidate.step(&held, now), Step::Wait);
        assert_eq!(candidate.step(&given_back(&held), now), Step::Take);
        let emptied = LeaseSpec {
            holder_identity: Some(String::new()),
            ..held
        };
        assert_eq!(candidate.step(&emptied, now), Step::Take);
    }

    #[test]
    fn a_holder_that_shows_life_keeps_the_lease_whatever_its_clock_says() {
        let mut candidate = Candidate::new("a", SPAN);
        let start = Instant::now();
        for look in 0..100 {
            // Its clock is a year behind, and it renews at the last moment.
            let lease = of("b", -31_536_000 + i64::from(look));
            let now = start + SPAN * look - Duration::from_millis(1) * look;
            assert_eq!(candidate.step(&lease, now), Step::Wait, "{look}");
        }
    }

    #[test]
    fn a_holder_that_shows_no_life_loses_the_lease_when_it_ends_and_not_before() {
        let mut candidate = Candidate::new("a", SPAN);
        let start = Instant::now();
        let lease = of("b", 1_000_000);
        assert_eq!(candidate.step(&lease, start), Step::Wait);
        let before = start + SPAN - Duration::from_millis(1);
        assert_eq!(candidate.step(&lease, before), Step::Wait);
        assert_eq!(candidate.step(&lease, start + SPAN), Step::Take);
        // What the holder said counts, not what we would have said.
        let longer = Candidate::new("b", SPAN * 4).taken(&lease, time(0));
        let mut candidate = Candidate::new("a", SPAN);
        assert_eq!(candidate.step(&longer, start), Step::Wait);
        assert_eq!(candidate.step(&longer, start + SPAN * 2), Step::Wait);
        assert_eq!(candidate.step(&longer, start + SPAN * 4), Step::Take);
        let mut patient = Candidate::new("a", SPAN * 20);
        assert_eq!(patient.step(&lease, start), Step::Wait);
        assert_eq!(patient.step(&lease, start + SPAN), Step::Take);
    }

    #[test]
    fn the_holder_stops_well_before_another_may_start() {
        for seconds in [5, 15, 300] {
            let candidate = Candidate::new("a", Duration::from_secs(seconds));
            assert!(candidate.renewal() * 2 <= candidate.confidence());
            assert!(candidate.confidence() + candidate.renewal() <= Duration::from_secs(seconds));
        }
    }

    #[test]
    fn changes_of_hands_are_counted_and_what_others_wrote_stays() {
        let candidate = Candidate::new("a", SPAN);
        let strange = LeaseSpec {
            preferred_holder: Some("c".to_owned()),
            ..of("b", 0)
        };
        let taken = candidate.taken(&strange, time(9));
        assert_eq!(taken.lease_transitions, Some(2));
        assert_eq!(taken.holder_identity.as_deref(), Some("a"));
        assert_eq!(taken.preferred_holder.as_deref(), Some("c"));
        let renewed = candidate.renewed(&taken, time(12));
        assert_eq!(renewed.acquire_time, Some(MicroTime(time(9))));
        assert_eq!(renewed.renew_time, Some(MicroTime(time(12))));
        assert_eq!(renewed.lease_transitions, Some(2));
        let given = given_back(&renewed);
        assert_eq!(given.holder_identity, None);
        assert_eq!(given.lease_transitions, Some(2));
    }
}
