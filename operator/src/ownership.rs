//! Objects of ours are known by their label, not by their name alone: what somebody else made is neither changed nor deleted.

use std::collections::BTreeMap;

use api::Reason;
use api::names::{LABEL_REGISTRY_CONFIG, LABEL_REVISION};
use compose::Problem;

use crate::facts::ObjectFacts;

/// Code of the problem.
const CODE: &str = "name-taken";

/// Whether an object with these labels carries out this `RegistryConfig`.
pub(crate) fn is_ours(labels: &BTreeMap<String, String>, config: &str) -> bool {
    labels.get(LABEL_REGISTRY_CONFIG).map(String::as_str) == Some(config)
}

/// Whether this Secret holds this revision, as far as its labels tell.
pub(crate) fn holds_revision(secret: &ObjectFacts, config: &str, revision: &str) -> bool {
    secret.config.as_deref() == Some(config) && secret.revision.as_deref() == Some(revision)
}

/// Whether one of these problems is such an object.
pub(crate) fn is_among(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.code == CODE)
}

/// An object of somebody else has the name that ours would have.
pub(crate) fn taken(kind: &str, namespace: &str, name: &str) -> Problem {
    let labels = if kind == "Secret" {
        format!("{LABEL_REGISTRY_CONFIG} and {LABEL_REVISION}")
    } else {
        LABEL_REGISTRY_CONFIG.to_owned()
    };
    Problem {
        reason: Reason::InvalidSpec,
        code: CODE,
        path: "metadata.name".to_owned(),
        message: format!(
            "needs the name of {kind} {namespace}/{name}, which somebody else made: it lacks our label {labels}"
        ),
        help: format!("delete that {kind}, or create the RegistryConfig anew under another name"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_label_of_this_very_registry_config_counts() {
        let labels =
            |value: &str| BTreeMap::from([(LABEL_REGISTRY_CONFIG.to_owned(), value.to_owned())]);
        assert!(is_ours(&labels("default"), "default"));
        assert!(!is_ours(&labels("other"), "default"));
        assert!(!is_ours(&BTreeMap::new(), "default"));
    }

    #[test]
    fn the_message_names_the_object_and_the_mend() {
        let text = taken("DaemonSet", "berth-system", "default-workers").to_string();
        assert!(
            text.contains("DaemonSet berth-system/default-workers")
                && text.contains("delete that DaemonSet"),
            "{text}"
        );
    }
}
