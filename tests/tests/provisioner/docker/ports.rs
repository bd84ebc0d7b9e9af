//! Published ports and the load balancer.

use anyhow::{Context, Result, ensure};
use e2e::docker::{Session, scenario};
use e2e::process::free_ports;
use serde_json::Value;

use super::support::{node, strings};

async fn balancer_config(session: &Session, cluster: &str) -> Result<Value> {
    let get = ["debug", "loadbalancer", "get-config", cluster];
    let answer = session
        .k3d(&get)
        .env("LOG_LEVEL", "error")
        .succeeds()
        .await?;
    serde_yaml::from_str(&answer.stdout).with_context(|| format!("not YAML: {}", answer.stdout))
}

#[tokio::test]
async fn port_mappings_go_to_the_balancer_or_straight_to_a_node() {
    scenario(async |session| {
        let cluster = session.name("ports");
        let hosts: [u16; 5] = free_ports()?;
        let mappings = [
            format!("{}:3333@server:0", hosts[0]),
            format!("{}:80@server:0:proxy", hosts[1]),
            format!("{}:4321/tcp@agent:0:direct", hosts[2]),
            format!("{}:5555@loadbalancer:0:proxy", hosts[3]),
            format!("{}:7777", hosts[4]),
        ];
        let mut flags = vec!["--agents", "1"];
        for mapping in &mappings {
            flags.extend(["-p", mapping]);
        }
        session.create(&cluster, &flags).await?;
        let (balancer, server, agent) = (
            node(&cluster, "serverlb"),
            node(&cluster, "server-0"),
            node(&cluster, "agent-0"),
        );
        let published = session.engine.published(&balancer).await?;
        ensure!(
            published == ["3333/tcp", "5555/tcp", "6443/tcp", "7777/tcp", "80/tcp"],
            "{published:?}"
        );
        let published = session.engine.published(&agent).await?;
        ensure!(published == ["4321/tcp"], "{published:?}");
        let published = session.engine.published(&server).await?;
        ensure!(published.is_empty(), "{published:?}");
        let config = balancer_config(session, &cluster).await?;
        let ports = &config["ports"];
        ensure!(strings(&ports["80.tcp"]) == [server.clone()], "{config}");
        ensure!(strings(&ports["3333.tcp"]) == [server.clone()], "{config}");
        for port in ["5555.tcp", "7777.tcp"] {
            let mut names = strings(&ports[port]);
            names.sort();
            ensure!(names == [agent.clone(), server.clone()], "{port}: {config}");
        }
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn ports_are_added_to_and_taken_from_a_running_balancer() {
    scenario(async |session| {
        let cluster = session.name("edit");
        let [first, second]: [u16; 2] = free_ports()?;
        let initial = format!("{first}:2222@loadbalancer");
        session.create(&cluster, &["-p", &initial]).await?;
        let balancer = node(&cluster, "serverlb");
        let (known, added) = (format!("{first}:2222"), format!("{second}:4444"));
        let edit = [
            "node",
            "edit",
            &balancer,
            "--port-add",
            &known,
            "--port-add",
            &added,
        ];
        session.remember_volumes().await?;
        session.k3d(&edit).succeeds().await?;
        ensure!(session.engine.host_port(&balancer, "2222/tcp").await? == first);
        ensure!(session.engine.host_port(&balancer, "4444/tcp").await? == second);
        session.is_reachable(&cluster).await?;
        session.remember_volumes().await?;
        let edit = ["node", "edit", &balancer, "--port-delete", &known];
        session.k3d(&edit).succeeds().await?;
        let published = session.engine.published(&balancer).await?;
        ensure!(published == ["4444/tcp", "6443/tcp"], "{published:?}");
        session.is_reachable(&cluster).await?;
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}
