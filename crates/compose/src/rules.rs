//! The rules of the schema once more: servers before 1.25 know no CEL, and `berth apply` has no server.

use api::{InlineConfig, InlineRegistries, RegistryConfigSpec, RollingUpdate};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use registries::redact_key;

use crate::problem::Problem;

const MIRRORS: usize = 256;
const CONFIGS: usize = 256;
const ENDPOINTS: usize = 16;
const ENDPOINT_BYTES: usize = 1024;
const REWRITES: usize = 32;
const REWRITE_BYTES: usize = 512;
const SOURCES: usize = 16;
const SOPS_BYTES: usize = 262_144;
/// A day: nothing that takes longer is a rollout.
const LONGEST_SECONDS: i32 = 86_400;

/// Every rule that the spec breaks.
pub(crate) fn check(spec: &RegistryConfigSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(registries) = &spec.registries {
        inline(registries, &mut problems);
    }
    if spec.registries_from.len() > SOURCES {
        problems.push(too_many(
            "spec.registriesFrom",
            spec.registries_from.len(),
            SOURCES,
        ));
    }
    for (index, source) in spec.registries_from.iter().enumerate() {
        if source
            .sops
            .as_ref()
            .is_some_and(|text| text.len() > SOPS_BYTES)
        {
            problems.push(Problem::invalid(
                format!("spec.registriesFrom[{index}].sops"),
                format!("is longer than {SOPS_BYTES} bytes"),
                "put the document into a Secret and name that in secretRef",
            ));
        }
    }
    rolling_update(&spec.update_strategy.rolling_update, &mut problems);
    problems
}

fn inline(registries: &InlineRegistries, problems: &mut Vec<Problem>) {
    let mirrors = registries.mirrors.iter().flatten();
    let configs = registries.configs.iter().flatten();
    for (path, count, limit) in [
        ("spec.registries.mirrors", mirrors.clone().count(), MIRRORS),
        ("spec.registries.configs", configs.clone().count(), CONFIGS),
    ] {
        if count > limit {
            problems.push(too_many(path, count, limit));
        }
    }
    for (key, mirror) in mirrors {
        let Some(mirror) = mirror else { continue };
        let path = format!("spec.registries.mirrors.{}", redact_key(key));
        let endpoints = mirror.endpoint.as_deref().unwrap_or_default();
        if endpoints.len() > ENDPOINTS {
            problems.push(too_many(
                &format!("{path}.endpoint"),
                endpoints.len(),
                ENDPOINTS,
            ));
        }
        for (index, _) in endpoints
            .iter()
            .enumerate()
            .filter(|(_, url)| url.len() > ENDPOINT_BYTES)
        {
            problems.push(too_long(
                &format!("{path}.endpoint[{index}]"),
                ENDPOINT_BYTES,
            ));
        }
        let rewrites = mirror.rewrite.iter().flatten();
        if rewrites.clone().count() > REWRITES {
            problems.push(too_many(
                &format!("{path}.rewrite"),
                rewrites.clone().count(),
                REWRITES,
            ));
        }
        if rewrites
            .clone()
            .any(|(pattern, replacement)| pattern.len().max(replacement.len()) > REWRITE_BYTES)
        {
            problems.push(too_long(&format!("{path}.rewrite"), REWRITE_BYTES));
        }
    }
    for (key, config) in configs {
        if let Some(config) = config {
            host(
                &format!("spec.registries.configs.{}", redact_key(key)),
                config,
                problems,
            );
        }
    }
}

fn host(path: &str, config: &InlineConfig, problems: &mut Vec<Problem>) {
    if let Some(auth) = &config.auth {
        for field in auth.clear_text() {
            let help = if field == "token" {
                "k3s has no such field: put a refresh token into identitytoken of a kubernetes.io/dockerconfigjson Secret, \
                 an access token into the password of a kubernetes.io/basic-auth Secret, and name it in auth.secretRef"
            } else {
                "put the credential into a kubernetes.io/basic-auth Secret and name that in auth.secretRef"
            };
            problems.push(Problem::invalid(
                format!("{path}.auth.{field}"),
                "is a clear-text credential",
                help,
            ));
        }
    }
    let Some(tls) = &config.tls else { return };
    let path = format!("{path}.tls");
    if tls.ca_ref.is_some() && tls.ca_file.is_some() {
        problems.push(Problem::invalid(
            &path,
            "has both caRef and ca_file",
            "keep one of them",
        ));
    }
    if tls.certificate_ref.is_some() && (tls.cert_file.is_some() || tls.key_file.is_some()) {
        problems.push(Problem::invalid(
            &path,
            "has certificateRef beside cert_file or key_file",
            "keep certificateRef alone, or both files",
        ));
    }
    if tls.cert_file.is_some() != tls.key_file.is_some() {
        problems.push(Problem::invalid(
            &path,
            "has one of cert_file and key_file: containerd would fail every pull of the registry",
            "name both; when one file holds both, name it twice",
        ));
    }
}

fn rolling_update(rolling: &RollingUpdate, problems: &mut Vec<Problem>) {
    const PATH: &str = "spec.updateStrategy.rollingUpdate";
    let usable = match &rolling.max_unavailable {
        IntOrString::Int(count) => *count >= 1,
        IntOrString::String(percent) => percent
            .strip_suffix('%')
            .and_then(|number| number.parse::<u8>().ok())
            .is_some_and(|number| (1..=100).contains(&number)),
    };
    if !usable {
        problems.push(Problem::invalid(
            format!("{PATH}.maxUnavailable"),
            "is neither a count from 1 on nor a percentage from 1% to 100%",
            "write a number such as 1, or a text such as \"10%\"",
        ));
    }
    let (ready, deadline) = (rolling.min_ready_seconds, rolling.progress_deadline_seconds);
    if !(0..=LONGEST_SECONDS).contains(&ready) {
        problems.push(Problem::invalid(
            format!("{PATH}.minReadySeconds"),
            "is outside 0 to 86400",
            "write seconds",
        ));
    }
    if !(1..=LONGEST_SECONDS).contains(&deadline) {
        problems.push(Problem::invalid(
            format!("{PATH}.progressDeadlineSeconds"),
            "is outside 1 to 86400",
            "write seconds",
        ));
    }
    if deadline <= ready {
        problems.push(Problem::invalid(
            PATH,
            "progressDeadlineSeconds is not greater than minReadySeconds: every rollout would fail",
            "give nodes more time",
        ));
    }
}

fn too_many(path: &str, count: usize, limit: usize) -> Problem {
    Problem::invalid(
        path,
        format!("has {count} entries, at most {limit} are taken here"),
        "put the document into a Secret and name that in spec.registriesFrom",
    )
}

fn too_long(path: &str, limit: usize) -> Problem {
    Problem::invalid(path, format!("is longer than {limit} bytes"), "shorten it")
}
