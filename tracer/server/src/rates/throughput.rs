//! What moved in the last five minutes: sums of a second each, of all nodes, of each node and of each registry.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

/// Seconds that are kept.
const STEPS: usize = 300;
/// Series that are kept: a fleet's nodes and its registries. Names of registries come from reports.
const MOST: usize = 4096;

/// Series of sums, all ending at the same second.
#[derive(Debug, Default)]
pub struct Throughput {
    until: i64,
    series: BTreeMap<String, VecDeque<u64>>,
}

/// What readers get; a series that is shorter than five minutes was at rest before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Past {
    /// Of a step.
    pub seconds: u64,
    /// Unix time of the last step.
    pub until: i64,
    /// Bytes a second, by `all`, `node NAME` and `registry NAME`.
    pub series: BTreeMap<String, VecDeque<u64>>,
}

impl Throughput {
    /// Adds what moves at `second`; seconds that were left out were at rest.
    pub fn push(&mut self, second: i64, rates: BTreeMap<String, u64>) {
        let passed = match self.until {
            0 => 1,
            until => usize::try_from(second - until).unwrap_or(0).min(STEPS),
        };
        if passed == 0 {
            return;
        }
        self.until = second;
        for values in self.series.values_mut() {
            values.extend(std::iter::repeat_n(0, passed));
        }
        for (name, rate) in rates.into_iter().filter(|(_, rate)| *rate > 0) {
            let is_known = self.series.contains_key(&name);
            if !is_known && self.series.len() >= MOST {
                continue;
            }
            let values = self.series.entry(name).or_default();
            values.pop_back();
            values.push_back(rate);
        }
        self.series.retain(|_, values| {
            let surplus = values.len().saturating_sub(STEPS);
            let at_rest = values.iter().skip(surplus).take_while(|value| **value == 0);
            let useless = surplus + at_rest.count();
            values.drain(..useless);
            !values.is_empty()
        });
    }

    /// Everything, for somebody who begins to look now.
    pub fn past(&self) -> Past {
        Past {
            seconds: 1,
            until: self.until,
            series: self.series.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs
            .iter()
            .map(|(name, rate)| ((*name).to_owned(), *rate))
            .collect()
    }

    fn series(throughput: &Throughput, name: &str) -> Vec<u64> {
        let past = throughput.past();
        past.series.get(name).cloned().unwrap_or_default().into()
    }

    #[test]
    fn every_series_ends_now_and_begins_with_its_first_byte() {
        let mut throughput = Throughput::default();
        throughput.push(100, rates(&[("all", 5), ("node a", 0)]));
        throughput.push(103, rates(&[("all", 7), ("node a", 7)]));
        throughput.push(103, rates(&[("all", 9)]));
        assert_eq!(series(&throughput, "all"), [5, 0, 0, 7]);
        assert_eq!(series(&throughput, "node a"), [7]);
        assert_eq!(throughput.past().until, 103);
    }

    #[test]
    fn five_minutes_are_kept_and_what_rested_as_long_is_forgotten() {
        let mut throughput = Throughput::default();
        throughput.push(1, rates(&[("node a", 1)]));
        for second in 2..=400 {
            throughput.push(second, rates(&[("all", 3)]));
        }
        assert_eq!(series(&throughput, "all").len(), STEPS);
        assert_eq!(throughput.past().series.keys().collect::<Vec<_>>(), ["all"]);
        throughput.push(10_000, rates(&[]));
        assert!(throughput.past().series.is_empty());
    }

    #[test]
    fn made_up_registries_do_not_fill_the_memory() {
        let mut throughput = Throughput::default();
        throughput.push(
            1,
            (0..2 * MOST as u64)
                .map(|number| (format!("registry {number}"), 1))
                .collect(),
        );
        assert_eq!(throughput.past().series.len(), MOST);
    }
}
