//! What the chart renders for every server version and switch.

use std::process::Command;

use anyhow::{Result, ensure};
use e2e::settings::{Settings, repository};
use serde_json::{Value, json};

use super::helm::{PROTOTYPE, at, chart, decoded, helm, template, template_with, values_file};

const EVERYTHING: [&str; 8] = [
    "--set",
    "networkPolicy.enabled=true",
    "--set",
    "podDisruptionBudget.enabled=true",
    "--set",
    "serviceMonitor.enabled=true",
    "--set",
    "prometheusRule.enabled=true",
];

#[test]
fn helm_finds_nothing_to_complain_about() -> Result<()> {
    let prototype = values_file(PROTOTYPE)?;
    let path = prototype.path().display().to_string();
    let chart = chart();
    helm(&["lint", "--strict", &chart])?;
    helm(&["lint", "--strict", &chart, "--values", &path])?;
    helm(&[&["lint", "--strict", &chart], &EVERYTHING[..]].concat())?;
    Ok(())
}

#[test]
fn every_server_gets_the_versions_that_it_knows() -> Result<()> {
    for (version, rules, budget) in [
        ("1.20.2", false, "policy/v1beta1"),
        ("1.21.0", false, "policy/v1"),
        ("1.24.17+k3s1", false, "policy/v1"),
        ("1.25.0", true, "policy/v1"),
        ("1.33.3+k3s1", true, "policy/v1"),
    ] {
        let rendered = template(&[&["--kube-version", version], &EVERYTHING[..]].concat())?;
        let crd = rendered.only("CustomResourceDefinition")?.to_string();
        ensure!(
            crd.contains("x-kubernetes-validations") == rules,
            "CRD of {version}"
        );
        let found = &rendered.only("PodDisruptionBudget")?["apiVersion"];
        ensure!(found == budget, "{version}: {found}");
    }
    let old = template(&["--kube-version", "1.19.16"]).map(|_| ());
    ensure!(old.is_err(), "1.19 is not refused");
    Ok(())
}

#[test]
fn the_crd_is_the_one_of_the_repository_and_goes_or_stays_as_asked() -> Result<()> {
    let path = repository().join("crds/registryconfigs.yaml");
    let own: Value = serde_yaml::from_str(&std::fs::read_to_string(path)?)?;
    let new = ["--kube-version", "1.33.0"];
    let kept = template(&new)?;
    let crd = kept.only("CustomResourceDefinition")?;
    ensure!(crd["spec"] == own["spec"], "another schema");
    let policy = &crd["metadata"]["annotations"]["helm.sh/resource-policy"];
    ensure!(policy == "keep", "{policy}");

    let given = template(&[&new[..], &["--set", "crds.keep=false"]].concat())?;
    let crd = given.only("CustomResourceDefinition")?;
    ensure!(
        crd["metadata"]["annotations"]["helm.sh/resource-policy"].is_null(),
        "kept all the same"
    );
    let without = template(&[&new[..], &["--set", "crds.enabled=false"]].concat())?;
    ensure!(without.all("CustomResourceDefinition").is_empty());

    // The hook leaves foreign resources alone exactly when the CRD stays.
    for (rendered, keeps) in [(&kept, true), (&given, false)] {
        let args = at(
            rendered.only("Job")?,
            "/spec/template/spec/containers/0/args",
        )?;
        let flag = args
            .as_array()
            .is_some_and(|args| args.iter().any(|arg| arg == "--keep-foreign"));
        ensure!(flag == keeps, "{args}");
    }
    Ok(())
}

