//! Registries: created with a cluster, used by several, pushed to and pulled from.

use anyhow::{Context, Result, ensure};
use e2e::docker::{Session, scenario};
use e2e::eventually;

use super::support::{SOON, contains, has_nodes, lacks, node};

const CERTS: &str = "/var/lib/rancher/k3s/agent/etc/containerd/certs.d";

/// A file with a registry of our image, which no flag of `cluster create` can name.
fn file_with_registry(session: &Session, cluster: &str, registry: &str) -> Result<String> {
    let path = session.home().join(format!("{cluster}.yaml"));
    let text = format!(
        "apiVersion: k3d.io/v1alpha5\nkind: Simple\nmetadata: {{name: {cluster}}}\nservers: 1\nagents: 1\nimage: {}\n\
         registries:\n  create: {{name: {registry}, host: 0.0.0.0, hostPort: random, image: {}}}\n",
        session.node_image(),
        session.registry_image(),
    );
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

pub(crate) async fn push_and_pull(session: &Session, registry: &str, node: &str) -> Result<()> {
    let port = session.engine.host_port(registry, "5000/tcp").await?;
    let pushed = format!("localhost:{port}/small:local");
    let image = format!("{}:push", session.name("image"));
    session.engine.make_small_image(&image).await?;
    session.engine.run(&["tag", &image, &pushed]).await?;
    let outcome = session.engine.run(&["push", &pushed]).await;
    session.engine.run(&["image", "rm", &pushed]).await?;
    outcome?;
    // As the kubelet would have containerd do it: by the name that workloads use, through registries.yaml.
    let name = format!("{registry}:{port}/small:local");
    let pull = ["ctr", "images", "pull", "--hosts-dir", CERTS, &name];
    session.engine.exec(node, &pull).await?;
    Ok(())
}

async fn create_registry(session: &Session, name: &str) -> Result<()> {
    let create = [
        "registry",
        "create",
        name,
        "--image",
        session.registry_image(),
        "--no-help",
    ];
    session.k3d(&create).succeeds().await.map(drop)
}

/// `GET /v2/_catalog`, without a client of our own.
async fn answers(port: u16) -> Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream
        .write_all(b"GET /v2/_catalog HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    contains(&answer, "repositories")
}

#[tokio::test]
async fn a_registry_made_with_the_cluster_is_advertised_and_pulled_from() {
    scenario(serves).await;
}

/// A cluster with a registry of its own, which is pushed to from outside and pulled from inside.
pub(crate) async fn serves(session: &Session) -> Result<()> {
    let (cluster, registry) = (session.name("reg"), session.name("store"));
    let path = file_with_registry(session, &cluster, &registry)?;
    session
        .k3d(&["cluster", "create", "--config", &path])
        .succeeds()
        .await?;
    session.remember_volumes().await?;
    has_nodes(session, 2).await?;
    let map = session
        .get(&["-n", "kube-public", "configmap", "local-registry-hosting"])
        .await?;
    let hosting = map["data"]["localRegistryHosting.v1"]
        .as_str()
        .context("no document")?;
    let port = session.engine.host_port(&registry, "5000/tcp").await?;
    contains(hosting, &format!("host: localhost:{port}"))?;
    contains(hosting, &format!("hostFromClusterNetwork: {registry}:5000"))?;
    push_and_pull(session, &registry, &node(&cluster, "agent-0")).await?;
    session.delete(&cluster).await?;
    Ok(())
}

#[tokio::test]
async fn a_registry_is_used_by_its_short_name_and_outlives_the_cluster() {
    scenario(async |session| {
        let cluster = session.name("use");
        // With the cluster's name and `-registry` it looks like the default name of a registry made with the cluster.
        let short = format!("{cluster}-registry");
        create_registry(session, &short).await?;
        let registry = format!("k3d-{short}");
        let port = session.engine.host_port(&registry, "5000/tcp").await?;
        session
            .create(&cluster, &["--agents", "1", "--registry-use", &short])
            .await?;
        has_nodes(session, 2).await?;
        eventually("the registry's answer", SOON, || answers(port)).await?;
        push_and_pull(session, &registry, &node(&cluster, "agent-0")).await?;
        session.delete(&cluster).await?;
        answers(port).await?;
        session
            .k3d(&["registry", "delete", &registry])
            .succeeds()
            .await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_registry_of_two_clusters_survives_the_end_of_one() {
    scenario(async |session| {
        let (first, second) = (session.name("a"), session.name("b"));
        let registry = session.name("both");
        create_registry(session, &registry).await?;
        let full = format!("k3d-{registry}");
        for cluster in [&first, &second] {
            session.create(cluster, &["--registry-use", &full]).await?;
        }
        session.delete(&first).await?;
        let found = session.engine.container(&full).await?;
        ensure!(found["State"]["Running"] == true);
        let networks = found["NetworkSettings"]["Networks"].to_string();
        lacks(&networks, &first)?;
        contains(&networks, &second)?;
        push_and_pull(session, &full, &node(&second, "server-0")).await?;
        session.delete(&second).await?;
        session
            .k3d(&["registry", "delete", &full])
            .succeeds()
            .await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn registries_are_listed_and_a_taken_name_is_refused() {
    scenario(async |session| {
        let registry = session.name("listed");
        create_registry(session, &registry).await?;
        let full = format!("k3d-{registry}");
        let list = session
            .k3d(&["registry", "list", "--no-headers"])
            .succeeds()
            .await?;
        let line = list.stdout.lines().find(|line| line.starts_with(&full));
        contains(line.context("not listed")?, "registry")?;
        let create = [
            "registry",
            "create",
            &registry,
            "--image",
            session.registry_image(),
        ];
        session.k3d(&create).ends_with(1).await?;
        session.remember_volumes().await?;
        session
            .k3d(&["registry", "delete", &registry])
            .succeeds()
            .await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_registry_is_made_into_a_running_cluster() {
    scenario(async |session| {
        let (cluster, registry) = (session.name("old"), session.name("young"));
        session.create(&cluster, &[]).await?;
        let create = ["registry", "create", &registry, "--cluster", &cluster];
        let image = ["--image", session.registry_image()];
        let answer = session
            .k3d(&[&create[..], &image].concat())
            .succeeds()
            .await?;
        contains(&answer.stdout, &format!("k3d-{registry}"))?;
        session.remember_volumes().await?;
        let full = format!("k3d-{registry}");
        let found = session.engine.container(&full).await?;
        let networks = found["NetworkSettings"]["Networks"].to_string();
        contains(&networks, &format!("k3d-{cluster}"))?;
        let server = node(&cluster, "server-0");
        let address = format!("http://{full}:5000/v2/_catalog");
        eventually("the registry, by its name", SOON, || async {
            let get = ["wget", "-q", "-O", "-", &address];
            contains(&session.engine.exec(&server, &get).await?, "repositories")
        })
        .await?;
        let delete = ["registry", "delete", &full];
        session.k3d(&delete).succeeds().await?;
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_registry_for_a_cluster_that_is_not_there_is_not_made() {
    scenario(async |session| {
        let (cluster, registry) = (session.name("none"), session.name("lost"));
        let create = ["registry", "create", &registry, "--cluster", &cluster];
        let image = ["--image", session.registry_image()];
        let answer = session
            .k3d(&[&create[..], &image].concat())
            .ends_with(1)
            .await?;
        contains(&answer.text(), &cluster)
    })
    .await;
}
