//! A reported pull and its name become what readers get.

use jiff::Timestamp;
use tracer_model::secrecy::without_credentials;
use tracer_model::{
    ImageName, LayerState, LayerStatus, NameConfidence, Phase, PullStatus, ReportedLayer,
    ReportedPull, State,
};

use crate::correlate::Naming;
use crate::legacy::UNNAMED;
use crate::merge::Ended;
use crate::rates::percent;

/// Longer messages are cut: they are for reading.
const MESSAGE: usize = 4096;

/// The id of a pull for readers: unique over all nodes.
pub fn id(node: &str, reported: &str) -> String {
    format!("{node}:{reported}")
}

/// The status of a pull; `before` keeps percents from falling.
pub fn of(
    node: &str,
    pull: &ReportedPull,
    naming: &Naming,
    before: Option<&PullStatus>,
) -> PullStatus {
    let id = id(node, &pull.id);
    let (image_ref, name_confidence) = name(pull, naming);
    let parsed = ImageName::parse(&image_ref)
        .ok()
        .filter(|_| image_ref != UNNAMED);
    let parsed = parsed.as_ref();
    let state = pull.phase.state();
    let is_active = state == State::Active;
    let downloaded = percent(pull.downloaded_bytes, pull.total_bytes);
    let mut percent_now = before.map_or(downloaded, |before| downloaded.max(before.percent));
    if pull.downloaded_bytes < pull.total_bytes && (percent_now >= 100.0 || !is_active) {
        percent_now = downloaded.min(99.99);
    }
    if pull.phase == Phase::Done && pull.total_known {
        percent_now = 100.0;
    }
    let failure = pull.failure.clone().map(|mut failure| {
        tidy(&mut failure.message);
        failure
    });
    let layers: Vec<LayerStatus> = pull
        .layers
        .iter()
        .map(|layer| layer_status(node, &id, layer))
        .collect();
    PullStatus {
        node_name: node.to_owned(),
        total_bytes: pull.total_bytes,
        downloaded_bytes: pull.downloaded_bytes,
        bytes_per_sec: if is_active {
            sane(pull.bytes_per_sec)
        } else {
            0.0
        },
        eta_seconds: if is_active {
            sane(pull.eta_seconds.unwrap_or_default())
        } else {
            0.0
        },
        percent: percent_now,
        layer_count: layers.len() as u64,
        layers_done: layers.iter().filter(|layer| layer.state.is_here()).count() as u64,
        started_at: pull.started_at,
        completed_at: pull.completed_at.filter(|_| !is_active),
        error: failure
            .as_ref()
            .map(|failure| failure.message.clone())
            .unwrap_or_default(),
        pods: naming.pods.clone(),
        layers,
        total_known: pull.total_known,
        phase: pull.phase,
        state,
        failure,
        cached_bytes: pull.cached_bytes,
        shared_bytes: pull.shared_bytes,
        unpacked_bytes: pull.unpacked_bytes,
        unpack_percent: percent(pull.unpacked_bytes, pull.total_bytes),
        downloaded_at: pull.downloaded_at,
        progress_at: pull.progress_at,
        registry: parsed.map_or_else(|| pull.registry.clone(), |name| name.registry.clone()),
        repository: parsed.map_or_else(|| pull.repository.clone(), |name| name.repository.clone()),
        tag: parsed
            .and_then(|name| name.tag.clone())
            .unwrap_or_else(|| pull.tag.clone()),
        digest: pull.digest.clone(),
        queue_seconds: naming.queue_seconds,
        name_confidence,
        source: pull.source,
        expected_endpoints: pull.expected_endpoints.clone(),
        observed_endpoint: observed(pull),
        registry_config: naming.registry_config.clone(),
        revision: naming.revision.clone(),
        image_ref,
        id,
    }
}

/// The status of a pull that ended.
pub fn ended(node: &str, ended: &Ended, now: Timestamp) -> PullStatus {
    let mut reported = ended.reported.clone();
    if !reported.phase.is_final() {
        // Of agents that know no phases: what is gone is there.
        reported.phase = Phase::Done;
        reported.total_known &= reported.downloaded_bytes >= reported.total_bytes;
    }
    let mut status = of(node, &reported, &ended.naming, ended.before.as_deref());
    status.completed_at = Some(status.completed_at.unwrap_or(now));
    for layer in &mut status.layers {
        layer.bytes_per_sec = 0.0;
    }
    status
}

fn name(pull: &ReportedPull, naming: &Naming) -> (String, NameConfidence) {
    let reported =
        Some(pull.image_ref.as_str()).filter(|name| !name.is_empty() && *name != UNNAMED);
    if let Some(name) = reported.filter(|_| pull.name_confidence == NameConfidence::Exact) {
        return (name.to_owned(), NameConfidence::Exact);
    }
    if let Some(name) = &naming.image {
        return (name.clone(), naming.confidence);
    }
    if let Some(name) = reported {
        return (name.to_owned(), pull.name_confidence);
    }
    if pull.repository.is_empty() {
        return (UNNAMED.to_owned(), NameConfidence::Unknown);
    }
    let name = format!("{}/{}", pull.registry, pull.repository);
    (name, NameConfidence::Repository)
}

fn observed(pull: &ReportedPull) -> String {
    if !pull.observed_endpoint.is_empty() {
        return pull.observed_endpoint.clone();
    }
    if pull.expected_endpoints.is_empty() {
        String::new()
    } else {
        "unknown".to_owned()
    }
}

fn layer_status(node: &str, pull_id: &str, layer: &ReportedLayer) -> LayerStatus {
    let here = layer.state.is_here();
    LayerStatus {
        pull_id: pull_id.to_owned(),
        digest: layer.digest.clone(),
        media_type: layer.media_type.clone(),
        total_bytes: layer.total_bytes,
        downloaded_bytes: layer.downloaded_bytes,
        bytes_per_sec: if layer.state == LayerState::Downloading {
            sane(layer.bytes_per_sec)
        } else {
            0.0
        },
        percent: if here && layer.total_bytes == 0 {
            100.0
        } else {
            percent(layer.downloaded_bytes, layer.total_bytes)
        },
        started_at: layer.started_at,
        completed_at: layer.downloaded_at,
        total_known: layer.total_known || layer.total_bytes > 0,
        state: layer.state,
        order: layer.order,
        unpacked_at: layer.completed_at,
        shared_with: if layer.shared_with.is_empty() {
            String::new()
        } else {
            id(node, &layer.shared_with)
        },
    }
}

/// JSON has no word for what is no number.
fn sane(rate: f64) -> f64 {
    if rate.is_finite() { rate.max(0.0) } else { 0.0 }
}

/// Takes credentials out of a message, and cuts it at a character.
pub fn tidy(message: &mut String) {
    *message = without_credentials(message);
    if message.len() > MESSAGE {
        let end = (0..=MESSAGE)
            .rev()
            .find(|at| message.is_char_boundary(*at))
            .unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
}
