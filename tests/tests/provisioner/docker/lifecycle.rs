//! Stop, start, restart, more nodes, images.

use anyhow::{Context, Result, ensure};
use e2e::docker::{Session, scenario};
use e2e::eventually;

use super::support::{SOON, coredns_serves, counts, has_nodes, node, resolves};

#[tokio::test]
async fn a_cluster_lives_through_stop_start_more_nodes_and_images() {
    scenario(lives).await;
}

/// A cluster's life from its creation to its end.
pub(crate) async fn lives(session: &Session) -> Result<()> {
    let cluster = session.name("life");
    session
        .create(&cluster, &["--agents", "1", "--wait"])
        .await?;
    session.is_reachable(&cluster).await?;
    coredns_serves(session, "host.k3d.internal").await?;
    has_nodes(session, 2).await?;
    session
        .k3d(&["cluster", "stop", &cluster])
        .succeeds()
        .await?;
    ensure!(counts(session, &cluster).await? == [0, 1, 0, 1]);
    ensure!(session.is_reachable(&cluster).await.is_err());
    let start = ["cluster", "start", &cluster, "--wait", "--timeout", "120s"];
    session.k3d(&start).succeeds().await?;
    session.is_reachable(&cluster).await?;
    coredns_serves(session, "host.k3d.internal").await?;
    has_nodes(session, 2).await?;
    let extra = session.name("extra");
    let add = [
        "node",
        "create",
        &extra,
        "--role",
        "agent",
        "--cluster",
        &cluster,
    ];
    session.k3d(&add).succeeds().await?;
    has_nodes(session, 3).await?;
    ensure!(counts(session, &cluster).await? == [1, 1, 2, 2]);
    let image = import_an_image(session, &cluster).await?;
    for rest in ["server-0", "agent-0"] {
        has_image(session, &node(&cluster, rest), &image).await?;
    }
    has_image(session, &format!("k3d-{extra}-0"), &image).await?;
    coredns_serves(session, "host.k3d.internal").await?;
    for container in [
        node(&cluster, "server-0"),
        node(&cluster, "agent-0"),
        format!("k3d-{extra}-0"),
    ] {
        resolves(session, &container, "host.k3d.internal").await?;
    }
    session.delete(&cluster).await?;
    Ok(())
}

async fn import_an_image(session: &Session, cluster: &str) -> Result<String> {
    let image = format!("{}:local", session.name("image"));
    session.engine.make_small_image(&image).await?;
    let import = ["image", "import", &image, "--cluster", cluster];
    session.k3d(&import).succeeds().await?;
    Ok(image)
}

async fn has_image(session: &Session, container: &str, image: &str) -> Result<()> {
    let images = session
        .engine
        .exec(container, &["ctr", "images", "ls", "-q"])
        .await?;
    let wanted = format!("docker.io/library/{image}");
    ensure!(
        images.lines().any(|name| name == wanted),
        "{container} lacks {wanted}: {images}"
    );
    Ok(())
}

