//! `spec.nodeSelector`: it becomes the node affinity of a `DaemonSet`, which servers check more strictly.

use api::bounds;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::names::is_subdomain;
use crate::problem::Problem;

pub(super) fn check(selector: &LabelSelector, problems: &mut Vec<Problem>) {
    let labels = selector.match_labels.iter().flatten();
    let expressions = selector.match_expressions.iter().flatten();
    for (field, count) in [
        ("matchLabels", labels.clone().count()),
        ("matchExpressions", expressions.clone().count()),
    ] {
        if count > bounds::SELECTOR_TERMS {
            problems.push(Problem::invalid(
                format!("spec.nodeSelector.{field}"),
                format!(
                    "has {count} entries, at most {} are taken",
                    bounds::SELECTOR_TERMS
                ),
                "give the nodes one label of their own and select that",
            ));
        }
    }
    for (key, value) in labels {
        if !is_label_key(key) || !is_label_value(value) {
            problems.push(unusable("spec.nodeSelector.matchLabels"));
        }
    }
    for (index, expression) in expressions.enumerate() {
        let path = format!("spec.nodeSelector.matchExpressions[{index}]");
        check_expression(&path, expression, problems);
    }
}

fn check_expression(
    path: &str,
    expression: &LabelSelectorRequirement,
    problems: &mut Vec<Problem>,
) {
    let values = expression.values.as_deref().unwrap_or_default();
    if !is_label_key(&expression.key) || !values.iter().all(|value| is_label_value(value)) {
        problems.push(unusable(path));
    }
    if values.len() > bounds::SELECTOR_VALUES {
        problems.push(Problem::invalid(
            format!("{path}.values"),
            format!(
                "has {} entries, at most {} are taken",
                values.len(),
                bounds::SELECTOR_VALUES
            ),
            "give the nodes one label of their own and select that",
        ));
    }
    let (fits, help) = match expression.operator.as_str() {
        "In" | "NotIn" => (!values.is_empty(), "give In and NotIn at least one value"),
        "Exists" | "DoesNotExist" => (values.is_empty(), "give Exists and DoesNotExist no values"),
        _ => (false, "use In, NotIn, Exists or DoesNotExist"),
    };
    if !fits {
        problems.push(Problem::invalid(
            path,
            "has an operator that its values do not suit, or that does not exist",
            help,
        ));
    }
}

fn unusable(path: &str) -> Problem {
    Problem::invalid(
        path,
        "has a key or value that no label can have",
        "copy it from `kubectl get nodes --show-labels`",
    )
}

fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && !name.is_empty() && is_label_value(name),
        None => !key.is_empty() && is_label_value(key),
    }
}

fn is_label_value(value: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    bytes.len() <= bounds::LABEL_VALUE
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
        && edge(bytes.first())
        && edge(bytes.last())
}
