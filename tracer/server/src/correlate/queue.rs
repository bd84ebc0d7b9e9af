//! Images that the kubelet asks for while it waits for another one: a serial puller's queue.
//!
//! The kubelet says `Pulling` before it queues, so what it says of an image that the runtime does not pull, while it pulls
//! another one, is its queue. Between two pulls of a queue nothing moves for a moment; what waited goes on waiting then.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracer_model::{ImageName, NameConfidence, Phase, PullStatus, ReportedPull, Source};

use super::Naming;
use super::view::Candidate;
use crate::status;

/// Of a node; nobody reads more.
const MOST: usize = 256;

/// By the image's name.
pub type Queue = BTreeMap<String, Arc<PullStatus>>;

/// The queue of `node` now, where `active` are its pulls and `before` was its queue.
pub fn of(
    node: &str,
    candidates: &[Candidate],
    active: &[&PullStatus],
    before: &Queue,
    config: Option<(&str, &str)>,
) -> Queue {
    let names: Vec<ImageName> = active
        .iter()
        .filter_map(|pull| ImageName::parse(&pull.image_ref).ok())
        .collect();
    let waits = |candidate: &&Candidate| {
        !names.iter().any(|name| name.may_equal(&candidate.name))
            && (!active.is_empty() || before.contains_key(&candidate.name.to_string()))
    };
    let mut queue = Queue::new();
    for candidate in candidates.iter().filter(waits) {
        let Some((since, _)) = candidate.pulling else {
            continue;
        };
        let image = candidate.name.to_string();
        let pull = ReportedPull {
            id: format!("queue/{image}"),
            phase: Phase::Queued,
            started_at: since,
            source: Source::KubeletEvent,
            ..ReportedPull::default()
        };
        let (registry_config, revision) = config.unwrap_or_default();
        let naming = Naming {
            image: Some(image.clone()),
            confidence: NameConfidence::Exact,
            pods: candidate.pods.clone(),
            registry_config: registry_config.to_owned(),
            revision: revision.to_owned(),
            ..Naming::default()
        };
        let now = status::of(node, &pull, &naming, None);
        // The same object as long as nothing changes: its readers have it.
        let now = match before.get(&image) {
            Some(known) if **known == now => Arc::clone(known),
            _ => Arc::new(now),
        };
        queue.insert(image, now);
        if queue.len() >= MOST {
            break;
        }
    }
    queue
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tracer_model::PodCorrelation;

    use super::*;
    use crate::fixtures::active;

    fn asked(image: &str, second: i64) -> Candidate {
        Candidate {
            name: ImageName::parse(image).unwrap(),
            pulling: Some((Timestamp::from_second(second).unwrap(), 0)),
            wanted: Timestamp::UNIX_EPOCH,
            pods: vec![PodCorrelation {
                namespace: "shop".to_owned(),
                pod_name: format!("wants-{image}"),
                container: "app".to_owned(),
                image: image.to_owned(),
            }],
        }
    }

    fn names(queue: &Queue) -> Vec<&str> {
        queue.keys().map(String::as_str).collect()
    }

    #[test]
    fn what_the_kubelet_asks_for_beside_a_pull_waits_behind_it() {
        let pull = active("worker-1", "a", "quay.io/a:1");
        let not_asked = Candidate {
            pulling: None,
            ..asked("quay.io/c:1", 0)
        };
        let candidates = [asked("quay.io/a:1", 5), asked("quay.io/b:1", 7), not_asked];
        let queue = of(
            "worker-1",
            &candidates,
            &[&pull],
            &Queue::new(),
            Some(("fleet", "r1")),
        );
        assert_eq!(names(&queue), ["quay.io/b:1"]);
        let waiting = &queue["quay.io/b:1"];
        assert_eq!(waiting.phase, Phase::Queued);
        assert_eq!(waiting.id, "worker-1:queue/quay.io/b:1");
        assert_eq!(waiting.started_at.as_second(), 7);
        assert_eq!(waiting.pods[0].pod_name, "wants-quay.io/b:1");
        assert_eq!(waiting.registry_config, "fleet");
    }

    #[test]
    fn the_first_image_of_a_node_waits_for_nobody() {
        let queue = of(
            "worker-1",
            &[asked("quay.io/b:1", 7)],
            &[],
            &Queue::new(),
            None,
        );
        assert!(queue.is_empty());
    }

    #[test]
    fn a_queue_stays_while_the_next_pull_begins() {
        let pull = active("worker-1", "a", "quay.io/a:1");
        let candidates = [asked("quay.io/b:1", 7), asked("quay.io/c:1", 8)];
        let before = of("worker-1", &candidates, &[&pull], &Queue::new(), None);
        let between = of("worker-1", &candidates, &[], &before, None);
        assert_eq!(names(&between), ["quay.io/b:1", "quay.io/c:1"]);
        assert!(Arc::ptr_eq(&before["quay.io/b:1"], &between["quay.io/b:1"]));
        let next = active("worker-1", "b", "quay.io/b:1");
        let after = of("worker-1", &candidates, &[&next], &between, None);
        assert_eq!(names(&after), ["quay.io/c:1"]);
    }
}
