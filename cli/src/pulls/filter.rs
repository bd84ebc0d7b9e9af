//! Which pulls a command is about.

use tracer_model::{PodCorrelation, PullStatus};

use super::arguments::{Filter, State};

/// A pod by name, in one namespace or any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodName {
    pub namespace: Option<String>,
    pub name: String,
}

impl PodName {
    /// Reads `NAME` or `NAMESPACE/NAME`; a namespace given apart counts where the name has none.
    pub(crate) fn new(text: &str, namespace: Option<&str>) -> Self {
        match text.split_once('/') {
            Some((namespace, name)) => Self {
                namespace: Some(namespace.to_owned()),
                name: name.to_owned(),
            },
            None => Self {
                namespace: namespace.map(ToOwned::to_owned),
                name: text.to_owned(),
            },
        }
    }

    pub(crate) fn is(&self, pod: &PodCorrelation) -> bool {
        self.name == pod.pod_name
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| *namespace == pod.namespace)
    }
}

/// Whether a pull is one of those that were asked for.
pub(crate) fn passes(filter: &Filter, pull: &PullStatus) -> bool {
    let node = filter.node.as_ref();
    let image = filter.image.as_ref();
    let namespace = filter.namespace.as_ref();
    let pod = filter
        .pod
        .as_ref()
        .map(|pod| PodName::new(pod, filter.namespace.as_deref()));
    node.is_none_or(|node| *node == pull.node_name)
        && image.is_none_or(|image| pull.image_ref.contains(image.as_str()))
        && namespace.is_none_or(|namespace| pull.pods.iter().any(|pod| pod.namespace == *namespace))
        && pod.is_none_or(|wanted| pull.pods.iter().any(|pod| wanted.is(pod)))
        && filter.state.is_none_or(|state| state.is(pull))
}

impl State {
    fn is(self, pull: &PullStatus) -> bool {
        pull.state
            == match self {
                Self::Active => tracer_model::State::Active,
                Self::Succeeded => tracer_model::State::Succeeded,
                Self::Failed => tracer_model::State::Failed,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::pull;
    use super::*;

    fn filter(change: impl FnOnce(&mut Filter)) -> Filter {
        let mut filter = Filter::default();
        change(&mut filter);
        filter
    }

    #[test]
    fn every_filter_must_agree() {
        let nginx = pull("worker-1", "docker.io/library/nginx:1.27", &["shop/web"]);
        let table = [
            (filter(|_| ()), true),
            (filter(|it| it.node = Some("worker-1".into())), true),
            (filter(|it| it.node = Some("worker".into())), false),
            (filter(|it| it.image = Some("nginx".into())), true),
            (filter(|it| it.pod = Some("web".into())), true),
            (filter(|it| it.pod = Some("shop/web".into())), true),
            (filter(|it| it.pod = Some("other/web".into())), false),
            (filter(|it| it.namespace = Some("shop".into())), true),
            (filter(|it| it.state = Some(State::Active)), true),
            (filter(|it| it.state = Some(State::Failed)), false),
            (
                filter(|it| {
                    it.pod = Some("web".into());
                    it.namespace = Some("other".into());
                }),
                false,
            ),
        ];
        for (filter, expected) in table {
            assert_eq!(passes(&filter, &nginx), expected, "{filter:?}");
        }
    }
}
