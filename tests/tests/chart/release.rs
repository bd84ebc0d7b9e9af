//! A release on a cluster: helm's commands, the chart before this one, and everything that exists.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::settings::repository;
use e2e::{Cluster, eventually};
use tempfile::TempDir;

use super::helm::{chart, helm, values_file};

pub(crate) const NAMESPACE: &str = "berth-system";

/// `helm install|upgrade berth CHART` with a values file and further arguments, waiting as users do.
pub(crate) async fn helm_wait(
    cluster: &Cluster,
    command: &str,
    chart: &str,
    values: &str,
    further: &[&str],
) -> Result<()> {
    let file = values_file(values)?;
    let path = file.path().display().to_string();
    let fixed = [
        command,
        "berth",
        chart,
        "-n",
        NAMESPACE,
        "--wait",
        "--timeout",
        "3m",
        "--values",
        &path,
    ];
    cluster
        .tools
        .helm(&[&fixed[..], further].concat())
        .await
        .map(drop)
}

pub(crate) async fn uninstall(cluster: &Cluster) -> Result<String> {
    cluster
        .tools
        .helm(&[
            "uninstall",
            "berth",
            "-n",
            NAMESPACE,
            "--wait",
            "--timeout",
            "3m",
        ])
        .await
}

/// The namespace as the release finds it: with what the controllers put into each.
pub(crate) async fn prepare_namespace(cluster: &Cluster) -> Result<()> {
    cluster
        .tools
        .kubectl(&["create", "namespace", NAMESPACE])
        .await?;
    eventually(
        "the namespace's own objects",
        Duration::from_secs(30),
        || async {
            let found = cluster
                .tools
                .kubectl(&[
                    "get",
                    "serviceaccounts,secrets,configmaps",
                    "-n",
                    NAMESPACE,
                    "-o",
                    "name",
                ])
                .await?;
            for kind in [
                "serviceaccount/default",
                "secret/default-token",
                "configmap/kube-root-ca",
            ] {
                ensure!(found.contains(kind), "no {kind} among {found}");
            }
            Ok(())
        },
    )
    .await
}

/// Kind, namespace and name of everything that can be listed, but Events.
pub(crate) async fn everything(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let kinds = cluster
        .tools
        .kubectl(&["api-resources", "--verbs=list", "-o", "name"])
        .await?;
    let kinds: Vec<&str> = kinds
        .lines()
        .filter(|kind| !kind.starts_with("events") && *kind != "componentstatuses")
        .collect();
    let line =
        r#"jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name}{"\n"}{end}"#;
    let listed = cluster
        .tools
        .kubectl(&["get", &kinds.join(","), "--all-namespaces", "-o", line])
        .await?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// Waits until exactly these objects have come since: what controllers delete goes a little later.
pub(crate) async fn left_behind(
    cluster: &Cluster,
    before: &BTreeSet<String>,
    expected: &[&str],
) -> Result<()> {
    let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
    eventually(
        "nothing else left behind",
        Duration::from_secs(60),
        || async {
            let after = everything(cluster).await?;
            let new: BTreeSet<String> = after.difference(before).cloned().collect();
            let gone: Vec<_> = before.difference(&after).collect();
            ensure!(new == expected, "left behind: {new:#?}");
            ensure!(gone.is_empty(), "taken along: {gone:#?}");
            Ok::<_, anyhow::Error>(())
        },
    )
    .await
}

/// The chart that users upgrade from, and which one that is.
pub(crate) fn earlier(folder: &TempDir) -> Result<(String, String)> {
    let tag = git(&["describe", "--tags", "--abbrev=0"]).ok();
    let last = git(&["log", "-1", "--format=%H", "--", "charts/berth"]).ok();
    let of_commit = |commit: String| {
        let unpacked = unpack(&commit, folder.path()).ok()?;
        Some((unpacked, commit))
    };
    let (source, name) = tag
        .or(last)
        .filter(|commit| !commit.is_empty())
        .and_then(of_commit)
        // An archive without history still shows that a release moves on.
        .unwrap_or_else(|| {
            (
                chart(),
                "the present chart under a lower version".to_owned(),
            )
        });
    let destination = folder.path().display().to_string();
    helm(&[
        "package",
        &source,
        "--version",
        "0.0.1",
        "--destination",
        &destination,
    ])?;
    Ok((format!("{destination}/berth-0.0.1.tgz"), name))
}

fn unpack(commit: &str, folder: &Path) -> Result<String> {
    let archive = folder.join("chart.tar").display().to_string();
    git(&["archive", "--output", &archive, commit, "charts/berth"])?;
    let status = Command::new("tar")
        .args(["--extract", "--file", &archive, "--directory"])
        .arg(folder)
        .status()?;
    ensure!(status.success(), "tar cannot read the archive of {commit}");
    Ok(folder.join("charts/berth").display().to_string())
}

fn git(arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(repository())
        .args(arguments)
        .output()
        .context("failed to start git")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
