//! Every value reaches the object that it is about, and what is no value is refused.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::helm::{at, template, template_with};

/// Values of all kinds, none of them the default.
fn values() -> Value {
    json!({
        "imagePullSecrets": [{"name": "login"}, {"name": "other"}],
        "distribution": "rke2",
        "operator": {
            "image": {"registry": "mirror:5000", "repository": "a/operator", "tag": "1", "pullPolicy": "Always"},
            "replicas": 3, "logFormat": "text", "logLevel": "debug,kube=info",
            "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "2m", "memory": "3Mi"}},
            "podLabels": {"team": "a"}, "podAnnotations": {"note": "b"},
            "nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "t", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": {}}, "priorityClassName": "high",
        },
        "nodeWriter": {
            "image": {"registry": "mirror:5000", "repository": "a/writer", "digest": "sha256:00", "pullPolicy": "Never"},
            "logFormat": "json", "logLevel": "trace", "privileged": true,
            "tolerations": [{"key": "w"}], "priorityClassName": "low", "resources": {"limits": {"memory": "2Gi"}, "requests": {"cpu": "2m", "memory": "3Mi"}},
        },
        "registryConfig": {"name": "fleet", "spec": {"paused": true, "registriesFrom": [{"sops": "x"}]}},
        "registries": {"mirrors": {"docker.io": {}}},
        "serviceAccount": {"annotations": {"role": "c"}},
        "uninstall": {"timeoutSeconds": 77},
        "networkPolicy": {"enabled": true, "metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]},
        "podDisruptionBudget": {"enabled": true, "maxUnavailable": "50%"},
        "serviceMonitor": {"enabled": true, "labels": {"monitor": "d"}, "interval": "7s"},
        "prometheusRule": {"enabled": true, "labels": {"rule": "e"}},
    })
}

fn variable(deployment: &Value, name: &str) -> Value {
    let variables = deployment.pointer("/spec/template/spec/containers/0/env");
    let mut variables = variables.and_then(Value::as_array).into_iter().flatten();
    variables
        .find(|variable| variable["name"] == name)
        .map_or(Value::Null, |variable| variable["value"].clone())
}

#[test]
fn every_value_reaches_its_object() -> Result<()> {
    let rendered = template_with(&serde_yaml::to_string(&values())?, &[])?;
    let deployment = rendered.only("Deployment")?;
    let job = rendered.only("Job")?;
    for (object, path, expected) in [
        (deployment, "/spec/replicas", json!(3)),
        (
            deployment,
            "/spec/template/metadata/labels/team",
            json!("a"),
        ),
        (
            deployment,
            "/spec/template/metadata/annotations/note",
            json!("b"),
        ),
        (job, "/spec/activeDeadlineSeconds", json!(137)),
        (
            job,
            "/spec/template/spec/containers/0/args/1",
            json!("--timeout-seconds=77"),
        ),
        (
            rendered.only("ServiceAccount")?,
            "/metadata/annotations/role",
            json!("c"),
        ),
        (
            rendered.only("PodDisruptionBudget")?,
            "/spec/maxUnavailable",
            json!("50%"),
        ),
        (
            rendered.only("ServiceMonitor")?,
            "/metadata/labels/monitor",
            json!("d"),
        ),
        (
            rendered.only("ServiceMonitor")?,
            "/spec/endpoints/0/interval",
            json!("7s"),
        ),
        (
            rendered.only("PrometheusRule")?,
            "/metadata/labels/rule",
            json!("e"),
        ),
        (
            rendered.named("NetworkPolicy", "berth")?,
            "/spec/ingress/0/from",
            json!([{"podSelector": {"matchLabels": {"app": "prometheus"}}}]),
        ),
    ] {
        let found = at(object, path)?;
        ensure!(*found == expected, "{path}: {found}");
    }
    // The hook must be able to run wherever the operator can.
    for object in [deployment, job] {
        let pod = at(object, "/spec/template/spec")?;
        let container = &pod["containers"][0];
        for (found, expected) in [
            (&container["image"], json!("mirror:5000/a/operator:1")),
            (&container["imagePullPolicy"], json!("Always")),
            (
                &container["resources"],
                json!({"limits": {"memory": "1Gi"}, "requests": {"cpu": "2m", "memory": "3Mi"}}),
            ),
            (
                &pod["imagePullSecrets"],
                json!([{"name": "login"}, {"name": "other"}]),
            ),
            (&pod["nodeSelector"], json!({"disk": "ssd"})),
            (
                &pod["tolerations"],
                json!([{"key": "t", "operator": "Exists"}]),
            ),
            (&pod["affinity"], json!({"podAntiAffinity": {}})),
            (&pod["priorityClassName"], json!("high")),
        ] {
            ensure!(*found == expected, "{}: {found}", object["kind"]);
        }
    }
    Ok(())
}

