//! Images of private registries.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::docker::{Session, scenario};
use e2e::eventually;

/// User `tester`, password `correct-horse`.
const USERS: &str = "tester:$2b$04$aLpYH55ltg9wgdmH6URnMO2CRP7gZl8hLDRayOZ6ylEOps14bzd96\n";

/// A registry that lets nobody in without a password; its address.
async fn private_registry(session: &Session, name: &str) -> Result<String> {
    let users = session.home().join("users");
    std::fs::write(&users, USERS)?;
    let mount = format!("{}:/users:ro", users.display());
    let run = [
        "run",
        "--detach",
        "--name",
        name,
        "--publish",
        "127.0.0.1::5000",
        "--volume",
        &mount,
        "--env",
        "REGISTRY_AUTH=htpasswd",
        "--env",
        "REGISTRY_AUTH_HTPASSWD_REALM=test",
        "--env",
        "REGISTRY_AUTH_HTPASSWD_PATH=/users",
        session.registry_image(),
    ];
    session.engine.run(&run).await?;
    session.remember_volumes().await?;
    let port = session.engine.host_port(name, "5000/tcp").await?;
    Ok(format!("localhost:{port}"))
}

#[tokio::test]
async fn an_image_of_a_private_registry_is_pulled_with_the_credentials_of_docker_login() {
    scenario(async |session| {
        let private = session.name("private");
        let address = private_registry(session, &private).await?;
        let config = session.home().join(".docker");
        let folder = config.display().to_string();
        let login = [
            "--config",
            &folder,
            "login",
            "--username",
            "tester",
            "--password-stdin",
            &address,
        ];
        eventually("docker login", Duration::from_secs(30), || {
            session
                .engine
                .run_with_stdin(&login, Some(b"correct-horse"))
        })
        .await?;
        let image = format!("{address}/{}:1", session.name("hidden"));
        session
            .engine
            .run(&["tag", session.registry_image(), &image])
            .await?;
        let pushed = session
            .engine
            .run(&["--config", &folder, "push", &image])
            .await;
        session.engine.run(&["image", "rm", &image]).await?;
        pushed?;
        let name = session.name("pulled");
        let create = ["registry", "create", &name, "--image", &image, "--no-help"];
        let nowhere = session.home().join("nowhere");
        let refused = session
            .k3d(&create)
            .env("DOCKER_CONFIG", &nowhere)
            .ends_with(1)
            .await?;
        ensure!(refused.stderr.contains(&image), "{}", refused.stderr);
        ensure!(session.engine.containers(&name).await?.is_empty());
        let made = session
            .k3d(&create)
            .env("DOCKER_CONFIG", &config)
            .succeeds()
            .await?;
        ensure!(!made.text().contains("correct-horse"));
        session.remember_volumes().await?;
        session
            .k3d(&["registry", "delete", &name])
            .succeeds()
            .await?;
        session.engine.run(&["image", "rm", &image]).await?;
        session
            .engine
            .run(&["rm", "--force", "--volumes", &private])
            .await?;
        Ok(())
    })
    .await;
}
