//! Every request that changes something fails once; nothing of the attempt stays.

use anyhow::{Result, ensure};
use e2e::docker::faults::socket_of;
use e2e::docker::{FaultyEngine, Session, scenario};
use e2e::eventually;

use super::support::{SOON, contains};

/// What a session has in the engine: the names of its containers, networks and volumes.
type Inventory = [Vec<String>; 3];

async fn inventory(session: &Session) -> Result<Inventory> {
    let mark = session.name("");
    Ok([
        session.engine.containers(&mark).await?,
        session.engine.networks(&mark).await?,
        session.engine.volumes(&mark).await?,
    ])
}

/// Creates a cluster while the engine refuses one change. Whether there were so many changes at all.
async fn refuse(session: &Session, number: usize, cluster: &str, create: &[&str]) -> Result<bool> {
    let before = inventory(session).await?;
    let socket = socket_of(session.engine.settings().host.as_deref())?;
    let engine = FaultyEngine::start(&socket, number)?;
    let answer = session
        .k3d(create)
        .env("DOCKER_HOST", engine.docker_host())
        .run()
        .await?;
    let reached = engine.changes() >= number;
    if answer.code == Some(0) {
        // Nothing was refused, or what was refused is not needed: the cluster works.
        eventually("the API server", SOON, || session.is_reachable(cluster)).await?;
        session.delete(cluster).await?;
    } else {
        ensure!(
            reached,
            "failed without being refused anything: {}",
            answer.stderr
        );
        ensure!(answer.code == Some(1), "{:?}", answer.code);
        contains(&answer.text(), "refused by the test")?;
    }
    let after = inventory(session).await?;
    ensure!(
        after == before,
        "change {number} was refused, {before:?} became {after:?}\n{}",
        answer.text()
    );
    Ok(reached)
}

/// Refuses one change after the other until all were refused once; `least` guards against a count that counts nothing.
async fn refuse_each(
    session: &Session,
    least: usize,
    mut create: impl FnMut(&str) -> Result<Vec<String>>,
) -> Result<()> {
    for number in 1..100 {
        let cluster = session.name(&format!("step{number}"));
        let arguments = create(&cluster)?;
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        if !refuse(session, number, &cluster, &arguments).await? {
            ensure!(number > least, "only {number} changes: were they counted?");
            return Ok(());
        }
    }
    anyhow::bail!("one creation takes no hundred changes")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn whichever_change_the_engine_refuses_nothing_stays() {
    scenario(async |session| {
        let image = session.node_image().to_owned();
        refuse_each(session, 8, |cluster| {
            let create = ["cluster", "create", cluster, "--image", &image];
            Ok(words(&[&create[..], &["--timeout", "120s"]].concat()))
        })
        .await
    })
    .await;
}

/// Waiting is the other test's; here are the changes until everything runs.
#[tokio::test]
async fn whichever_change_a_larger_creation_is_refused_nothing_stays() {
    scenario(async |session| {
        let volume = session.name("theirs");
        session.engine.run(&["volume", "create", &volume]).await?;
        refuse_each(session, 15, |cluster| {
            let path = session.home().join(format!("{cluster}.yaml"));
            std::fs::write(&path, larger(session, cluster, &volume))?;
            let path = path.display().to_string();
            Ok(words(&[
                "cluster",
                "create",
                "--config",
                &path,
                "--wait=false",
            ]))
        })
        .await?;
        session.engine.run(&["volume", "rm", &volume]).await?;
        Ok(())
    })
    .await;
}

/// A server, an agent, a load balancer and a registry; the agent mounts a volume that was there before.
fn larger(session: &Session, cluster: &str, volume: &str) -> String {
    format!(
        "apiVersion: k3d.io/v1alpha5\nkind: Simple\nmetadata: {{name: {cluster}}}\nservers: 1\nagents: 1\nimage: {}\n\
         volumes: [{{volume: '{volume}:/data', nodeFilters: ['agent:0']}}]\n\
         ports: [{{port: '0.0.0.0:0:80', nodeFilters: [loadbalancer]}}]\n\
         registries:\n  create: {{name: {cluster}-store, host: 0.0.0.0, hostPort: random, image: {}}}\n",
        session.node_image(),
        session.registry_image(),
    )
}
