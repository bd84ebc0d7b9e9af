//! Which node the next connection goes to: in turn, but past those that failed a moment ago. Pure; time is an argument.

use std::time::{Duration, Instant};

/// How long a node is avoided after one failure.
pub(super) const AVOIDED: Duration = Duration::from_secs(10);

/// The nodes behind one port and how they did.
#[derive(Debug)]
pub(super) struct Upstreams {
    nodes: Vec<Node>,
    next: usize,
}

#[derive(Debug)]
struct Node {
    name: String,
    avoided_until: Option<Instant>,
}

impl Upstreams {
    pub(super) fn new(names: &[String]) -> Self {
        let mut upstreams = Self {
            nodes: Vec::new(),
            next: 0,
        };
        upstreams.replace(names);
        upstreams
    }

    /// Goes on with other nodes; one that stays keeps its record.
    pub(super) fn replace(&mut self, names: &[String]) {
        let known = std::mem::take(&mut self.nodes);
        self.nodes = names
            .iter()
            .map(|name| Node {
                name: name.clone(),
                avoided_until: known
                    .iter()
                    .find(|node| node.name == *name)
                    .and_then(|node| node.avoided_until),
            })
            .collect();
    }

    /// The nodes in the order in which one connection tries them: each once, those that are avoided last.
    pub(super) fn turn(&mut self, now: Instant) -> Vec<String> {
        let count = self.nodes.len();
        if count == 0 {
            return Vec::new();
        }
        let start = self.next % count;
        let indices = || (start..count).chain(0..start);
        let avoided = |index: &usize| self.nodes[*index].avoided(now);
        let mut order: Vec<usize> = indices().filter(|index| !avoided(index)).collect();
        // After the chosen one, so that the neighbour of an avoided node does not get its share as well as its own.
        self.next = order.first().copied().unwrap_or(start) + 1;
        order.extend(indices().filter(avoided));
        order
            .into_iter()
            .map(|index| self.nodes[index].name.clone())
            .collect()
    }

    /// Notes a failure; true when the node was not avoided yet.
    pub(super) fn failed(&mut self, name: &str, now: Instant) -> bool {
        let Some(node) = self.nodes.iter_mut().find(|node| node.name == name) else {
            return false;
        };
        let news = !node.avoided(now);
        node.avoided_until = Some(now + AVOIDED);
        news
    }

    /// Notes a success, which ends the avoiding.
    pub(super) fn answered(&mut self, name: &str) {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.name == name) {
            node.avoided_until = None;
        }
    }
}

impl Node {
    fn avoided(&self, now: Instant) -> bool {
        self.avoided_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests;
