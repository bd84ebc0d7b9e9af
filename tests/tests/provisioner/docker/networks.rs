//! Networks: managed addresses, networks that were there before.

use anyhow::{Result, ensure};
use e2e::docker::{Session, scenario};

use super::support::{counts, has_nodes, node};

/// A range that no other test takes, as long as processes differ by less than 200.
fn subnet() -> String {
    format!("172.{}.0.0/16", 40 + std::process::id() % 200)
}

async fn address(session: &Session, cluster: &str) -> Result<String> {
    let server = session.engine.container(&node(cluster, "server-0")).await?;
    let network = &server["NetworkSettings"]["Networks"][format!("k3d-{cluster}")];
    let part = |key: &str| network[key].to_string().trim_matches('"').to_string();
    Ok(format!("{}/{}", part("IPAddress"), part("IPPrefixLen")))
}

#[tokio::test]
async fn a_given_subnet_gives_servers_addresses_that_stay() {
    scenario(async |session| {
        let (cluster, subnet) = (session.name("ipam"), subnet());
        let base = subnet.trim_end_matches("0.0/16").to_string();
        session.create(&cluster, &["--subnet", &subnet]).await?;
        let network = session
            .engine
            .inspect("network", &format!("k3d-{cluster}"))
            .await?;
        let ipam = &network["IPAM"]["Config"][0];
        ensure!(ipam["Subnet"] == subnet.as_str(), "{ipam}");
        ensure!(ipam["Gateway"] == format!("{base}0.1").as_str(), "{ipam}");
        let expected = format!("{base}0.3/16");
        ensure!(address(session, &cluster).await? == expected);
        for (key, value) in [
            ("k3d.cluster.network.iprange", subnet.clone()),
            ("k3d.node.staticIP", format!("{base}0.3")),
        ] {
            let label = session
                .engine
                .label(&node(&cluster, "server-0"), key)
                .await?;
            ensure!(label.as_deref() == Some(value.as_str()), "{key}: {label:?}");
        }
        session
            .k3d(&["cluster", "stop", &cluster])
            .succeeds()
            .await?;
        session
            .k3d(&["cluster", "start", &cluster])
            .succeeds()
            .await?;
        ensure!(address(session, &cluster).await? == expected);
        session.is_reachable(&cluster).await?;
        session.delete(&cluster).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_network_that_was_there_before_stays() {
    scenario(async |session| {
        let (cluster, network) = (session.name("guest"), session.name("theirs"));
        session.engine.run(&["network", "create", &network]).await?;
        session.create(&cluster, &["--network", &network]).await?;
        let server = node(&cluster, "server-0");
        let external = session
            .engine
            .label(&server, "k3d.cluster.network.external")
            .await?;
        ensure!(external.as_deref() == Some("true"), "{external:?}");
        ensure!(counts(session, &cluster).await? == [1, 1, 0, 0]);
        session.delete(&cluster).await?;
        ensure!(session.engine.networks(&network).await? == std::slice::from_ref(&network));
        session.engine.run(&["network", "rm", &network]).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_node_is_in_all_its_networks_from_the_start() {
    scenario(joins).await;
}

/// An agent in the cluster's network and in another one, which engines before API 1.44 take one after the other.
pub(crate) async fn joins(session: &Session) -> Result<()> {
    let (cluster, other, extra) = (
        session.name("nets"),
        session.name("other"),
        session.name("both"),
    );
    session.engine.run(&["network", "create", &other]).await?;
    session.create(&cluster, &[]).await?;
    let add = ["node", "create", &extra, "--cluster", &cluster];
    let networks = ["--network", &other];
    session
        .k3d(&[&add[..], &networks].concat())
        .succeeds()
        .await?;
    session.remember_volumes().await?;
    has_nodes(session, 2).await?;
    let agent = session.engine.container(&format!("k3d-{extra}-0")).await?;
    for network in [format!("k3d-{cluster}"), other.clone()] {
        let joined = &agent["NetworkSettings"]["Networks"][&network];
        let address = joined["IPAddress"].as_str().unwrap_or_default();
        ensure!(!address.is_empty(), "{network}: {joined}");
    }
    session.delete(&cluster).await?;
    session.engine.run(&["network", "rm", &other]).await?;
    Ok(())
}
