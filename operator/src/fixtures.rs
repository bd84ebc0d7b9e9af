//! Builders for tests.

use std::collections::BTreeMap;
use std::time::Duration;

use api::names::Role;
use api::{RegistryConfig, RegistryConfigSpec};
use jiff::Timestamp;
use registries::{Distribution, RevisionKey};
use serde_json::json;

use crate::facts::{ConfigFacts, Failure, NodeFacts};
use crate::rollout::{Goal, Half, NodeState, PodState, Situation, Template};

/// The smallest spec.
pub(crate) fn spec() -> RegistryConfigSpec {
    serde_json::from_value(json!({"nodeSelector": {}})).unwrap()
}

/// A resource as the server returns it.
pub(crate) fn config(name: &str) -> RegistryConfig {
    let mut config = RegistryConfig::new(name, spec());
    config.metadata.uid = Some("5f0c".to_owned());
    config.metadata.generation = Some(1);
    config.metadata.resource_version = Some("7".to_owned());
    config
}

pub(crate) fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub(crate) fn key() -> RevisionKey {
    [7; 32].into()
}

pub(crate) fn config_facts(name: &str, created: i64) -> ConfigFacts {
    ConfigFacts {
        created: Some(time(created)),
        ..ConfigFacts::of(&config(name))
    }
}

/// A Ready node of k3s.
pub(crate) fn node(name: &str, role: Role) -> NodeFacts {
    NodeFacts {
        name: name.to_owned(),
        labels: BTreeMap::from([("kubernetes.io/hostname".to_owned(), name.to_owned())]),
        role,
        not_ready_since: None,
        distribution: Some(Distribution::K3s),
        reads_elsewhere: false,
    }
}

pub(crate) fn failure(reason: &str) -> Failure {
    Failure {
        reason: reason.to_owned(),
        message: "no space left".to_owned(),
    }
}

/// A Ready node whose pod runs `runs`, Ready since `ready`.
pub(crate) fn state(name: &str, runs: &str, ready: Option<i64>) -> NodeState {
    NodeState {
        name: name.to_owned(),
        not_ready_since: None,
        pod: Some(PodState {
            runs: Template::of_label(runs),
            ready_since: ready.map(time),
            failure: None,
        }),
    }
}

pub(crate) fn half(template: &str, nodes: Vec<NodeState>) -> Half {
    Half {
        template: Some(Template::of_label(template)),
        since: Some(time(0)),
        nodes,
    }
}

/// A situation at second 1,000 that is to reach `revision`.
pub(crate) fn situation(revision: &str, workers: Half, control_plane: Half) -> Situation {
    Situation {
        goal: Goal::Reach(revision.to_owned()),
        workers,
        control_plane,
        last_good: None,
        rolled_back: false,
        progressing_since: Some(time(900)),
        min_ready: Duration::from_secs(10),
        deadline: Duration::from_secs(600),
        may_roll_back: true,
        now: time(1000),
    }
}
