//! What takes milliseconds: `cluster list` with many clusters, and the start of the program.

use anyhow::{Result, bail};
use docker::models::NetworkCreateRequest;
use provisioner::config::CreateFlags;
use provisioner::names;
use provisioner::payload::{self, NetworkFacts};
use provisioner::run;
use provisioner::step::Step;

use super::ground::Ground;
use super::planning::Planner;
use super::table::{Lane, Row};
use super::{image, tell};

/// So short a time is taken so many times as often as the others.
const MORE: usize = 10;

pub(crate) async fn start(ground: &Ground, runs: usize) -> Result<Row> {
    tell("start of the program");
    let mut lanes = Lane::of_all(ground);
    for _ in 0..runs * MORE {
        for lane in &mut lanes {
            lane.add(ground.time(lane.tool, &["version"]).await)?;
        }
    }
    Ok(Row::of("start: `version`", &lanes, "limit 10 ms"))
}

pub(crate) async fn list(ground: &Ground, clusters: usize, runs: usize) -> Result<Row> {
    tell(&format!("list with {clusters} clusters"));
    Box::pin(make(ground, clusters)).await?;
    let output = ground
        .command(ground.berth(), &["cluster", "list", "--no-headers"])
        .output()
        .await?;
    let listed = String::from_utf8_lossy(&output.stdout);
    let listed = listed
        .lines()
        .filter(|it| it.starts_with(&ground.name("list")));
    if listed.count() != clusters {
        bail!("not all of the {clusters} clusters are listed");
    }
    let mut lanes = Lane::of_all(ground);
    for _ in 0..runs * MORE {
        for lane in &mut lanes {
            lane.add(ground.time(lane.tool, &["cluster", "list"]).await)?;
        }
    }
    let label = format!("{}={}", names::LABEL_APP, names::APP);
    let containers = ground.engine.containers(&[&label]).await?.len();
    ground.clear().await?;
    let what = format!("list, {clusters} clusters (of {containers} containers)");
    Ok(Row::of(&what, &lanes, "limit 100 ms"))
}

/// A server and a load balancer each, which never start, with all labels that they would have.
async fn make(ground: &Ground, clusters: usize) -> Result<()> {
    let image = ground.image_name("list");
    image::make(ground, &image, 1, 1024).await?;
    let network = network(ground).await?;
    let planner = Planner::new(ground).await?;
    for index in 0..clusters {
        let steps = planner.steps(&CreateFlags {
            name: Some(ground.name(&format!("list-{index}"))),
            network: Some(network.name.clone()),
            no_image_volume: Some(true),
            ..CreateFlags::default()
        })?;
        for step in flat(&steps) {
            if let Step::CreateContainer(spec) = step {
                let mut body = payload::container(spec, Some(&network));
                body.image = Some(image.clone());
                // This image has no command of its own, and the load balancer is given none.
                body.cmd.get_or_insert_with(|| vec!["none".to_owned()]);
                ground.engine.create(&spec.name, body).await?;
            }
        }
    }
    Ok(())
}

/// All of them share a network: an Engine has addresses for some thirty.
async fn network(ground: &Ground) -> Result<NetworkFacts> {
    let name = names::network(&ground.name("list"));
    let request = NetworkCreateRequest {
        name: name.clone(),
        labels: Some([(names::LABEL_APP.to_owned(), names::APP.to_owned())].into()),
        ..NetworkCreateRequest::default()
    };
    let id = ground.engine.create_network(request).await?;
    match ground.engine.network(&id).await? {
        Some(network) => Ok(run::facts_of(&network, true)),
        None => bail!("network {name} is gone"),
    }
}

fn flat(steps: &[Step]) -> impl Iterator<Item = &Step> {
    steps.iter().flat_map(|step| match step {
        Step::Together(some) => some.as_slice(),
        step => std::slice::from_ref(step),
    })
}
