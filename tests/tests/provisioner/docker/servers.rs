//! Several servers with one etcd.

use anyhow::ensure;
use e2e::docker::scenario;
use e2e::eventually;

use super::support::{SOON, counts, has_nodes, node, strings};

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

#[tokio::test]
async fn nodes_join_through_the_balancer_when_the_first_server_is_gone() {
    scenario(async |session| {
        let cluster = session.name("first");
        // A new node is a copy of one with its role, whose address it keeps as long as somebody is there.
        let flags = ["--servers", "3", "--agents", "1"];
        session.create(&cluster, &flags).await?;
        let url = |name: String| async move {
            let inspected = session.engine.container(&name).await?;
            let environment = strings(&inspected["Config"]["Env"]);
            let url = environment
                .iter()
                .find_map(|entry| entry.strip_prefix("K3S_URL="));
            Ok::<_, anyhow::Error>(url.unwrap_or_default().to_string())
        };
        let add = |suffix: &str, role: &'static str| {
            let (name, cluster) = (session.name(suffix), cluster.clone());
            async move {
                let add = [
                    "node",
                    "create",
                    &name,
                    "--role",
                    role,
                    "--cluster",
                    &cluster,
                ];
                session.k3d(&add).succeeds().await?;
                session.remember_volumes().await?;
                url(format!("k3d-{name}-0")).await
            }
        };
        let server = node(&cluster, "server-0");
        let found = add("before", "agent").await?;
        ensure!(found == format!("https://{server}:6443"), "{found}");
        session.k3d(&["node", "delete", &server]).succeeds().await?;
        // The servers that are left may have to choose another leader first.
        eventually("the node to be forgotten", SOON, || {
            let forget = ["delete", "node", &server, "--ignore-not-found"];
            async move { session.kubectl(&forget).await }
        })
        .await?;
        has_nodes(session, 4).await?;
        for (suffix, role, count) in [("agent", "agent", 5), ("server", "server", 6)] {
            let found = add(suffix, role).await?;
            let balancer = node(&cluster, "serverlb");
            ensure!(found == format!("https://{balancer}:6443"), "{found}");
            has_nodes(session, count).await?;
        }
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}
