//! What filters, sorting and figures need of each finished pull, bounded by number, age, bytes and share of a node.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tracer_model::{FailureClass, Phase, PullStatus, State};

/// Of a pull, without what only its page shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub id: Arc<str>,
    pub node: Arc<str>,
    pub image: Arc<str>,
    pub registry: Arc<str>,
    pub pods: Box<[(Arc<str>, Box<str>)]>,
    pub phase: Phase,
    pub state: State,
    pub started: Timestamp,
    pub completed: Option<Timestamp>,
    pub total_bytes: u64,
    pub percent: f64,
    pub bytes_per_sec: f64,
    pub failure: Option<FailureClass>,
}

impl Summary {
    /// Of a pull.
    pub fn of(pull: &PullStatus) -> Self {
        Self::sharing(pull, &mut |text| Arc::from(text))
    }

    fn sharing(pull: &PullStatus, share: &mut dyn FnMut(&str) -> Arc<str>) -> Self {
        Self {
            id: Arc::from(pull.id.as_str()),
            node: share(&pull.node_name),
            image: share(&pull.image_ref),
            registry: share(&pull.registry),
            pods: pull
                .pods
                .iter()
                .map(|pod| (share(&pod.namespace), pod.pod_name.as_str().into()))
                .collect(),
            phase: pull.phase,
            state: pull.state,
            started: pull.started_at,
            completed: pull.completed_at,
            total_bytes: pull.total_bytes,
            percent: pull.percent,
            bytes_per_sec: pull.bytes_per_sec,
            failure: pull.failure.as_ref().map(|failure| failure.class),
        }
    }

    /// Seconds from begin to end; none while it goes on.
    pub fn seconds(&self) -> Option<f64> {
        let end = self.completed?;
        Some(end.duration_since(self.started).as_secs_f64().max(0.0))
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Pulls of all nodes.
    pub pulls: usize,
    /// Pulls of one node.
    pub per_node: usize,
    /// Since they ended.
    pub age: SignedDuration,
    /// JSON on disk.
    pub bytes: usize,
}

#[derive(Debug)]
struct Entry {
    summary: Summary,
    bytes: usize,
}

/// Finished pulls by number, which grows with time.
#[derive(Debug)]
pub struct Index {
    entries: BTreeMap<u64, Entry>,
    by_id: HashMap<Arc<str>, u64>,
    by_node: HashMap<Arc<str>, VecDeque<u64>>,
    texts: HashSet<Arc<str>>,
    bytes: usize,
    next: u64,
    limits: Limits,
}

impl Index {
    /// Nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_id: HashMap::new(),
            by_node: HashMap::new(),
            texts: HashSet::new(),
            bytes: 0,
            next: 0,
            limits,
        }
    }

    /// The number of a pull.
    pub fn number(&self, id: &str) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    /// Adds a pull or changes one that is there, and gives its number.
    pub fn put(&mut self, pull: &PullStatus, bytes: usize) -> u64 {
        let number = self.number(&pull.id).unwrap_or(self.next);
        self.put_as(number, pull, bytes);
        number
    }

    /// Adds a pull under its number of before the restart.
    pub fn put_as(&mut self, number: u64, pull: &PullStatus, bytes: usize) {
        let texts = &mut self.texts;
        let summary = Summary::sharing(pull, &mut |text| {
            if let Some(known) = texts.get(text) {
                return Arc::clone(known);
            }
            let new: Arc<str> = Arc::from(text);
            texts.insert(Arc::clone(&new));
            new
        });
        self.next = self.next.max(number + 1);
        self.bytes += bytes;
        let (id, node) = (Arc::clone(&summary.id), Arc::clone(&summary.node));
        match self.entries.insert(number, Entry { summary, bytes }) {
            Some(before) => self.bytes -= before.bytes,
            None => self.by_node.entry(node).or_default().push_back(number),
        }
        self.by_id.insert(id, number);
    }

    /// Takes out what is beyond a limit, oldest first, and gives the numbers and ids.
    pub fn expire(&mut self, now: Timestamp) -> Vec<(u64, Arc<str>)> {
        let mut gone = Vec::new();
        let crowded: Vec<Arc<str>> = self
            .by_node
            .iter()
            .filter(|(_, numbers)| numbers.len() > self.limits.per_node)
            .map(|(node, _)| Arc::clone(node))
            .collect();
        for node in crowded {
            while let Some(number) = self
                .by_node
                .get(&node)
                .filter(|numbers| numbers.len() > self.limits.per_node)
                .and_then(|numbers| numbers.front().copied())
            {
                self.remove(number, &mut gone);
            }
        }
        while let Some((number, entry)) = self.entries.first_key_value() {
            let since = now.duration_since(entry.summary.completed.unwrap_or(now));
            let is_over = self.entries.len() > self.limits.pulls
                || self.bytes > self.limits.bytes
                || since > self.limits.age;
            if !is_over {
                break;
            }
            let number = *number;
            self.remove(number, &mut gone);
        }
        if !gone.is_empty() && self.texts.len() > 2 * self.entries.len() + 1024 {
            self.texts.retain(|text| Arc::strong_count(text) > 1);
        }
        gone
    }

    /// Finished pulls, newest first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Summary)> {
        self.entries
            .iter()
            .rev()
            .map(|(number, entry)| (*number, &entry.summary))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn remove(&mut self, number: u64, gone: &mut Vec<(u64, Arc<str>)>) {
        let Some(entry) = self.entries.remove(&number) else {
            return;
        };
        self.bytes -= entry.bytes;
        self.by_id.remove(&entry.summary.id);
        if let Some(numbers) = self.by_node.get_mut(&entry.summary.node) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.by_node.remove(&entry.summary.node);
            }
        }
        gone.push((number, entry.summary.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::finished;

    const LIMITS: Limits = Limits {
        pulls: 4,
        per_node: 3,
        age: SignedDuration::from_secs(100),
        bytes: 1000,
    };

    fn ids(index: &Index) -> Vec<String> {
        index
            .iter()
            .map(|(_, summary)| summary.id.to_string())
            .collect()
    }

    #[test]
    fn every_limit_takes_the_oldest() {
        let mut index = Index::new(LIMITS);
        for number in 0..4 {
            index.put(&finished("a", &format!("{number}"), "x:1", number), 1);
        }
        index.put(&finished("b", "4", "x:1", 4), 1);
        let now = Timestamp::from_second(10).unwrap();
        index.expire(now);
        assert_eq!(
            ids(&index),
            ["b:4", "a:3", "a:2", "a:1"],
            "the busiest node pays"
        );
        index.put(&finished("c", "5", "x:1", 5), 1);
        index.expire(now);
        assert_eq!(ids(&index), ["c:5", "b:4", "a:3", "a:2"]);
        index.put(&finished("d", "6", "x:1", 6), 1000);
        index.expire(now);
        assert_eq!(ids(&index), ["d:6"], "bytes are bounded");
        index.expire(Timestamp::from_second(1000).unwrap());
        assert!(index.is_empty() && index.by_id.is_empty() && index.by_node.is_empty());
        assert_eq!(index.bytes, 0);
    }

    #[test]
    fn a_pull_that_is_amended_keeps_its_place() {
        let mut index = Index::new(LIMITS);
        index.put(&finished("a", "0", "x:1", 0), 10);
        index.put(&finished("a", "1", "x:1", 1), 10);
        assert_eq!(index.put(&finished("a", "0", "y:1", 0), 20), 0);
        assert_eq!(index.len(), 2);
        assert_eq!(index.bytes, 30);
        assert_eq!(index.iter().last().unwrap().1.image.as_ref(), "y:1");
    }
}
