//! Clusters of the other tool, as far as Docker shows them.

use anyhow::{Result, ensure};
use e2e::docker::{Session, by_hand, scenario};
use e2e::eventually;

use super::support::{SOON, contains, counts, has_nodes, node, resolves};

async fn make(session: &Session, cluster: &str) -> Result<()> {
    by_hand::one_server_one_agent(session, cluster).await?;
    session.remember_volumes().await?;
    let agent = node(cluster, "agent-0");
    eventually("the agent made by hand", SOON, || async {
        let logs = session.engine.run_both(&["logs", &agent]).await?;
        contains(&logs, "Successfully registered node")
    })
    .await
}

#[tokio::test]
async fn a_cluster_made_by_hand_is_listed_used_and_deleted() {
    scenario(async |session| {
        let cluster = session.name("hand");
        make(session, &cluster).await?;
        ensure!(counts(session, &cluster).await? == [1, 1, 1, 1]);
        let list = ["cluster", "list", "--no-headers", "--token", &cluster];
        let answer = session.k3d(&list).succeeds().await?;
        let columns: Vec<&str> = answer.stdout.split_whitespace().collect();
        ensure!(
            columns
                == [
                    cluster.as_str(),
                    "1/1",
                    "1/1",
                    "false",
                    "QwErTyUiOpAsDfGhJkLz"
                ],
            "{columns:?}"
        );
        let answer = session
            .k3d(&["node", "list", "--no-headers", &node(&cluster, "agent-0")])
            .succeeds()
            .await?;
        contains(&answer.stdout, "agent")?;
        session.is_reachable(&cluster).await?;
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_cluster_made_by_hand_is_stopped_started_and_extended() {
    scenario(async |session| {
        let cluster = session.name("ext");
        make(session, &cluster).await?;
        session
            .k3d(&["cluster", "stop", &cluster])
            .succeeds()
            .await?;
        ensure!(counts(session, &cluster).await? == [0, 1, 0, 1]);
        let start = ["cluster", "start", &cluster, "--timeout", "120s"];
        session.k3d(&start).succeeds().await?;
        let merge = [
            "kubeconfig",
            "merge",
            &cluster,
            "--kubeconfig-merge-default",
        ];
        session.k3d(&merge).succeeds().await?;
        has_nodes(session, 2).await?;
        let extra = session.name("more");
        let add = ["node", "create", &extra, "--cluster", &cluster];
        session.k3d(&add).succeeds().await?;
        session.remember_volumes().await?;
        has_nodes(session, 3).await?;
        resolves(session, &format!("k3d-{extra}-0"), "host.k3d.internal").await?;
        let image = format!("{}:local", session.name("image"));
        session.engine.make_small_image(&image).await?;
        let import = ["image", "import", &image, "--cluster", &cluster];
        session.k3d(&import).succeeds().await?;
        let images = session
            .engine
            .exec(&format!("k3d-{extra}-0"), &["ctr", "images", "ls", "-q"])
            .await?;
        contains(&images, &image)?;
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}