#[tokio::test]
async fn a_restart_keeps_what_was_in_the_cluster() {
    scenario(async |session| {
        let cluster = session.name("again");
        session.create(&cluster, &["--agents", "1"]).await?;
        session
            .kubectl(&["create", "configmap", "kept", "--from-literal=a=b"])
            .await?;
        let server = node(&cluster, "server-0");
        let before = session.engine.container(&server).await?;
        session
            .k3d(&["cluster", "restart", &cluster])
            .succeeds()
            .await?;
        let after = session.engine.container(&server).await?;
        ensure!(before["Id"] == after["Id"]);
        ensure!(before["State"]["StartedAt"] != after["State"]["StartedAt"]);
        session.is_reachable(&cluster).await?;
        session.kubectl(&["get", "configmap", "kept"]).await?;
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn starting_a_cluster_without_coredns_succeeds() {
    scenario(async |session| {
        let cluster = session.name("nodns");
        let flags = ["--k3s-arg", "--disable=coredns@server:*"];
        session.create(&cluster, &flags).await?;
        session
            .k3d(&["cluster", "stop", &cluster])
            .succeeds()
            .await?;
        let start = ["cluster", "start", &cluster, "--timeout", "120s"];
        session.k3d(&start).succeeds().await?;
        session.is_reachable(&cluster).await?;
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn memory_limits_are_what_docker_and_the_node_report() {
    scenario(async |session| {
        let cluster = session.name("memory");
        let flags = [
            "--servers-memory",
            "1g",
            "--agents",
            "1",
            "--agents-memory",
            "1.5g",
        ];
        session.create(&cluster, &flags).await?;
        for (rest, bytes, capacity) in [
            ("server-0", 1_073_741_824_u64, "1073741Ki"),
            ("agent-0", 1_610_612_736, "1610612Ki"),
        ] {
            let name = node(&cluster, rest);
            let inspected = session.engine.container(&name).await?;
            ensure!(inspected["HostConfig"]["Memory"] == bytes, "{name}");
            let node = session.get(&["node", &name]).await?;
            let found = node["status"]["capacity"]["memory"].as_str();
            ensure!(found == Some(capacity), "{name}: {found:?}");
        }
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn aliases_survive_a_restart_that_docker_makes_and_reach_later_nodes() {
    scenario(async |session| {
        let cluster = session.name("alias");
        let flags = [
            "--agents",
            "1",
            "--host-alias",
            "1.2.3.4:db.example,cache.example",
        ];
        session.create(&cluster, &flags).await?;
        let nodes = [node(&cluster, "server-0"), node(&cluster, "agent-0")];
        let names = ["host.k3d.internal", "db.example", "cache.example"];
        for container in &nodes {
            for name in names {
                resolves(session, container, name).await?;
            }
        }
        coredns_serves(session, "db.example").await?;
        // What k3s does at its next start to what k3d put there.
        let forget = r#"{"data": {"NodeHosts": ""}}"#;
        let patch = ["-n", "kube-system", "patch", "configmap", "coredns"];
        session
            .kubectl(&[&patch[..], &["--type", "merge", "--patch", forget]].concat())
            .await?;
        let restart: Vec<&str> = ["restart"]
            .into_iter()
            .chain(nodes.iter().map(String::as_str))
            .collect();
        session.engine.run(&restart).await?;
        for container in &nodes {
            eventually("aliases after docker restart", SOON, || async {
                for name in names {
                    resolves(session, container, name).await?;
                }
                Ok::<_, anyhow::Error>(())
            })
            .await?;
        }
        eventually("the API server after docker restart", SOON, || {
            session.is_reachable(&cluster)
        })
        .await?;
        let extra = session.name("late");
        let add = ["node", "create", &extra, "--cluster", &cluster];
        session.k3d(&add).succeeds().await?;
        session.remember_volumes().await?;
        for name in names {
            resolves(session, &format!("k3d-{extra}-0"), name).await?;
        }
        coredns_serves(session, "host.k3d.internal").await?;
        coredns_serves(session, "db.example").await?;
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_node_is_stopped_started_and_deleted_by_name() {
    scenario(async |session| {
        let cluster = session.name("nodes");
        session.create(&cluster, &["--agents", "2"]).await?;
        let agent = node(&cluster, "agent-1");
        session.k3d(&["node", "stop", &agent]).succeeds().await?;
        ensure!(counts(session, &cluster).await? == [1, 1, 1, 2]);
        // The prefix may be left out.
        let short = agent.strip_prefix("k3d-").context("prefix")?;
        session.k3d(&["node", "start", short]).succeeds().await?;
        ensure!(counts(session, &cluster).await? == [1, 1, 2, 2]);
        session.k3d(&["node", "delete", &agent]).succeeds().await?;
        ensure!(counts(session, &cluster).await? == [1, 1, 1, 1]);
        session
            .k3d(&["node", "delete", &agent])
            .ends_with(1)
            .await?;
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}
