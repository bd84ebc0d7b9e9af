//! Edits of the file: each changes what it names and leaves everything else as it was.

use super::{API, Config, ConfigError, Port};

impl Config {
    /// Adds nodes behind a port, which need not be there yet; nodes that are there already stay where they are.
    pub fn add_port(&mut self, port: Port, nodes: impl IntoIterator<Item = String>) {
        let behind = self.ports.entry(port).or_default();
        for node in nodes {
            if !behind.contains(&node) {
                behind.push(node);
            }
        }
    }

    /// Takes nodes away from behind a port; with the last of them the port goes.
    pub fn remove_port(&mut self, port: Port, nodes: &[String]) {
        if let Some(behind) = self.ports.get_mut(&port) {
            behind.retain(|node| !nodes.contains(node));
            if behind.is_empty() {
                self.ports.remove(&port);
            }
        }
    }

    /// Adds a server: behind the API's port, and behind every port that goes to all of the servers there were.
    ///
    /// A port that was given to some of the servers, or only to agents, was given to them on purpose.
    pub fn add_server(&mut self, name: &str, servers: &[String]) {
        self.add_port(API, [name.to_owned()]);
        self.join(name, servers);
    }

    /// Adds an agent behind every port that goes to all of the agents there were.
    pub fn add_agent(&mut self, name: &str, agents: &[String]) {
        self.join(name, agents);
    }

    /// Takes a node away from behind every port; a port that only it served goes with it.
    pub fn remove_node(&mut self, name: &str) {
        self.ports.retain(|_, nodes| {
            let served = nodes.iter().any(|node| node == name);
            nodes.retain(|node| node != name);
            !served || !nodes.is_empty()
        });
    }

    /// Applies an override as users write it: `settings.workerConnections=2048`, `settings.defaultProxyTimeout=900`.
    pub fn apply_override(&mut self, assignment: &str) -> Result<(), ConfigError> {
        self.settings.set(assignment)
    }

    fn join(&mut self, name: &str, peers: &[String]) {
        let mut peers = peers.iter().filter(|peer| *peer != name).peekable();
        if peers.peek().is_none() {
            return;
        }
        let peers: Vec<_> = peers.collect();
        for nodes in self.ports.values_mut() {
            let all = peers.iter().all(|peer| nodes.contains(peer));
            if all && !nodes.iter().any(|node| node == name) {
                nodes.push(name.to_owned());
            }
        }
    }
}
