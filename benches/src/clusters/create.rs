//! `cluster create` beside the bare calls of the same plan.

use std::str::FromStr;
use std::time::Instant;

use anyhow::Result;
use provisioner::config::CreateFlags;

use super::ground::Ground;
use super::planning::Planner;
use super::table::{Lane, Row};
use super::{bare, tell};
use crate::samples::Samples;

/// How many nodes a cluster has: `SERVERS+AGENTS`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    servers: u32,
    agents: u32,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not of the form SERVERS+AGENTS, such as 1+2");
        let (servers, agents) = text.split_once('+').ok_or_else(wrong)?;
        Ok(Self {
            servers: servers.parse().map_err(|_| wrong())?,
            agents: agents.parse().map_err(|_| wrong())?,
        })
    }
}

pub(crate) async fn measure(ground: &Ground, sizes: &[Size], runs: usize) -> Result<Vec<Row>> {
    warm_up(ground).await?;
    let planner = Planner::new(ground).await?;
    let mut rows = Vec::new();
    for size in sizes {
        rows.push(one_size(ground, &planner, *size, runs).await?);
    }
    Ok(rows)
}

/// The image of the load balancer is loaded once per Engine, which is not what is measured.
async fn warm_up(ground: &Ground) -> Result<()> {
    let name = ground.name("warm");
    let image = ground.image.as_str();
    let create = ["cluster", "create", &name, "--image", image, "--wait=false"];
    ground.time(ground.berth(), &create).await?;
    ground.clear().await
}

async fn one_size(ground: &Ground, planner: &Planner, size: Size, runs: usize) -> Result<Row> {
    let name = ground.name("create");
    let flags = CreateFlags {
        name: Some(name.clone()),
        servers: Some(size.servers.into()),
        agents: Some(size.agents.into()),
        image: Some(ground.image.clone()),
        ..CreateFlags::default()
    };
    let (servers, agents) = (size.servers.to_string(), size.agents.to_string());
    let arguments = [
        "cluster",
        "create",
        &name,
        "--image",
        &ground.image,
        "--servers",
        &servers,
        "--agents",
        &agents,
    ];
    let (mut by_hand, mut lanes) = (Samples::empty(), Lane::of_all(ground));
    for run in 1..=runs {
        tell(&format!("create {servers} + {agents}, run {run} of {runs}"));
        // In turn, so that a busy moment of the machine is in all of them.
        let steps = planner.steps(&flags)?;
        let start = Instant::now();
        bare::create(planner, &steps).await?;
        by_hand.push(start.elapsed());
        ground.clear().await?;
        for lane in &mut lanes {
            if lane.is_running() {
                lane.add(ground.time(lane.tool, &arguments).await)?;
                ground.clear().await?;
            }
        }
    }
    let what = format!("create, {servers} + {agents} (servers + agents)");
    let row = Row::of(&what, &lanes, "");
    Ok(row.beside(&lanes[0].samples, &by_hand, "1.10"))
}
