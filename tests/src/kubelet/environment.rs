//! A container's environment and arguments: values, fields of the pod, `$(NAME)` references; pure.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod};

/// The variables that a kubelet sets by itself.
pub(super) struct Surroundings<'a> {
    pub(super) api_host: &'a str,
    pub(super) api_port: u16,
    pub(super) pod_address: Option<&'a str>,
}

pub(super) fn environment(
    pod: &Pod,
    container: &Container,
    around: &Surroundings,
) -> Result<BTreeMap<String, String>> {
    let mut env = BTreeMap::from([
        (
            "PATH".to_string(),
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_string(),
        ),
        (
            "HOSTNAME".to_string(),
            pod.metadata.name.clone().unwrap_or_default(),
        ),
        (
            "KUBERNETES_SERVICE_HOST".to_string(),
            around.api_host.to_string(),
        ),
        (
            "KUBERNETES_SERVICE_PORT".to_string(),
            around.api_port.to_string(),
        ),
        (
            "KUBERNETES_SERVICE_PORT_HTTPS".to_string(),
            around.api_port.to_string(),
        ),
    ]);
    if container
        .env_from
        .as_ref()
        .is_some_and(|sources| !sources.is_empty())
    {
        bail!("the test kubelet does not know envFrom");
    }
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            Some(source) => from_source(pod, source, around)
                .with_context(|| format!("env {}", variable.name))?,
            None => expand(variable.value.as_deref().unwrap_or_default(), &env),
        };
        env.insert(variable.name.clone(), value);
    }
    Ok(env)
}

/// The image's entry point or the container's command, then its arguments.
pub(super) fn command(
    container: &Container,
    entry_point: &str,
    env: &BTreeMap<String, String>,
) -> Vec<String> {
    let command = match &container.command {
        Some(command) if !command.is_empty() => command.clone(),
        _ => vec![entry_point.to_string()],
    };
    command
        .iter()
        .chain(container.args.iter().flatten())
        .map(|part| expand(part, env))
        .collect()
}

/// A field of the pod, as `fieldRef` names it.
pub(super) fn field(pod: &Pod, path: &str, pod_address: Option<&str>) -> Result<String> {
    let spec = pod.spec.as_ref();
    let found = match path {
        "metadata.name" => pod.metadata.name.clone(),
        "metadata.namespace" => pod.metadata.namespace.clone(),
        "metadata.uid" => pod.metadata.uid.clone(),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        "status.podIP" => pod_address.map(String::from),
        "status.hostIP" => Some("127.0.0.1".into()),
        _ => entry(pod, path),
    };
    found.with_context(|| format!("the pod has no field {path}"))
}

fn entry(pod: &Pod, path: &str) -> Option<String> {
    let (map, key) = path.strip_suffix("']")?.split_once("['")?;
    let map = match map {
        "metadata.labels" => pod.metadata.labels.as_ref()?,
        "metadata.annotations" => pod.metadata.annotations.as_ref()?,
        _ => return None,
    };
    Some(map.get(key).cloned().unwrap_or_default())
}

fn from_source(pod: &Pod, source: &EnvVarSource, around: &Surroundings) -> Result<String> {
    match &source.field_ref {
        Some(reference) => field(pod, &reference.field_path, around.pod_address),
        None => bail!("the test kubelet knows fieldRef only"),
    }
}

/// `$(NAME)` becomes the variable's value when there is one; `$$` is `$`.
fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = rest
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            match env.get(name) {
                Some(value) => expanded.push_str(value),
                None => expanded.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_expand_only_to_known_variables() {
        let env = BTreeMap::from([("A".to_string(), "1".to_string())]);
        for (text, expected) in [
            ("$(A)", "1"),
            ("x$(A)y$(B)", "x1y$(B)"),
            ("$$(A)", "$(A)"),
            ("^(.*)$", "^(.*)$"),
            ("$1", "$1"),
        ] {
            assert_eq!(expand(text, &env), expected, "{text}");
        }
    }
}
