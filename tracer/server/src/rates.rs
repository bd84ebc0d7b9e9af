//! Speeds of reports that tell none: a sliding window over byte counts.

pub mod throughput;

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// How far back a speed looks.
const WINDOW: SignedDuration = SignedDuration::from_secs(10);

/// Byte counts of the last ten seconds, and one older that they are measured from.
#[derive(Clone, Debug, Default)]
pub struct RateWindow {
    samples: VecDeque<(Timestamp, u64)>,
}

impl RateWindow {
    /// Notes that `bytes` were there at `now`.
    pub fn add(&mut self, now: Timestamp, bytes: u64) {
        self.samples.push_back((now, bytes));
        // The last sample outside the window is the one that the window is measured from.
        while self
            .samples
            .get(1)
            .is_some_and(|(time, _)| now.duration_since(*time) > WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// Bytes a second; 0 without two samples, without time between them, and when the count fell.
    pub fn rate(&self) -> f64 {
        let (Some((first, before)), Some((last, after))) =
            (self.samples.front(), self.samples.back())
        else {
            return 0.0;
        };
        let seconds = last.duration_since(*first).as_secs_f64();
        if seconds <= 0.0 || after < before {
            return 0.0;
        }
        number(after - before) / seconds
    }

    /// Seconds until `remaining` bytes came at this speed; 0 when nothing moves.
    pub fn eta(&self, remaining: u64) -> f64 {
        let rate = self.rate();
        if rate > 0.0 {
            number(remaining) / rate
        } else {
            0.0
        }
    }
}

/// A speed without its fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between nothing and a petabyte a second, which no node reaches"
)]
pub(crate) fn whole(rate: f64) -> u64 {
    rate.clamp(0.0, 1e15) as u64
}

/// A count as a float: beyond 2^53 bytes the last digits do not matter.
#[expect(
    clippy::cast_precision_loss,
    reason = "nine petabytes are exact, and more need not be"
)]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

/// 0 to 100.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (number(part) / number(whole) * 100.0).clamp(0.0, 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(samples: &[(i64, u64)]) -> RateWindow {
        let mut window = RateWindow::default();
        for (millis, bytes) in samples {
            window.add(Timestamp::from_millisecond(*millis).unwrap(), *bytes);
        }
        window
    }

    #[test]
    fn a_rate_needs_two_samples_apart_that_do_not_fall() {
        for (samples, expected) in [
            (&[][..], 0.0),
            (&[(0, 500)], 0.0),
            (&[(0, 0), (1000, 10_000)], 10_000.0),
            (&[(0, 10_000), (1000, 5_000)], 0.0),
            (&[(0, 0), (0, 10_000)], 0.0),
        ] {
            let rate = window(samples).rate();
            assert!((rate - expected).abs() < 0.001, "{samples:?}: {rate}");
        }
    }

    #[test]
    fn an_eta_needs_a_rate() {
        assert!(window(&[(0, 0)]).eta(10_000) <= 0.0);
        let eta = window(&[(0, 0), (1000, 10_000)]).eta(10_000);
        assert!((eta - 1.0).abs() < 0.001, "{eta}");
    }

    #[test]
    fn what_stood_still_for_a_window_has_no_rate() {
        let mut samples = vec![(0, 0), (1000, 10_000)];
        samples.extend((2..=13).map(|second| (second * 1000, 10_000)));
        assert!(window(&samples).rate() <= 0.0);
        assert!(
            window(&samples).samples.len() <= 12,
            "the window is bounded"
        );
    }
}
