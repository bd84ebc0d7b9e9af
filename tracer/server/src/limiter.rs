//! How often a node may report: a bucket of tokens each, so that a tick a little early is no offence.

use std::collections::HashMap;

use jiff::Timestamp;

/// Nodes that nobody heard of for so long are forgotten.
const IDLE_SECONDS: f64 = 60.0;

/// What a kind of sender may do.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Reports at once.
    pub burst: f64,
    /// Reports a second in the long run.
    pub per_second: f64,
}

impl Allowance {
    /// Agents of the earlier program report once a second.
    pub const LEGACY: Self = Self {
        burst: 1.0,
        per_second: 2.5,
    };
    /// Ours report up to four times a second, and finish with a few reports in a row.
    pub const OURS: Self = Self {
        burst: 20.0,
        per_second: 10.0,
    };
}

/// Buckets by node.
#[derive(Debug)]
pub struct Limiter {
    buckets: HashMap<String, (f64, Timestamp)>,
    most: usize,
}

impl Limiter {
    /// A limiter that knows `most` nodes at a time.
    pub fn new(most: usize) -> Self {
        Self {
            buckets: HashMap::new(),
            most,
        }
    }

    /// Whether `node` may report now.
    pub fn allows(&mut self, node: &str, allowance: Allowance, now: Timestamp) -> bool {
        if let Some((tokens, since)) = self.buckets.get_mut(node) {
            let passed = now.duration_since(*since).as_secs_f64().max(0.0);
            *tokens = (*tokens + passed * allowance.per_second).min(allowance.burst);
            *since = now;
            if *tokens < 1.0 {
                return false;
            }
            *tokens -= 1.0;
            return true;
        }
        if self.buckets.len() >= self.most {
            self.sweep(now);
        }
        if self.buckets.len() >= self.most {
            return false;
        }
        self.buckets
            .insert(node.to_owned(), (allowance.burst - 1.0, now));
        true
    }

    /// Forgets idle nodes.
    pub fn sweep(&mut self, now: Timestamp) {
        self.buckets
            .retain(|_, (_, since)| now.duration_since(*since).as_secs_f64() <= IDLE_SECONDS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    #[test]
    fn a_second_report_at_once_is_one_too_many_and_nodes_are_independent() {
        let mut limiter = Limiter::new(10);
        assert!(limiter.allows("a", Allowance::LEGACY, at(0)));
        assert!(!limiter.allows("a", Allowance::LEGACY, at(1)));
        assert!(limiter.allows("b", Allowance::LEGACY, at(1)));
        assert!(
            limiter.allows("a", Allowance::LEGACY, at(990)),
            "a tick a little early"
        );
    }

    #[test]
    fn a_full_limiter_refuses_newcomers_until_somebody_was_idle() {
        let mut limiter = Limiter::new(1);
        assert!(limiter.allows("a", Allowance::OURS, at(0)));
        assert!(!limiter.allows("b", Allowance::OURS, at(1)));
        assert!(limiter.allows("b", Allowance::OURS, at(61_000)));
        limiter.sweep(at(200_000));
        assert!(limiter.buckets.is_empty());
    }
}
