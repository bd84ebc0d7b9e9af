//! What goes wrong, and that nothing of it stays.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::docker::{Session, scenario};
use e2e::eventually;

use super::support::{SOON, contains, node};

/// A script that runs in the first server before k3s does, whatever image that is.
fn before_k3s(session: &Session, text: &str) -> Result<String> {
    let script = session.home().join("before-k3s.sh");
    std::fs::write(&script, format!("#!/bin/sh\n{text}\n"))?;
    std::fs::set_permissions(&script, Permissions::from_mode(0o755))?;
    let target = "/bin/k3d-entrypoint-a-test.sh";
    Ok(format!("{}:{target}@server:0", script.display()))
}

fn never_ready(session: &Session) -> Result<String> {
    before_k3s(session, "sleep 600")
}

#[tokio::test]
async fn an_image_that_is_not_there_leaves_nothing_behind() {
    scenario(async |session| {
        let cluster = session.name("noimage");
        let image = format!("localhost:9/{cluster}:none");
        let create = ["cluster", "create", &cluster, "--image", &image];
        let answer = session.k3d(&create).ends_with(1).await?;
        contains(&answer.stderr, &image)?;
        ensure!(session.engine.containers(&cluster).await?.is_empty());
        ensure!(session.engine.networks(&cluster).await?.is_empty());
        ensure!(session.engine.volumes(&cluster).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn without_rollback_the_remains_stay_until_they_are_deleted() {
    scenario(async |session| {
        let cluster = session.name("remains");
        let create = [
            "cluster",
            "create",
            &cluster,
            "--image",
            session.node_image(),
            "--volume",
            &never_ready(session)?,
            "--timeout",
            "5s",
            "--no-rollback",
        ];
        session.k3d(&create).ends_with(1).await?;
        let kept = session.engine.containers(&cluster).await?;
        ensure!(kept.contains(&node(&cluster, "server-0")), "{kept:?}");
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_node_that_crashes_for_ever_ends_the_create_with_its_last_words() {
    scenario(async |session| {
        let cluster = session.name("crash");
        let create = [
            "cluster",
            "create",
            &cluster,
            "--image",
            session.node_image(),
            "--volume",
            &before_k3s(session, "echo level=fatal: no disk today; exit 1")?,
            "--timeout",
            "120s",
        ];
        let answer = session
            .k3d(&create)
            .env("K3D_DEBUG_NODE_WAIT_BACKOFF_LIMIT", "2")
            .ends_with(1)
            .await?;
        contains(&answer.text(), "no disk today")?;
        contains(&answer.text(), "never said")
    })
    .await;
}

#[tokio::test]
async fn a_node_that_crashes_once_does_not_fail_the_create() {
    scenario(async |session| {
        let cluster = session.name("once");
        let once = "[ -e /crashed ] || { touch /crashed; echo level=fatal; exit 1; }";
        session
            .create(&cluster, &["--volume", &before_k3s(session, once)?])
            .await?;
        session.is_reachable(&cluster).await?;
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_create_that_takes_too_long_is_rolled_back() {
    scenario(async |session| {
        let cluster = session.name("slow");
        let create = [
            "cluster",
            "create",
            &cluster,
            "--image",
            session.node_image(),
            "--volume",
            &never_ready(session)?,
            "--timeout",
            "5s",
        ];
        session.k3d(&create).ends_with(1).await?;
        ensure!(session.engine.containers(&cluster).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_create_that_was_killed_is_deleted() {
    scenario(async |session| {
        let cluster = session.name("killed");
        let create = [
            "cluster",
            "create",
            &cluster,
            "--image",
            session.node_image(),
            "--agents",
            "1",
            "--volume",
            &never_ready(session)?,
        ];
        let mut child = session.k3d(&create).spawn()?;
        let server = node(&cluster, "server-0");
        eventually("the first server", SOON, || async {
            let inspected = session.engine.container(&server).await?;
            ensure!(inspected["State"]["Running"] == true, "not running");
            Ok::<_, anyhow::Error>(())
        })
        .await?;
        child.kill().await?;
        session.delete(&cluster).await?;
        ensure!(session.engine.containers(&cluster).await?.is_empty());
        ensure!(session.engine.networks(&cluster).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_interrupted_create_rolls_back() {
    scenario(async |session| {
        let cluster = session.name("ctrlc");
        let create = [
            "cluster",
            "create",
            &cluster,
            "--image",
            session.node_image(),
            "--volume",
            &never_ready(session)?,
        ];
        let mut child = session.k3d(&create).spawn()?;
        let server = node(&cluster, "server-0");
        eventually("the first server", SOON, || {
            session.engine.container(&server)
        })
        .await?;
        session.remember_volumes().await?;
        let id = child.id().unwrap_or_default().to_string();
        let signal = tokio::process::Command::new("kill")
            .args(["-INT", &id])
            .status()
            .await?;
        ensure!(signal.success());
        let status = tokio::time::timeout(Duration::from_secs(60), child.wait()).await??;
        ensure!(!status.success(), "{status}");
        ensure!(session.engine.containers(&cluster).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_unknown_cluster_is_an_error_but_its_deletion_is_not() {
    scenario(async |session| {
        let cluster = session.name("nobody");
        for command in [
            &["cluster", "start", &cluster][..],
            &["cluster", "stop", &cluster],
            &["cluster", "list", &cluster],
            &["kubeconfig", "get", &cluster],
        ] {
            session.k3d(command).ends_with(1).await?;
        }
        let answer = session.delete(&cluster).await?;
        contains(&answer.text(), &cluster)
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_named() {
    scenario(async |session| {
        for (name, code) in [("k3d", 1), ("berth", 1)] {
            let list = ["cluster", "list"];
            let invocation = if name == "k3d" {
                session.k3d(&list)
            } else {
                session.berth(&list)
            };
            let socket = session.home().join("nobody.sock");
            let answer = invocation
                .env("DOCKER_HOST", format!("unix://{}", socket.display()))
                .ends_with(code)
                .await?;
            contains(&answer.stderr, "nobody.sock")?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn of_two_creates_of_one_name_at_once_one_wins() {
    scenario(async |session| {
        let cluster = session.name("race");
        let create = [
            "cluster",
            "create",
            &cluster,
            "--image",
            session.node_image(),
        ];
        let (first, second) = tokio::join!(session.k3d(&create).run(), session.k3d(&create).run());
        let codes = [first?.code, second?.code];
        session.remember_volumes().await?;
        ensure!(
            codes.contains(&Some(0)) && codes.contains(&Some(1)),
            "{codes:?}"
        );
        session.is_reachable(&cluster).await?;
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}
