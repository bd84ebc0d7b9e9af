//! Every request that changes something fails once; nothing of the attempt stays.

use anyhow::{Result, ensure};
use e2e::docker::faults::socket_of;
use e2e::docker::{FaultyEngine, Session, scenario};

use super::support::contains;

/// Creates a cluster while the engine refuses one change. Whether there were so many changes at all.
async fn refuse(session: &Session, number: usize) -> Result<bool> {
    let cluster = session.name(&format!("step{number}"));
    let socket = socket_of(session.engine.settings().host.as_deref())?;
    let engine = FaultyEngine::start(&socket, number)?;
    let create = [
        "cluster",
        "create",
        &cluster,
        "--image",
        session.node_image(),
        "--timeout",
        "120s",
    ];
    let answer = session
        .k3d(&create)
        .env("DOCKER_HOST", engine.docker_host())
        .run()
        .await?;
    let reached = engine.changes() >= number;
    if answer.code == Some(0) {
        // Nothing was refused, or what was refused is not needed: the cluster works.
        session.is_reachable(&cluster).await?;
        session.delete(&cluster).await?;
    } else {
        ensure!(
            reached,
            "failed without being refused anything: {}",
            answer.stderr
        );
        ensure!(answer.code == Some(1), "{:?}", answer.code);
        contains(&answer.text(), "refused by the test")?;
    }
    for (kind, left) in [
        ("containers", session.engine.containers(&cluster).await?),
        ("networks", session.engine.networks(&cluster).await?),
        ("volumes", session.engine.volumes(&cluster).await?),
    ] {
        ensure!(
            left.is_empty(),
            "change {number} was refused, {kind} stayed: {left:?}\n{}",
            answer.text()
        );
    }
    Ok(reached)
}

#[tokio::test]
async fn whichever_change_the_engine_refuses_nothing_stays() {
    scenario(async |session| {
        let mut number = 1;
        while refuse(session, number).await? {
            number += 1;
            ensure!(
                number < 100,
                "a cluster of one server takes no hundred changes"
            );
        }
        ensure!(number > 8, "only {number} changes: were they counted?");
        Ok(())
    })
    .await;
}
