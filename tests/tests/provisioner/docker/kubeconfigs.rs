//! kubeconfig files.

use anyhow::{Context, ensure};
use e2e::docker::scenario;
use serde_json::Value;

use super::support::contains;

fn names(config: &Value, key: &str) -> Vec<String> {
    let entries = config[key].as_array().cloned().unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| entry["name"].as_str().map(String::from))
        .collect()
}

#[tokio::test]
async fn clusters_created_at_once_all_end_in_the_kubeconfig() {
    scenario(async |session| {
        let clusters = [session.name("a"), session.name("b")];
        let (first, second) = tokio::join!(
            session.create(&clusters[0], &[]),
            session.create(&clusters[1], &[])
        );
        first?;
        second?;
        let config: Value = serde_yaml::from_str(&std::fs::read_to_string(session.kubeconfig())?)?;
        for cluster in &clusters {
            let context = format!("k3d-{cluster}");
            ensure!(names(&config, "contexts").contains(&context));
            ensure!(names(&config, "clusters").contains(&context));
            ensure!(names(&config, "users").contains(&format!("admin@{context}")));
            session
                .kubectl(&["--context", &context, "get", "nodes"])
                .await?;
        }
        for cluster in &clusters {
            session.delete(cluster).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_kubeconfig_is_printed_written_and_left_to_others() {
    scenario(async |session| {
        let cluster = session.name("kube");
        let foreign = "apiVersion: v1\nkind: Config\ncurrent-context: mine\nclusters:\n- name: mine\n  cluster: {server: 'https://mine:1'}\n\
                       contexts:\n- name: mine\n  context: {cluster: mine, user: mine}\nusers:\n- name: mine\n  user: {token: t}\n";
        std::fs::write(session.kubeconfig(), foreign)?;
        session
            .create(&cluster, &["--kubeconfig-switch-context=false"])
            .await?;
        let merged: Value =
            serde_yaml::from_str(&std::fs::read_to_string(session.kubeconfig())?)?;
        ensure!(merged["current-context"] == "mine", "{merged}");
        ensure!(names(&merged, "contexts").len() == 2);
        let answer = session
            .k3d(&["kubeconfig", "get", &cluster])
            .env("LOG_LEVEL", "error")
            .succeeds()
            .await?;
        contains(&answer.stdout, "certificate-authority-data")?;
        let printed: Value = serde_yaml::from_str(answer.stdout.trim_start_matches("---\n"))?;
        ensure!(printed["current-context"] == format!("k3d-{cluster}").as_str());
        let answer = session
            .k3d(&["kubeconfig", "write", &cluster])
            .succeeds()
            .await?;
        let path = answer.stdout.trim();
        session.kubectl(&["--kubeconfig", path, "get", "nodes"]).await?;
        session.delete(&cluster).await?;
        let left: Value =
            serde_yaml::from_str(&std::fs::read_to_string(session.kubeconfig())?)?;
        ensure!(names(&left, "contexts") == ["mine"], "{left}");
        let kept = left["users"][0]["user"]["token"].as_str().context("token")?;
        ensure!(kept == "t");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_kubeconfig_is_merged_where_the_user_says() {
    scenario(async |session| {
        let cluster = session.name("merge");
        let context = format!("k3d-{cluster}");
        session
            .create(&cluster, &["--kubeconfig-update-default=false"])
            .await?;
        ensure!(!session.kubeconfig().exists());
        let own = session.home().join("own.yaml").display().to_string();
        let merge = ["kubeconfig", "merge", &cluster];
        let into_own = [&merge[..], &["--output", &own]].concat();
        let answer = session.k3d(&into_own).succeeds().await?;
        ensure!(answer.stdout.trim() == own, "{}", answer.stdout);
        session
            .kubectl(&["--kubeconfig", &own, "--context", &context, "get", "nodes"])
            .await?;
        let printed = [&merge[..], &["-o", "-"]].concat();
        let answer = session.k3d(&printed).succeeds().await?;
        contains(&answer.stdout, "certificate-authority-data")?;
        let default = [&merge[..], &["-d", "--kubeconfig-switch-context"]].concat();
        let both = [&default[..], &["-o", &own]].concat();
        session.k3d(&both).ends_with(1).await?;
        let answer = session.k3d(&default).succeeds().await?;
        let file = session.kubeconfig().display().to_string();
        ensure!(answer.stdout.trim() == file, "{}", answer.stdout);
        session.kubectl(&["get", "nodes"]).await?;
        session.delete(&cluster).await?;
        // What the user named is the user's.
        ensure!(std::fs::read_to_string(&own)?.contains(&context));
        Ok(())
    })
    .await;
}
