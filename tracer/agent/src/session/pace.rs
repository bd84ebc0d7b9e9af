//! How fast something moves, and where it is between two steps.

use jiff::Timestamp;

/// The runtime tells offsets in steps of this size.
const STEP: u64 = 1 << 20;
/// Rates of a pull are those of the last seconds.
const WINDOW_SECONDS: f64 = 10.0;
/// How long a change of pace takes to show.
const EASE_SECONDS: f64 = 5.0;
/// Samples closer than this replace each other.
const CLOSEST_SECONDS: f64 = 0.2;

/// The pace of one layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pace {
    last: Option<(Timestamp, u64)>,
    rate: f64,
}

impl Pace {
    /// Takes what the runtime tells.
    pub(super) fn saw(&mut self, offset: u64, at: Timestamp) {
        let Some((before, bytes)) = self.last else {
            self.last = Some((at, offset));
            return;
        };
        if offset == bytes {
            return;
        }
        let elapsed = seconds(before, at);
        // An offset that falls belongs to a new try.
        if offset > bytes && elapsed > 0.0 {
            let sample = as_float(offset - bytes) / elapsed;
            let weight = if self.rate > 0.0 {
                1.0 - (-elapsed / EASE_SECONDS).exp()
            } else {
                1.0
            };
            self.rate += weight * (sample - self.rate);
        }
        self.last = Some((at, offset));
    }

    /// Bytes a second; falls when the next step is overdue.
    pub(super) fn rate(&self, now: Timestamp) -> f64 {
        let Some((at, _)) = self.last else {
            return 0.0;
        };
        let waited = seconds(at, now);
        let due = as_float(STEP) / self.rate.max(1.0);
        if waited > 3.0 * due + EASE_SECONDS {
            0.0
        } else if waited > due {
            self.rate.min(as_float(STEP) / waited)
        } else {
            self.rate
        }
    }

    /// Where it probably is: never beyond the next step, never at the end before the runtime says so.
    pub(super) fn estimate(&self, total: u64, now: Timestamp) -> u64 {
        let Some((at, offset)) = self.last else {
            return 0;
        };
        if offset == 0 || offset >= total {
            return offset.min(total);
        }
        let moved = as_whole(self.rate * seconds(at, now)).min(STEP - 1);
        (offset + moved).min(total - 1)
    }
}

/// The pace of a pull, from the bytes it has fetched.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Window {
    samples: std::collections::VecDeque<(Timestamp, u64)>,
}

impl Window {
    pub(super) fn saw(&mut self, bytes: u64, at: Timestamp) {
        if let Some((last, _)) = self.samples.back()
            && self.samples.len() > 1
            && seconds(*last, at) < CLOSEST_SECONDS
        {
            return;
        }
        self.samples.push_back((at, bytes));
        while self.samples.len() > 2 && seconds(self.samples[1].0, at) > WINDOW_SECONDS {
            self.samples.pop_front();
        }
    }

    pub(super) fn rate(&self) -> f64 {
        let (Some((from, first)), Some((to, last))) = (self.samples.front(), self.samples.back())
        else {
            return 0.0;
        };
        let elapsed = seconds(*from, *to);
        if elapsed <= 0.0 {
            return 0.0;
        }
        as_float(last.saturating_sub(*first)) / elapsed
    }
}

/// Seconds from one time to a later one; 0 for an earlier one.
pub(super) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "rates need no more than 52 bits"
)]
pub(super) fn as_float(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and rates are never negative"
)]
fn as_whole(bytes: f64) -> u64 {
    bytes as u64
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use proptest::prelude::*;

    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + milliseconds.milliseconds()
    }

    #[test]
    fn a_step_in_a_second_is_a_step_a_second() {
        let mut pace = Pace::default();
        pace.saw(0, at(0));
        pace.saw(STEP, at(1000));
        assert!((pace.rate(at(1000)) - as_float(STEP)).abs() < 1.0);
        assert_eq!(pace.estimate(10 * STEP, at(1500)), STEP + STEP / 2);
        assert_eq!(pace.estimate(10 * STEP, at(9000)), 2 * STEP - 1);
        assert!(pace.rate(at(3000)) < as_float(STEP));
        assert!(pace.rate(at(60_000)) <= 0.0);
    }

    #[test]
    fn what_was_there_at_the_first_look_is_no_speed() {
        let mut window = Window::default();
        window.saw(50 * STEP, at(0));
        window.saw(50 * STEP, at(1000));
        assert!(window.rate() <= 0.0);
        window.saw(51 * STEP, at(2000));
        assert!((window.rate() - as_float(STEP) / 2.0).abs() < 1.0);
        window.saw(51 * STEP, at(30_000));
        window.saw(51 * STEP, at(41_000));
        assert!(window.rate() <= 0.0);
    }

    proptest! {
        #[test]
        fn an_estimate_stays_within_its_step(steps in proptest::collection::vec((0u64..5_000_000, 1i64..5000), 1..20), later in 0i64..100_000) {
            let total = 40_000_000;
            let (mut pace, mut offset, mut time) = (Pace::default(), 0, 0);
            for (bytes, milliseconds) in steps {
                offset = (offset + bytes).min(total);
                time += milliseconds;
                pace.saw(offset, at(time));
            }
            let estimate = pace.estimate(total, at(time + later));
            prop_assert!(estimate >= offset);
            prop_assert!(estimate < offset + STEP);
            prop_assert!(estimate < total || offset == total);
        }
    }
}
