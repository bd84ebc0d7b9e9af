//! What k3d does not do: two manners of one binary, plans, changes of running clusters.

use anyhow::{Result, ensure};
use e2e::docker::{Session, scenario};

use super::support::contains;

#[tokio::test]
async fn the_two_names_differ_in_streams_and_exit_codes() {
    scenario(async |session| {
        let wrong = ["cluster", "create", "--no-such-flag"];
        session.k3d(&wrong).ends_with(1).await?;
        session.berth(&wrong).ends_with(2).await?;
        let cluster = session.name("talk");
        let answer = session.create(&cluster, &[]).await?;
        contains(&answer.stdout, "created successfully")?;
        session.remember_volumes().await?;
        let answer = session
            .berth(&["cluster", "delete", &cluster])
            .succeeds()
            .await?;
        ensure!(
            answer.stdout.is_empty(),
            "stdout is data: {}",
            answer.stdout
        );
        contains(&answer.stderr, &cluster)
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_prints_the_plan_and_makes_nothing() {
    scenario(async |session| {
        let cluster = session.name("dry");
        let create = [
            "cluster",
            "create",
            &cluster,
            "--image",
            session.node_image(),
            "--dry-run",
        ];
        let answer = session.berth(&create).succeeds().await?;
        contains(&answer.stdout, &format!("k3d-{cluster}-server-0"))?;
        ensure!(session.engine.containers(&cluster).await?.is_empty());
        ensure!(session.engine.networks(&cluster).await?.is_empty());
        ensure!(session.engine.volumes(&cluster).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn images_of_old_load_balancers_go_with_the_last_cluster_that_used_them() {
    scenario(leaves_no_old_images).await;
}

/// One image of an old load balancer is that of a container, the other one of none.
pub(crate) async fn leaves_no_old_images(session: &Session) -> Result<()> {
    let [used, unused] =
        ["used", "unused"].map(|end| format!("berth-balancer:{}", session.name(end)));
    for image in [&used, &unused] {
        session.engine.make_small_image(image).await?;
    }
    let holder = session.name("holder");
    session
        .engine
        .run(&["create", "--name", &holder, &used])
        .await?;
    let cluster = session.name("new");
    session.create(&cluster, &[]).await?;
    session.delete(&cluster).await?;
    let mark = session.name("");
    ensure!(session.engine.images(&mark).await? == std::slice::from_ref(&used));
    session.engine.run(&["rm", &holder]).await?;
    session.create(&cluster, &[]).await?;
    session.delete(&cluster).await?;
    ensure!(session.engine.images(&mark).await?.is_empty());
    Ok(())
}
