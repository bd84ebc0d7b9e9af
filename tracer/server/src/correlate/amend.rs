//! Pulls that ended and what the kubelet says of them afterwards: causes, queue times, names.

use jiff::{SignedDuration, Timestamp};
use tracer_model::{
    Failure, FailureClass, ImageName, NameConfidence, Phase, PodCorrelation, PullStatus, Source,
    State,
};

use super::facts::EventFacts;
use super::naming::same_host;
use super::texts::{Said, observed_endpoint};

/// The kubelet speaks soon after the runtime ended, in whole seconds.
const BEFORE: SignedDuration = SignedDuration::from_secs(3);
const AFTER: SignedDuration = SignedDuration::from_secs(30);

/// Which of `pulls` an Event speaks of; the one that ended nearest to it.
pub fn meant<'a>(
    event: &EventFacts,
    node: &str,
    pulls: impl Iterator<Item = &'a PullStatus>,
) -> Option<&'a PullStatus> {
    let wanted = match event.said {
        Said::Failed { .. } => State::Failed,
        Said::Pulled { .. } => State::Succeeded,
        _ => return None,
    };
    let name = ImageName::parse(event.said.image()).ok()?;
    pulls
        .filter(|pull| pull.node_name == node && pull.state == wanted)
        .filter(|pull| may_mean(&name, pull))
        .filter_map(|pull| {
            let since = event.time.duration_since(pull.completed_at?);
            (since > -BEFORE && since < AFTER).then_some((!is_free(pull, event), since.abs(), pull))
        })
        .min_by_key(|(spoken, distance, _)| (*spoken, *distance))
        .filter(|(spoken, ..)| !spoken)
        .map(|(_, _, pull)| pull)
}

/// Whether nobody spoke of it yet.
fn is_free(pull: &PullStatus, event: &EventFacts) -> bool {
    match event.said {
        Said::Failed { .. } => pull.failure.as_ref().is_none_or(|failure| {
            failure.class == FailureClass::Unknown || failure.message.is_empty()
        }),
        _ => pull.queue_seconds.is_none(),
    }
}

fn may_mean(name: &ImageName, pull: &PullStatus) -> bool {
    let digest_differs = name
        .digest
        .as_deref()
        .is_some_and(|digest| !pull.digest.is_empty() && pull.digest != digest);
    if digest_differs {
        return false;
    }
    match pull.name_confidence {
        NameConfidence::Exact => {
            ImageName::parse(&pull.image_ref).is_ok_and(|known| known.may_equal(name))
        }
        _ if pull.repository.is_empty() => true,
        NameConfidence::Guessed if pull.digest.is_empty() => true,
        _ => pull.repository == name.repository && same_host(&pull.registry, &name.registry),
    }
}

/// The pull with what the Event says of it.
pub fn amended(pull: &PullStatus, event: &EventFacts) -> PullStatus {
    let mut pull = pull.clone();
    if let Ok(name) = ImageName::parse(event.said.image())
        && pull.name_confidence != NameConfidence::Exact
    {
        pull.image_ref = name.to_string();
        // The kubelet names what ended just now; the runtime's record alone would be more.
        pull.name_confidence = pull.name_confidence.max(NameConfidence::Repository);
        pull.registry = name.registry;
        pull.repository = name.repository;
        pull.tag = name.tag.unwrap_or_default();
    }
    let pod = PodCorrelation {
        namespace: event.namespace.clone(),
        pod_name: event.pod.clone(),
        container: event.container.clone(),
        image: event.said.image().to_owned(),
    };
    let known = pull.pods.iter().any(|known| {
        known.namespace == pod.namespace
            && known.pod_name == pod.pod_name
            && known.container == pod.container
    });
    if !known && !pod.pod_name.is_empty() {
        pull.pods.push(pod);
    }
    match &event.said {
        Said::Pulled { queue_seconds, .. } => pull.queue_seconds = *queue_seconds,
        Said::Failed { class, message, .. } => {
            let mut message = message.clone();
            crate::status::tidy(&mut message);
            if let Some(endpoint) = observed_endpoint(&message) {
                pull.observed_endpoint = endpoint;
            }
            pull.error.clone_from(&message);
            pull.failure = Some(Failure {
                class: *class,
                message,
            });
        }
        _ => {}
    }
    pull
}

/// A failure that no agent saw: the registry said no before there was anything to watch.
pub fn unseen(event: &EventFacts, node: &str) -> Option<PullStatus> {
    let Said::Failed { image, .. } = &event.said else {
        return None;
    };
    let pull = PullStatus {
        id: format!("{node}:kubelet/{}", event.occurrence),
        node_name: node.to_owned(),
        image_ref: tracer_model::image::normalized(image),
        total_bytes: 0,
        downloaded_bytes: 0,
        bytes_per_sec: 0.0,
        eta_seconds: 0.0,
        percent: 0.0,
        layer_count: 0,
        layers_done: 0,
        started_at: event.time,
        completed_at: Some(event.time),
        error: String::new(),
        pods: Vec::new(),
        layers: Vec::new(),
        total_known: false,
        phase: Phase::Failed,
        state: State::Failed,
        failure: None,
        cached_bytes: 0,
        shared_bytes: 0,
        unpacked_bytes: 0,
        unpack_percent: 0.0,
        downloaded_at: None,
        progress_at: None,
        registry: String::new(),
        repository: String::new(),
        tag: String::new(),
        digest: String::new(),
        queue_seconds: None,
        name_confidence: NameConfidence::Repository,
        source: Source::KubeletEvent,
        expected_endpoints: Vec::new(),
        observed_endpoint: String::new(),
        registry_config: String::new(),
        revision: String::new(),
    };
    Some(PullStatus {
        name_confidence: NameConfidence::Exact,
        ..amended(&pull, event)
    })
}

/// Whether an Event is too old to speak of anything that this process saw or will see.
pub fn is_old(event: &EventFacts, started: Timestamp) -> bool {
    event.time < started.saturating_sub(AFTER).unwrap_or(started)
}
