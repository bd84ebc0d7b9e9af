//! `berth pulls wait POD`: whether a pod has its images.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use tracer_model::{PullStatus, State};

use super::filter::PodName;

/// Where a pod stands with its images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every container has its image.
    Pulled,
    /// One will not have it, for the reason given.
    Failed(String),
    /// Not yet; what is waited for.
    Waiting(String),
}

/// Reasons for which the kubelet tries again later; whoever waits for the image wants to know now.
const FAILED: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "SignatureValidationFailed",
];

/// What the pod itself tells, which is the truth about images that need no pull.
pub(crate) fn of_pod(pod: &Pod) -> Verdict {
    let Some(spec) = &pod.spec else {
        return Verdict::Waiting("the pod".to_owned());
    };
    let status = pod.status.clone().unwrap_or_default();
    let known: Vec<ContainerStatus> = [status.init_container_statuses, status.container_statuses]
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    for container in &known {
        let waiting = container
            .state
            .as_ref()
            .and_then(|state| state.waiting.as_ref());
        let reason = waiting
            .and_then(|waiting| waiting.reason.as_deref())
            .unwrap_or_default();
        if FAILED.contains(&reason) {
            let message = waiting
                .and_then(|waiting| waiting.message.clone())
                .unwrap_or_default();
            return Verdict::Failed(format!("container {}: {reason}: {message}", container.name));
        }
    }
    let containers = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    let missing = containers
        .filter(|container| {
            !known
                .iter()
                .any(|known| known.name == container.name && !known.image_id.is_empty())
        })
        .map(|container| container.image.clone().unwrap_or_default())
        .next();
    missing.map_or(Verdict::Pulled, Verdict::Waiting)
}

/// What the tracer tells where nobody can ask for the pod: the newest pull of each image decides.
pub(crate) fn of_pulls(pod: &PodName, pulls: &[PullStatus]) -> Verdict {
    let mut newest: Vec<&PullStatus> = Vec::new();
    for pull in pulls
        .iter()
        .filter(|pull| pull.pods.iter().any(|it| pod.is(it)))
    {
        match newest
            .iter_mut()
            .find(|other| other.image_ref == pull.image_ref)
        {
            Some(other) if other.started_at < pull.started_at => *other = pull,
            Some(_) => {}
            None => newest.push(pull),
        }
    }
    if let Some(failed) = newest.iter().find(|pull| pull.state == State::Failed) {
        let why = failed
            .failure
            .as_ref()
            .map_or(failed.error.as_str(), |failure| failure.message.as_str());
        return Verdict::Failed(format!("{}: {why}", failed.image_ref));
    }
    match newest.iter().find(|pull| pull.state == State::Active) {
        Some(pull) => Verdict::Waiting(pull.image_ref.clone()),
        None if newest.is_empty() => Verdict::Waiting("its first pull".to_owned()),
        None => Verdict::Pulled,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixtures::pull;
    use super::*;

    fn pod(statuses: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({
            "spec": {"initContainers": [{"name": "init", "image": "i"}], "containers": [{"name": "app", "image": "a"}]},
            "status": statuses,
        }))
        .unwrap()
    }

    fn container(name: &str, id: &str, waiting: &str) -> serde_json::Value {
        json!({"name": name, "image": name, "imageID": id, "ready": false, "restartCount": 0,
               "state": {"waiting": {"reason": waiting, "message": "why"}}})
    }

    #[test]
    fn a_pod_has_its_images_when_every_container_names_one() {
        let both = json!({
            "initContainerStatuses": [container("init", "sha256:1", "")],
            "containerStatuses": [container("app", "sha256:2", "PodInitializing")],
        });
        assert_eq!(of_pod(&pod(&both)), Verdict::Pulled);
        let one = json!({
            "initContainerStatuses": [container("init", "sha256:1", "")],
            "containerStatuses": [container("app", "", "PodInitializing")],
        });
        assert_eq!(of_pod(&pod(&one)), Verdict::Waiting("a".into()));
        assert_eq!(of_pod(&pod(&json!({}))), Verdict::Waiting("i".into()));
    }

    #[test]
    fn a_container_that_cannot_have_its_image_fails_the_pod() {
        let failed = json!({
            "initContainerStatuses": [container("init", "sha256:1", "")],
            "containerStatuses": [container("app", "", "ImagePullBackOff")],
        });
        assert_eq!(
            of_pod(&pod(&failed)),
            Verdict::Failed("container app: ImagePullBackOff: why".into())
        );
    }

    #[test]
    fn without_the_pod_the_newest_pull_of_each_image_decides() {
        let wanted = PodName::new("shop/web", None);
        let mut first = pull("n", "a", &["shop/web"]);
        first.state = State::Failed;
        first.error = "not found".into();
        assert_eq!(
            of_pulls(&wanted, &[]),
            Verdict::Waiting("its first pull".into())
        );
        assert_eq!(
            of_pulls(&wanted, std::slice::from_ref(&first)),
            Verdict::Failed("a: not found".into())
        );
        let mut second = pull("n", "a", &["shop/web"]);
        second.started_at = "2026-01-01T01:00:00Z".parse().unwrap();
        assert_eq!(
            of_pulls(&wanted, &[first.clone(), second.clone()]),
            Verdict::Waiting("a".into())
        );
        second.state = State::Succeeded;
        assert_eq!(of_pulls(&wanted, &[second, first]), Verdict::Pulled);
        let other = pull("n", "b", &["other/web"]);
        assert_eq!(
            of_pulls(&wanted, &[other]),
            Verdict::Waiting("its first pull".into())
        );
    }
}
