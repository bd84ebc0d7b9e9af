//! A cluster comes and goes over every kind of connection to the engine.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use e2e::docker::faults::socket_of;
use e2e::docker::{EncryptedEngine, Invocation, Session, SshServer, podman_scenario, scenario};

use super::support::{contains, counts};

/// Creates, lists and deletes a cluster with every command changed by `there`.
async fn comes_and_goes(
    session: &Session,
    cluster: &str,
    there: impl Fn(Invocation) -> Invocation,
) -> Result<()> {
    let create = [
        "cluster",
        "create",
        cluster,
        "--image",
        session.node_image(),
    ];
    there(session.k3d(&create)).succeeds().await?;
    session.remember_volumes().await?;
    session.kubectl(&["get", "nodes"]).await?;
    ensure!(counts(session, cluster).await? == [1, 1, 0, 0]);
    let answer = there(session.k3d(&["cluster", "list"])).succeeds().await?;
    contains(&answer.stdout, cluster)?;
    there(session.k3d(&["cluster", "delete", cluster]))
        .succeeds()
        .await?;
    Ok(())
}

/// The engine's socket, which the other connections lead to.
fn socket(session: &Session) -> Result<PathBuf> {
    socket_of(session.engine.settings().host.as_deref())
}

#[tokio::test]
async fn encrypted_tcp() {
    scenario(async |session| {
        let engine = EncryptedEngine::start(&socket(session)?).await?;
        let cluster = session.name("tls");
        comes_and_goes(session, &cluster, |invocation| {
            invocation
                .env("DOCKER_HOST", format!("tcp://{}", engine.address))
                .env("DOCKER_TLS_VERIFY", "1")
                .env("DOCKER_CERT_PATH", engine.certificates())
        })
        .await
    })
    .await;
}

#[tokio::test]
async fn ssh() {
    scenario(async |session| {
        let host = format!("unix://{}", socket(session)?.display());
        let server = SshServer::start(&host).await?;
        let cluster = session.name("ssh");
        comes_and_goes(session, &cluster, |invocation| {
            invocation
                .env("DOCKER_HOST", server.docker_host())
                .env("PATH", session.path_with(&[server.programs()]))
        })
        .await
    })
    .await;
}

#[tokio::test]
async fn a_docker_context() {
    scenario(async |session| {
        let config = session.home().join("docker");
        let folder = config.display().to_string();
        let host = format!("host=unix://{}", socket(session)?.display());
        let create = [
            "--config",
            &folder,
            "context",
            "create",
            "elsewhere",
            "--docker",
            &host,
        ];
        session.engine.run(&create).await?;
        let cluster = session.name("context");
        comes_and_goes(session, &cluster, |invocation| {
            // The context wins only where DOCKER_HOST is empty, as in docker's own client.
            invocation
                .env("DOCKER_HOST", "")
                .env("DOCKER_CONTEXT", "elsewhere")
                .env("DOCKER_CONFIG", &config)
        })
        .await
    })
    .await;
}

#[tokio::test]
async fn podman() {
    podman_scenario(async |session| {
        let cluster = session.name("podman");
        comes_and_goes(session, &cluster, |invocation| invocation).await
    })
    .await;
}
