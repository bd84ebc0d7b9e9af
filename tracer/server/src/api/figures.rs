//! `GET /api/v1/nodes`, `/images`, `/stats` and `/throughput`.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use tracer_model::{NodeList, NodeStatus, State as PullState};

use super::{Service, answers};
use crate::history::index::Summary;
use crate::tracer::Tracer;

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Images {
    images: Vec<Image>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    #[serde(rename = "image")]
    name: String,
    registry: String,
    /// Successful ones in the history.
    pulls: u64,
    failed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p95_seconds: Option<f64>,
    total_bytes: u64,
    /// Where it was pulled.
    nodes: BTreeSet<String>,
    #[serde(skip)]
    seconds: Vec<f64>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    active: u64,
    phases: BTreeMap<&'static str, u64>,
    finished: BTreeMap<&'static str, u64>,
    bytes_per_sec: f64,
    nodes: BTreeMap<&'static str, u64>,
    registries: Vec<RegistryStats>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct RegistryStats {
    registry: String,
    active: u64,
    bytes_per_sec: f64,
    succeeded: u64,
    failed: u64,
    failures: BTreeMap<&'static str, u64>,
}

pub(super) async fn nodes(State(service): State<Service>, headers: HeaderMap) -> Response {
    let known = service.tracer.lock();
    let nodes = known
        .nodes
        .iter()
        .map(|(name, node)| {
            let (config, revision) = known.view.config(name).unwrap_or_default();
            NodeStatus {
                node_name: name.to_owned(),
                connected: node.connected,
                last_seen: node.last_seen,
                agent_version: node.agent_version.clone(),
                runtime: node.runtime.clone(),
                active_pulls: node.pulls.len() as u64,
                // An agent counts a layer that several pulls need for the one that fetches it.
                bytes_per_sec: node
                    .pulls
                    .values()
                    .map(|pull| pull.status.bytes_per_sec)
                    .fold(0.0, |sum, rate| sum + rate),
                registry_config: config.to_owned(),
                revision: revision.to_owned(),
            }
        })
        .collect();
    drop(known);
    answers::of(&headers, &NodeList { nodes })
}

/// What moved in the last five minutes, for pages that begin to look.
pub(super) async fn throughput(State(service): State<Service>, headers: HeaderMap) -> Response {
    let past = service.tracer.lock().throughput.past();
    answers::of(&headers, &past)
}

pub(super) async fn images(State(service): State<Service>, headers: HeaderMap) -> Response {
    let mut images: BTreeMap<String, Image> = BTreeMap::new();
    for pull in summaries(&service.tracer) {
        let image = images
            .entry(pull.image.to_string())
            .or_insert_with(|| Image {
                name: pull.image.to_string(),
                registry: pull.registry.to_string(),
                ..Image::default()
            });
        match pull.state {
            PullState::Active => {}
            PullState::Failed => image.failed += 1,
            PullState::Succeeded => {
                image.pulls += 1;
                image.total_bytes = image.total_bytes.max(pull.total_bytes);
                image.nodes.insert(pull.node.to_string());
                image.seconds.extend(pull.seconds());
            }
        }
    }
    let images = images
        .into_values()
        .map(|mut image| {
            image.seconds.sort_by(f64::total_cmp);
            image.p50_seconds = percentile(&image.seconds, 50);
            image.p95_seconds = percentile(&image.seconds, 95);
            image
        })
        .collect();
    answers::of(&headers, &Images { images })
}

pub(super) async fn stats(State(service): State<Service>, headers: HeaderMap) -> Response {
    let mut stats = Stats::default();
    let mut registries: BTreeMap<String, RegistryStats> = BTreeMap::new();
    for pull in summaries(&service.tracer) {
        let registry = registries
            .entry(pull.registry.to_string())
            .or_insert_with(|| RegistryStats {
                registry: pull.registry.to_string(),
                ..RegistryStats::default()
            });
        match pull.state {
            PullState::Active => {
                stats.active += 1;
                *stats.phases.entry(pull.phase.as_str()).or_default() += 1;
                stats.bytes_per_sec += pull.bytes_per_sec;
                registry.active += 1;
                registry.bytes_per_sec += pull.bytes_per_sec;
            }
            PullState::Succeeded => registry.succeeded += 1,
            PullState::Failed => {
                registry.failed += 1;
                let class = pull.failure.unwrap_or(tracer_model::FailureClass::Unknown);
                *registry.failures.entry(class.as_str()).or_default() += 1;
            }
        }
    }
    stats.registries = registries.into_values().collect();
    let sum = |count: fn(&RegistryStats) -> u64| stats.registries.iter().map(count).sum();
    stats.finished = BTreeMap::from([
        ("succeeded", sum(|registry| registry.succeeded)),
        ("failed", sum(|registry| registry.failed)),
    ]);
    let known = service.tracer.lock();
    let connected = known
        .nodes
        .iter()
        .filter(|(_, node)| node.connected)
        .count() as u64;
    let all = known.nodes.iter().count() as u64;
    drop(known);
    stats.nodes = BTreeMap::from([("connected", connected), ("lost", all - connected)]);
    answers::of(&headers, &stats)
}

fn summaries(tracer: &Tracer) -> Vec<Summary> {
    let known = tracer.lock();
    let active = known.nodes.active().map(|pull| Summary::of(pull));
    active
        .chain(known.index.iter().map(|(_, summary)| summary.clone()))
        .collect()
}

/// The smallest value that so many of a hundred do not exceed.
fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(percentile(&values, 50), Some(10.0));
        assert_eq!(percentile(&values, 95), Some(19.0));
        assert_eq!(percentile(&values[..1], 95), Some(1.0));
        assert_eq!(percentile(&[], 50), None);
    }
}