#[test]
fn every_value_of_the_node_writer_reaches_the_operator() -> Result<()> {
    let rendered = template_with(&serde_yaml::to_string(&values())?, &[])?;
    let deployment = rendered.only("Deployment")?;
    for (name, expected) in [
        ("BERTH_LOG_FORMAT", "text"),
        ("BERTH_LOG_LEVEL", "debug,kube=info"),
        ("BERTH_DISTRIBUTION", "rke2"),
        ("BERTH_NODE_WRITER_IMAGE", "mirror:5000/a/writer@sha256:00"),
        ("BERTH_NODE_WRITER_PULL_POLICY", "Never"),
        ("BERTH_NODE_WRITER_PULL_SECRETS", "login,other"),
        ("BERTH_NODE_WRITER_PRIVILEGED", "true"),
        (
            "BERTH_NODE_WRITER_RESOURCES",
            r#"{"limits":{"memory":"2Gi"},"requests":{"cpu":"2m","memory":"3Mi"}}"#,
        ),
        ("BERTH_NODE_WRITER_TOLERATIONS", r#"[{"key":"w"}]"#),
        ("BERTH_NODE_WRITER_PRIORITY_CLASS", "low"),
        ("BERTH_NODE_WRITER_LOG_FORMAT", "json"),
        ("BERTH_NODE_WRITER_LOG_LEVEL", "trace"),
    ] {
        let found = variable(deployment, name);
        ensure!(found == expected, "{name}: {found}");
    }
    let manifests = rendered.named("ConfigMap", "berth-manifests")?;
    let manifest = manifests["data"]["registryconfig.yaml"].as_str();
    let config: Value = serde_yaml::from_str(manifest.unwrap_or_default())?;
    let expected = json!({
        "nodeSelector": {}, "paused": true,
        "registriesFrom": [{"secretRef": {"name": "berth-registries", "key": "registries.yaml"}}, {"sops": "x"}],
    });
    ensure!(
        config["metadata"]["name"] == "fleet" && config["spec"] == expected,
        "{config}"
    );
    Ok(())
}

#[test]
fn names_follow_the_overrides_and_the_operator_knows_them() -> Result<()> {
    let rendered = template(&["--set", "fullnameOverride=quay"])?;
    let deployment = rendered.named("Deployment", "quay-operator")?;
    for (kind, name, told) in [
        ("Secret", "quay-revision-key", "BERTH_KEY_SECRET"),
        ("Lease", "quay", "BERTH_LEASE_NAME"),
        ("ConfigMap", "quay-manifests", "BERTH_CHART_MANIFESTS"),
    ] {
        rendered.named(kind, name)?;
        ensure!(variable(deployment, told) == name, "{told}");
    }
    Ok(())
}

#[test]
fn what_is_switched_off_is_not_there() -> Result<()> {
    let rendered = template(&["--set", "uninstall.enabled=false"])?;
    for kind in [
        "Job",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "ServiceMonitor",
        "PrometheusRule",
    ] {
        ensure!(rendered.all(kind).is_empty(), "{kind} is there");
    }
    Ok(())
}

#[test]
fn alerts_have_a_summary_a_mend_and_reasons_that_exist() -> Result<()> {
    let rendered = template(&["--set", "prometheusRule.enabled=true"])?;
    let rules = at(rendered.only("PrometheusRule")?, "/spec/groups/0/rules")?;
    let rules = rules.as_array().map(Vec::as_slice).unwrap_or_default();
    ensure!(rules.len() == 4, "{} alerts", rules.len());
    for rule in rules {
        for note in ["summary", "description"] {
            let text = rule["annotations"][note].as_str().unwrap_or_default();
            ensure!(text.len() > 20, "{}: {note} {text:?}", rule["alert"]);
        }
        let expression = rule["expr"].as_str().unwrap_or_default();
        if let Some((_, rest)) = expression.split_once("reason=~\"") {
            for reason in rest.split('"').next().unwrap_or_default().split('|') {
                let known = api::Reason::ALL
                    .iter()
                    .any(|known| known.as_str() == reason);
                ensure!(known, "{reason} is no reason");
            }
        }
    }
    Ok(())
}

#[test]
fn what_is_no_value_is_refused_by_its_place() -> Result<()> {
    for (values, place) in [
        ("operatr: {}", "additional properties 'operatr' not allowed"),
        ("operator: {image: {tags: x}}", "/operator/image"),
        ("operator: {replicas: many}", "/operator/replicas"),
        ("distribution: k0s", "/distribution"),
        ("registries: 5", "/registries"),
        (
            "uninstall: {timeoutSeconds: 1}",
            "/uninstall/timeoutSeconds",
        ),
        ("registryConfig: {name: \"\"}", "/registryConfig/name"),
        // Helm would write it as 1.2345678901234567e+19.
        (
            "registries: {configs: {h: {auth: {password: 12345678901234567890}}}}",
            "/registries/configs/h/auth/password",
        ),
    ] {
        let refusal = template_with(values, &[]).map(|_| ());
        let refusal = refusal
            .err()
            .map(|error| format!("{error:#}"))
            .unwrap_or_default();
        ensure!(refusal.contains(place), "{values}: {refusal:?}");
        ensure!(!refusal.contains("123456"), "{refusal}");
    }
    Ok(())
}
