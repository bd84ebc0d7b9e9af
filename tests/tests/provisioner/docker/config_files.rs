//! Clusters from config files.

use anyhow::{Result, ensure};
use e2e::docker::{Session, scenario};

use super::support::{contains, counts, has_nodes, lacks, node};

/// A v1alpha5 file with what k3d's own test touches: volumes with environment variables, values with commas, labels, a
/// registry, an inline registries.yaml.
fn file(session: &Session, cluster: &str, servers: usize, registry: &str) -> String {
    format!(
        r#"apiVersion: k3d.io/v1alpha5
kind: Simple
metadata:
  name: {cluster}
servers: {servers}
agents: 2
image: {image}
volumes:
  - volume: $HOME:/some/path
    nodeFilters: [all]
env:
  - envVar: bar=baz,bob
    nodeFilters: [all]
registries:
  create:
    name: {registry}
    host: "0.0.0.0"
    hostPort: random
    image: {registry_image}
  config: |
    mirrors:
      "my.company.registry":
        endpoint:
          - http://my.company.registry:5000
options:
  k3d:
    wait: true
    timeout: "360s"
    disableLoadbalancer: false
    disableImageVolume: false
  k3s:
    extraArgs:
      - arg: --tls-san=127.0.0.1
        nodeFilters: ["server:*"]
    nodeLabels:
      - label: foo=bar
        nodeFilters: ["server:0", "loadbalancer"]
  kubeconfig:
    updateDefaultKubeconfig: true
    switchCurrentContext: true
  runtime:
    labels:
      - label: foo=bar
        nodeFilters: ["server:0", "loadbalancer"]
"#,
        image = session.node_image(),
        registry_image = session.registry_image(),
    )
}

async fn create(session: &Session, arguments: &[&str]) -> Result<()> {
    let command = [&["cluster", "create"], arguments].concat();
    session.k3d(&command).succeeds().await?;
    session.remember_volumes().await
}

