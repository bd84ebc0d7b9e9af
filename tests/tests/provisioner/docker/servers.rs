//! Several servers with one etcd.

use anyhow::ensure;
use e2e::docker::scenario;

use super::support::{counts, has_nodes, node};

#[tokio::test]
async fn three_servers_start_stop_and_start_again() {
    scenario(async |session| {
        let cluster = session.name("three");
        session.create(&cluster, &["--servers", "3"]).await?;
        session.is_reachable(&cluster).await?;
        has_nodes(session, 3).await?;
        for (rest, init) in [
            ("server-0", "true"),
            ("server-1", "false"),
            ("server-2", "false"),
        ] {
            let label = session
                .engine
                .label(&node(&cluster, rest), "k3d.server.init")
                .await?;
            ensure!(label.as_deref() == Some(init), "{rest}: {label:?}");
        }
        session
            .k3d(&["cluster", "stop", &cluster])
            .succeeds()
            .await?;
        ensure!(counts(session, &cluster).await? == [0, 3, 0, 0]);
        let start = ["cluster", "start", &cluster, "--timeout", "360s"];
        session.k3d(&start).succeeds().await?;
        session.is_reachable(&cluster).await?;
        has_nodes(session, 3).await?;
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_server_and_agents_are_added_to_several_servers() {
    scenario(async |session| {
        let cluster = session.name("grow");
        session.create(&cluster, &["--servers", "2"]).await?;
        has_nodes(session, 2).await?;
        let server = session.name("third");
        let add = [
            "node",
            "create",
            &server,
            "--role",
            "server",
            "--cluster",
            &cluster,
        ];
        session.k3d(&add).succeeds().await?;
        has_nodes(session, 3).await?;
        let agents = session.name("hands");
        let add = [
            "node",
            "create",
            &agents,
            "--replicas",
            "2",
            "--cluster",
            &cluster,
        ];
        session.k3d(&add).succeeds().await?;
        has_nodes(session, 5).await?;
        ensure!(counts(session, &cluster).await? == [3, 3, 2, 2]);
        let added = session.engine.container(&format!("k3d-{server}-0")).await?;
        let command = added["Config"]["Cmd"].to_string();
        ensure!(!command.contains("--cluster-init"), "{command}");
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}
