//! Creating, listing and deleting.

use anyhow::ensure;
use e2e::docker::scenario;

use super::support::{contains, counts, has_nodes, node};

#[tokio::test]
async fn two_clusters_stand_side_by_side_and_are_deleted() {
    scenario(async |session| {
        let (first, second) = (session.name("one"), session.name("two"));
        let wait = ["--wait", "--timeout", "120s"];
        let environment = ["--env", r"TEST_VAR=user\@pass\\@server:0"];
        session
            .create(&first, &[&wait[..], &environment].concat())
            .await?;
        session.create(&second, &wait).await?;
        let list = ["cluster", "list", "--no-headers", &first, &second];
        let answer = session
            .k3d(&list)
            .env("LOG_LEVEL", "warn")
            .succeeds()
            .await?;
        ensure!(answer.stdout.lines().count() == 2, "{}", answer.stdout);
        session.is_reachable(&first).await?;
        session.is_reachable(&second).await?;
        let server = node(&first, "server-0");
        let environment = session.engine.exec(&server, &["env"]).await?;
        contains(&environment, "TEST_VAR=user@pass\\\n")?;
        for cluster in [&first, &second] {
            let answer = session
                .k3d(&["cluster", "get", cluster, "--token"])
                .succeeds()
                .await?;
            contains(&answer.stdout, "TOKEN")?;
            let token = session
                .engine
                .label(&node(cluster, "server-0"), "k3d.cluster.token")
                .await?;
            contains(&answer.stdout, &token.unwrap_or_default())?;
        }
        session.delete(&first).await?;
        session.delete(&second).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_second_create_of_a_name_touches_nothing() {
    scenario(async |session| {
        let cluster = session.name("twice");
        session.create(&cluster, &[]).await?;
        let before = session
            .engine
            .container(&node(&cluster, "server-0"))
            .await?;
        let create = [
            "cluster",
            "create",
            &cluster,
            "--image",
            session.node_image(),
        ];
        let answer = session.k3d(&create).ends_with(1).await?;
        contains(&answer.stderr, "already exists")?;
        let after = session
            .engine
            .container(&node(&cluster, "server-0"))
            .await?;
        ensure!(
            before["Id"] == after["Id"]
                && before["State"]["StartedAt"] == after["State"]["StartedAt"]
        );
        ensure!(counts(session, &cluster).await? == [1, 1, 0, 0]);
        session.delete(&cluster).await?;
        let again = session.delete(&cluster).await?;
        contains(&again.text(), &cluster)
    })
    .await;
}

#[tokio::test]
async fn without_a_load_balancer_the_first_server_takes_the_api_port() {
    scenario(async |session| {
        let cluster = session.name("nolb");
        session
            .create(&cluster, &["--no-lb", "--agents", "1"])
            .await?;
        has_nodes(session, 2).await?;
        let server = node(&cluster, "server-0");
        let published = session.engine.published(&server).await?;
        ensure!(published == ["6443/tcp"], "{published:?}");
        ensure!(
            session
                .engine
                .containers(&node(&cluster, "serverlb"))
                .await?
                .is_empty()
        );
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}
