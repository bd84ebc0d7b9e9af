//! `version` and `version list`.

use anyhow::Result;
use provisioner::channel::DEFAULT_K3S_VERSION;
use provisioner::names::K3D_VERSION;
use serde_json::json;

use super::{Context, Done, wait_for};
use crate::clusters::arguments::{Version, VersionCommand};
use crate::clusters::manner::Manner;
use crate::clusters::tags;
use crate::output::Streams;

const OWN_VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

pub(crate) fn run(
    arguments: &Version,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    if let Some(VersionCommand::List(tags)) = &arguments.command {
        for line in wait_for(tags::list(tags))? {
            streams.data(line)?;
        }
        return Ok(Done::Success);
    }
    let berth = context.log.manner() == Manner::Berth;
    if arguments.output.eq_ignore_ascii_case("json") {
        let mut versions = json!({"k3d": K3D_VERSION, "k3s": DEFAULT_K3S_VERSION});
        if berth {
            versions["berth"] = OWN_VERSION.into();
        }
        streams.data(versions.to_string())?;
        return Ok(Done::Success);
    }
    if berth {
        streams.data(format!("berth version {OWN_VERSION}"))?;
    }
    streams.data(format!("k3d version {K3D_VERSION}"))?;
    streams.data(format!("k3s version {DEFAULT_K3S_VERSION} (default)"))?;
    Ok(Done::Success)
}
