//! Times and their percentiles.

use std::time::{Duration, Instant};

/// Durations of one thing, repeated.
pub(crate) struct Samples(Vec<Duration>);

impl From<Vec<Duration>> for Samples {
    fn from(samples: Vec<Duration>) -> Self {
        Self(samples)
    }
}

impl Samples {
    /// Times `run` after a few runs that do not count.
    pub(crate) fn of<E>(count: usize, mut run: impl FnMut() -> Result<(), E>) -> Result<Self, E> {
        for _ in 0..count.div_ceil(10) {
            run()?;
        }
        let mut samples = Self(Vec::with_capacity(count));
        for _ in 0..count {
            samples.add(&mut run)?;
        }
        Ok(samples)
    }

    pub(crate) fn empty() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add<E>(&mut self, run: &mut impl FnMut() -> Result<(), E>) -> Result<(), E> {
        let start = Instant::now();
        run()?;
        self.0.push(start.elapsed());
        Ok(())
    }

    pub(crate) fn push(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    /// The value that `percent` of the samples do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(index).copied().unwrap_or_default()
    }

    /// `p50 1.23 ms, p99 4.56 ms (100 runs)`
    pub(crate) fn text(&self) -> String {
        format!(
            "p50 {}, p99 {} ({} runs)",
            milliseconds(self.percentile(50)),
            milliseconds(self.percentile(99)),
            self.0.len()
        )
    }

    /// `1.23 s (1.20 s to 1.31 s, 5 runs)`
    pub(crate) fn spread(&self) -> String {
        format!(
            "{} ({} to {}, {} runs)",
            short(self.percentile(50)),
            short(self.percentile(0)),
            short(self.percentile(100)),
            self.0.len()
        )
    }
}

/// `1.23 ms`, `1.23 s`
fn short(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        milliseconds(duration)
    } else {
        format!("{:.2} s", duration.as_secs_f64())
    }
}

pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}
