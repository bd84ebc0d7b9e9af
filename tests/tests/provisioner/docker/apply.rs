//! A running cluster is brought to what a file says.

use anyhow::{Result, ensure};
use e2e::docker::{Session, scenario};

use super::support::{counts, has_nodes, node};

fn file(session: &Session, cluster: &str, agents: usize, more: &str) -> Result<String> {
    let path = session.home().join("apply.yaml");
    let text = format!(
        "apiVersion: k3d.io/v1alpha5\nkind: Simple\nmetadata: {{name: {cluster}}}\nservers: 1\nagents: {agents}\nimage: {}\n{more}",
        session.node_image(),
    );
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

/// Container ids and start times: what changes when anything is made anew or started again.
async fn state(session: &Session, cluster: &str) -> Result<Vec<String>> {
    let mut state = Vec::new();
    for name in session.engine.containers(&format!("k3d-{cluster}")).await? {
        let found = session.engine.container(&name).await?;
        state.push(format!(
            "{name} {} {}",
            found["Id"], found["State"]["StartedAt"]
        ));
    }
    Ok(state)
}

#[tokio::test]
async fn a_second_apply_changes_nothing_and_a_third_adds_an_agent() {
    scenario(async |session| {
        let cluster = session.name("apply");
        let path = file(session, &cluster, 1, "")?;
        let apply = ["cluster", "apply", "--config", &path];
        session.berth(&apply).succeeds().await?;
        session.remember_volumes().await?;
        has_nodes(session, 2).await?;
        let before = state(session, &cluster).await?;
        session.berth(&apply).succeeds().await?;
        ensure!(state(session, &cluster).await? == before);
        file(session, &cluster, 2, "")?;
        session.berth(&apply).succeeds().await?;
        ensure!(counts(session, &cluster).await? == [1, 1, 2, 2]);
        has_nodes(session, 3).await?;
        let after = state(session, &cluster).await?;
        ensure!(
            before.iter().all(|line| after.contains(line)),
            "{before:?} {after:?}"
        );
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_registry_joins_a_running_cluster_whose_nodes_run_on() {
    scenario(async |session| {
        let (cluster, registry) = (session.name("join"), session.name("late"));
        let path = file(session, &cluster, 0, "")?;
        let apply = ["cluster", "apply", "--config", &path];
        session.berth(&apply).succeeds().await?;
        let create = [
            "registry",
            "create",
            &registry,
            "--image",
            session.registry_image(),
            "--no-help",
        ];
        session.k3d(&create).succeeds().await?;
        session.remember_volumes().await?;
        let server = node(&cluster, "server-0");
        let before = session.engine.container(&server).await?;
        let full = format!("k3d-{registry}");
        file(
            session,
            &cluster,
            0,
            &format!("registries: {{use: [{full}]}}\n"),
        )?;
        session.berth(&apply).succeeds().await?;
        super::registries::push_and_pull(session, &full, &server).await?;
        let after = session.engine.container(&server).await?;
        ensure!(before["Id"] == after["Id"], "the node was made anew");
        session.berth(&apply).succeeds().await?;
        session.delete(&cluster).await?;
        session
            .k3d(&["registry", "delete", &full])
            .succeeds()
            .await?;
        Ok(())
    })
    .await;
}
