//! The rules of the schema once more: servers before 1.25 know no CEL, and `berth apply` has no server.

pub(crate) mod names;
mod registries;
mod selector;

use api::{RegistriesSource, RegistryConfigSpec, RollingUpdate, bounds};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::problem::Problem;

/// Every rule that the spec breaks.
pub(crate) fn check(spec: &RegistryConfigSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    selector::check(&spec.node_selector, &mut problems);
    if let Some(registries) = &spec.registries {
        registries::check(registries, &mut problems);
    }
    sources(&spec.registries_from, &mut problems);
    if let Some(decryption) = &spec.decryption {
        names::object(
            "spec.decryption.secretRef",
            &decryption.secret_ref.name,
            &mut problems,
        );
    }
    rolling_update(&spec.update_strategy.rolling_update, &mut problems);
    problems
}

fn sources(sources: &[RegistriesSource], problems: &mut Vec<Problem>) {
    if sources.len() > bounds::SOURCES {
        problems.push(too_many(
            "spec.registriesFrom",
            sources.len(),
            bounds::SOURCES,
        ));
    }
    for (index, source) in sources.iter().enumerate() {
        let path = format!("spec.registriesFrom[{index}]");
        if source
            .sops
            .as_ref()
            .is_some_and(|text| longer(text, bounds::SOPS))
        {
            problems.push(Problem::invalid(
                format!("{path}.sops"),
                format!("is longer than {} characters", bounds::SOPS),
                "put the document into a Secret and name that in secretRef",
            ));
        }
        if let Some(reference) = &source.secret_ref {
            let path = format!("{path}.secretRef");
            names::object(&path, &reference.name, problems);
            names::data_key(&path, &reference.key, problems);
        }
    }
}

fn rolling_update(rolling: &RollingUpdate, problems: &mut Vec<Problem>) {
    const PATH: &str = "spec.updateStrategy.rollingUpdate";
    if !max_unavailable_is_usable(&rolling.max_unavailable) {
        problems.push(Problem::invalid(
            format!("{PATH}.maxUnavailable"),
            "is neither a count from 1 on nor a percentage from 1% to 100%",
            "write a number such as 1, or a text such as \"10%\"",
        ));
    }
    let (ready, deadline) = (rolling.min_ready_seconds, rolling.progress_deadline_seconds);
    for (field, seconds, least, most) in [
        ("minReadySeconds", ready, 0, bounds::MIN_READY_SECONDS),
        (
            "progressDeadlineSeconds",
            deadline,
            1,
            bounds::PROGRESS_DEADLINE_SECONDS,
        ),
    ] {
        if !(least..=most).contains(&seconds) {
            problems.push(Problem::invalid(
                format!("{PATH}.{field}"),
                format!("is outside {least} to {most}"),
                "write seconds",
            ));
        }
    }
    if deadline <= ready {
        problems.push(Problem::invalid(
            PATH,
            "progressDeadlineSeconds is not greater than minReadySeconds: every rollout would fail",
            "give nodes more time",
        ));
    }
}

/// The schema's pattern, `^([1-9][0-9]?|100)%$`, and its bounds of a count.
fn max_unavailable_is_usable(value: &IntOrString) -> bool {
    match value {
        IntOrString::Int(count) => (1..=bounds::MAX_UNAVAILABLE).contains(count),
        IntOrString::String(percent) => percent.strip_suffix('%').is_some_and(|digits| {
            digits.starts_with(|first: char| ('1'..='9').contains(&first))
                && digits.bytes().all(|byte| byte.is_ascii_digit())
                && digits.parse::<u8>().is_ok_and(|percent| percent <= 100)
        }),
    }
}

fn too_many(path: &str, count: usize, limit: usize) -> Problem {
    Problem::invalid(
        path,
        format!("has {count} entries, at most {limit} are taken here"),
        "put the document into a Secret and name that in spec.registriesFrom",
    )
}

/// Servers count characters, not bytes.
fn longer(text: &str, limit: usize) -> bool {
    text.len() > limit && text.chars().count() > limit
}
