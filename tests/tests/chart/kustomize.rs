//! The plain manifests: fresh, and taken by a real API server.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::settings::{Settings, repository};
use e2e::{Cluster, api_scenario};
use serde_json::Value;

use super::helm::{Rendered, objects, template};

fn folder(name: &str) -> String {
    repository()
        .join("deploy/kustomize")
        .join(name)
        .display()
        .to_string()
}

fn built(name: &str) -> Result<Rendered> {
    let output = Command::new(Settings::from_env().program("kubectl")?)
        .args(["kustomize", &folder(name)])
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{told}");
    objects(&String::from_utf8(output.stdout)?)
}

#[test]
fn the_manifests_are_what_the_chart_renders() -> Result<()> {
    let fresh = tempfile::tempdir()?;
    let generator = folder("generate");
    let status = Command::new(&generator).arg(fresh.path()).status()?;
    ensure!(status.success(), "{generator} failed");
    for file in ["operator/operator.yaml", "pre-1.25/registryconfigs.yaml"] {
        let committed = std::fs::read_to_string(folder(file)).with_context(|| folder(file))?;
        let rendered = std::fs::read_to_string(fresh.path().join(file))?;
        ensure!(
            committed == rendered,
            "{file} is stale; run `just kustomize`"
        );
    }
    Ok(())
}

#[test]
fn the_base_holds_the_charts_objects_and_a_namespace_and_no_trace_of_helm() -> Result<()> {
    let key = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
    let keys = |rendered: &Rendered| rendered.0.iter().map(key).collect::<BTreeSet<_>>();
    let mut expected = keys(&template(&["--no-hooks", "--kube-version", "1.33.0"])?);
    expected.insert("\"Namespace\" \"berth-system\"".to_owned());
    for (name, rules) in [("", true), ("pre-1.25", false)] {
        let base = built(name)?;
        ensure!(keys(&base) == expected, "{:#?}", keys(&base));
        for object in &base.0 {
            let text = object.to_string();
            ensure!(
                !text.contains("helm.sh") && !text.contains("\"Helm\""),
                "{text}"
            );
        }
        let crd = base.only("CustomResourceDefinition")?.to_string();
        ensure!(crd.contains("x-kubernetes-validations") == rules, "{name}");
    }
    Ok(())
}

/// Applies for real, so that what a dry run would not see is seen.
async fn is_taken(cluster: &Cluster, name: &str) -> Result<()> {
    let folder = folder(name);
    cluster
        .tools
        .kubectl(&["create", "namespace", "berth-system"])
        .await?;
    for further in [&["--dry-run=server"][..], &[], &[]] {
        let arguments = [
            &["apply", "--server-side", "--force-conflicts", "-k", &folder],
            further,
        ]
        .concat();
        cluster.tools.kubectl(&arguments).await?;
    }
    let wait = [
        "wait",
        "crd/registryconfigs.berth.dev",
        "--for=condition=Established",
        "--timeout=60s",
    ];
    cluster.tools.kubectl(&wait).await?;
    cluster
        .tools
        .kubectl(&["delete", "-k", &folder, "--wait=false"])
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_api_server_takes_the_manifests_for_it() {
    api_scenario(async |cluster: &mut Cluster| is_taken(cluster, "pre-1.25").await).await;
}

/// Left out by its name when there is no newer server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_api_server_takes_the_base_with_its_cel_rules() -> Result<()> {
    let mut settings = Settings::from_env();
    settings.programs = settings
        .newer_programs
        .clone()
        .context("KUBEBUILDER_ASSETS names no folder with a kube-apiserver >= 1.25")?;
    let cluster = Cluster::api_server_from(settings).await?;
    is_taken(&cluster, "").await
}