#[tokio::test]
async fn a_config_file_with_three_servers_is_created_and_deleted() {
    scenario(async |session| {
        let (cluster, registry) = (session.name("file"), session.name("reg.localhost"));
        let path = session.home().join("cluster.yaml");
        // The name on the command line wins.
        std::fs::write(&path, file(session, &cluster, 3, &registry))?;
        let path = path.display().to_string();
        create(session, &[&cluster, "--config", &path]).await?;
        session.is_reachable(&cluster).await?;
        has_nodes(session, 5).await?;
        let server = node(&cluster, "server-0");
        contains(
            &session.engine.exec(&server, &["env"]).await?,
            "bar=baz,bob\n",
        )?;
        ensure!(session.engine.label(&server, "foo").await?.as_deref() == Some("bar"));
        let labels = session.get(&["node", &server]).await?;
        ensure!(labels["metadata"]["labels"]["foo"] == "bar", "{labels}");
        session.k3d(&["node", "list", &registry]).succeeds().await?;
        let registries = session
            .engine
            .file(&server, "/etc/rancher/k3s/registries.yaml")
            .await?;
        contains(&registries, "my.company.registry")?;
        contains(&registries, &registry)?;
        let delete = ["cluster", "delete", "--config", &path, "--trace"];
        session.k3d(&delete).succeeds().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_config_file_comes_from_standard_input() {
    scenario(async |session| {
        let (cluster, registry) = (session.name("stdin"), session.name("reg.localhost"));
        let text = file(session, &cluster, 1, &registry);
        let command = ["cluster", "create", "--config=-"];
        session
            .k3d(&command)
            .stdin(text.as_str())
            .succeeds()
            .await?;
        session.remember_volumes().await?;
        session.is_reachable(&cluster).await?;
        has_nodes(session, 3).await?;
        let server = node(&cluster, "server-0");
        contains(
            &session.engine.exec(&server, &["env"]).await?,
            "bar=baz,bob\n",
        )?;
        let delete = ["cluster", "delete", "--config=-"];
        session.k3d(&delete).stdin(text).succeeds().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn flags_win_over_the_config_file() {
    scenario(async |session| {
        let (cluster, registry) = (session.name("flags"), session.name("old.localhost"));
        let other = session.name("new.localhost");
        let path = session.home().join("cluster.yaml");
        std::fs::write(&path, file(session, &cluster, 3, &registry))?;
        let shared = session.home().join("shared");
        std::fs::create_dir(&shared)?;
        let volume = format!("{}:/tmp/test@loadbalancer", shared.display());
        let path = path.display().to_string();
        let flags = [
            "--config",
            &path,
            "--registry-create",
            &other,
            "--servers",
            "1",
            "-v",
            &volume,
            "--env",
            "x=y@agent:1",
        ];
        create(session, &flags).await?;
        has_nodes(session, 3).await?;
        ensure!(counts(session, &cluster).await? == [1, 1, 2, 2]);
        let environment = |rest: &str| {
            let container = node(&cluster, rest);
            async move { session.engine.exec(&container, &["env"]).await }
        };
        contains(&environment("server-0").await?, "bar=baz,bob\n")?;
        contains(&environment("agent-1").await?, "x=y\n")?;
        lacks(&environment("agent-0").await?, "x=y\n")?;
        let server = node(&cluster, "server-0");
        ensure!(session.engine.label(&server, "foo").await?.as_deref() == Some("bar"));
        session.k3d(&["node", "list", &other]).succeeds().await?;
        let missing = node(&cluster, "registry");
        session
            .k3d(&["node", "list", &missing])
            .ends_with(1)
            .await?;
        let registries = session
            .engine
            .file(&server, "/etc/rancher/k3s/registries.yaml")
            .await?;
        contains(&registries, "my.company.registry")?;
        contains(&registries, &other)?;
        lacks(&registries, &missing)?;
        let balancer = session
            .engine
            .container(&node(&cluster, "serverlb"))
            .await?;
        contains(&balancer["HostConfig"]["Binds"].to_string(), "/tmp/test")?;
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}

const VERSION_2: &str = "apiVersion: k3d.io/v1alpha2
kind: Simple
name: moved
servers: 3
agents: 2
volumes:
  - volume: $HOME:/some/path
    nodeFilters: [all]
env:
  - envVar: bar=baz
    nodeFilters: [all]
labels:
  - label: foo=bar
    nodeFilters: ['server[0]', loadbalancer]
registries:
  create: true
  use: []
  config: |
    mirrors:
      \"my.company.registry\":
        endpoint:
          - http://my.company.registry:5000
options:
  k3d:
    wait: true
    timeout: 60s
    disableLoadbalancer: false
    disableImageVolume: false
  k3s:
    extraServerArgs:
      - --tls-san=127.0.0.1
    extraAgentArgs: []
  kubeconfig:
    updateDefaultKubeconfig: true
    switchCurrentContext: true
";

const VERSION_3: &str = "apiVersion: k3d.io/v1alpha3
kind: Simple
name: moved
servers: 3
agents: 2
volumes:
  - volume: $HOME:/some/path
    nodeFilters: [all]
env:
  - envVar: bar=baz
    nodeFilters: [all]
registries:
  create: {name: k3d-moved-registry, host: 0.0.0.0, hostPort: random}
  use: []
  config: |
    mirrors:
      \"my.company.registry\":
        endpoint:
          - http://my.company.registry:5000
options:
  k3d:
    wait: true
    timeout: 60s
    disableLoadbalancer: false
    disableImageVolume: false
  k3s:
    extraArgs:
      - arg: --tls-san=127.0.0.1
        nodeFilters: ['server:*']
  kubeconfig:
    updateDefaultKubeconfig: true
    switchCurrentContext: true
  runtime:
    labels:
      - label: foo=bar
        nodeFilters: ['server:0', loadbalancer]
";

#[tokio::test]
async fn old_config_files_migrate_to_the_same_file() {
    scenario(async |session| {
        let mut migrated = Vec::new();
        for (version, text) in [("2", VERSION_2), ("3", VERSION_3)] {
            let old = session.home().join(format!("old{version}.yaml"));
            let new = session.home().join(format!("new{version}.yaml"));
            std::fs::write(&old, text)?;
            let paths = [old.display().to_string(), new.display().to_string()];
            session
                .k3d(&["config", "migrate", &paths[0], &paths[1]])
                .succeeds()
                .await?;
            migrated.push(std::fs::read_to_string(new)?);
        }
        contains(&migrated[0], "apiVersion: k3d.io/v1alpha5")?;
        contains(&migrated[0], "--tls-san=127.0.0.1")?;
        ensure!(
            migrated[0] == migrated[1],
            "{}\n---\n{}",
            migrated[0],
            migrated[1]
        );
        Ok(())
    })
    .await;
}