#[test]
fn values_of_the_first_version_become_a_secret_and_a_registry_config_that_names_it() -> Result<()> {
    let values: Value = serde_yaml::from_str(PROTOTYPE)?;
    let nested = serde_yaml::to_string(&json!({"application": values}))?;
    for shape in [PROTOTYPE, &nested] {
        let rendered = template_with(shape, &[])?;
        let secret = rendered.named("Secret", "berth-registries")?;
        let document = decoded(&secret["data"]["registries.yaml"])?;
        let parsed: Value = serde_yaml::from_str(&document)?;
        ensure!(parsed == values["registries"], "{document}");

        let manifest = rendered.named("ConfigMap", "berth-manifests")?;
        let manifest = manifest["data"]["registryconfig.yaml"].as_str();
        let config: Value = serde_yaml::from_str(manifest.unwrap_or_default())?;
        let expected = json!({
            "apiVersion": "berth.dev/v1alpha1", "kind": "RegistryConfig", "metadata": {"name": "default"},
            "spec": {
                "nodeSelector": {},
                "registriesFrom": [{"secretRef": {"name": "berth-registries", "key": "registries.yaml"}}],
            },
        });
        ensure!(config == expected, "{config}");
        for object in rendered
            .0
            .iter()
            .filter(|object| object["kind"] != "Secret")
        {
            ensure!(!object.to_string().contains("made-up"), "{object}");
        }
    }
    Ok(())
}

#[test]
fn registries_as_text_arrive_byte_for_byte() -> Result<()> {
    let text = "# ours\nmirrors:\n  docker.io:\n  \"*\":\n    endpoint: ['https://a:5000']\n";
    let values = serde_yaml::to_string(&json!({"registries": text}))?;
    let rendered = template_with(&values, &[])?;
    let secret = rendered.named("Secret", "berth-registries")?;
    let arrived = decoded(&secret["data"]["registries.yaml"])?;
    ensure!(arrived == text, "{arrived:?}");
    Ok(())
}

#[test]
fn without_registries_there_is_no_registry_config() -> Result<()> {
    let rendered = template(&[])?;
    ensure!(rendered.named("Secret", "berth-registries").is_err());
    let manifests = rendered.named("ConfigMap", "berth-manifests")?;
    ensure!(manifests["data"].is_null(), "{manifests}");
    Ok(())
}

#[test]
fn containers_have_no_rights_that_they_do_not_need() -> Result<()> {
    let rendered = template(&EVERYTHING)?;
    let mut seen = 0;
    for object in &rendered.0 {
        let Some(pod) = object.pointer("/spec/template/spec") else {
            continue;
        };
        ensure!(pod["securityContext"]["runAsNonRoot"] == true, "{pod}");
        ensure!(pod["securityContext"]["runAsUser"] == 65532, "{pod}");
        ensure!(
            pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault",
            "{pod}"
        );
        for container in pod["containers"].as_array().into_iter().flatten() {
            let context = &container["securityContext"];
            let expected = json!({
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true,
            });
            ensure!(*context == expected, "{context}");
            seen += 1;
        }
    }
    ensure!(seen == 2, "{seen} containers");
    Ok(())
}

#[test]
fn the_operator_takes_the_arguments_and_variables_of_the_chart() -> Result<()> {
    let rendered = template(&["--set", "imagePullSecrets[0].name=login"])?;
    let operator = Settings::from_env().binary("berth-operator")?;
    for kind in ["Deployment", "Job"] {
        let container = at(rendered.only(kind)?, "/spec/template/spec/containers/0")?;
        let mut command = Command::new(&operator);
        command.env_clear();
        for argument in container["args"].as_array().into_iter().flatten() {
            command.arg(argument.as_str().unwrap_or_default());
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let name = variable["name"].as_str().unwrap_or_default();
            let value = variable["value"].as_str().unwrap_or("berth-system");
            command.env(name, value);
            // Everything that the chart sets is known, so that no value is without effect.
            let subcommand = container["args"][0].as_str().unwrap_or_default();
            let help = Command::new(&operator)
                .args([subcommand, "--help"])
                .env_clear()
                .output()?;
            let help = String::from_utf8_lossy(&help.stdout).into_owned();
            ensure!(
                help.contains(&format!("{name}=")),
                "{kind}: {name} is unknown"
            );
        }
        // Without a cluster to talk to it must fail, but not because of what it was told.
        let output = command.output()?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            !output.status.success() && output.status.code() != Some(2),
            "{kind}: {told}"
        );
    }
    Ok(())
}
