//! `runtime-info` and `debug loadbalancer get-config`.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::listing::Format;
use super::{Context, Done, session};
use crate::clusters::arguments::{Document, DocumentFormat};
use crate::output::Streams;

pub(crate) async fn runtime_info(
    document: Document,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let provisioner = session::connect(context).await?;
    let facts = &provisioner.facts;
    let info = json!({
        "arch": facts.arch,
        "cgroupdriver": facts.cgroup_driver,
        "cgroupversion": facts.cgroup_version.map_or_else(String::new, |it| it.to_string()),
        "endpoint": facts.endpoint,
        "filesystem": facts.storage_driver,
        "infoname": facts.name,
        "name": if facts.is_podman { "podman" } else { "docker" },
        "os": facts.operating_system,
        "ostype": facts.os,
        "version": facts.version,
    });
    print(info, document, streams)
}

pub(crate) async fn balancer_config(
    cluster: &str,
    document: Document,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let provisioner = session::connect(context).await?;
    let text = provisioner.balancer_config(cluster).await?;
    if document.output == DocumentFormat::Yaml {
        streams.data(text.trim_end())?;
        return Ok(Done::Success);
    }
    let config: Value = serde_yaml::from_str(&text)
        .with_context(|| format!("failed to read the load balancer's file of {cluster}"))?;
    print(config, document, streams)
}

fn print(value: Value, document: Document, streams: &mut Streams) -> Result<Done> {
    let format = match document.output {
        DocumentFormat::Yaml => Format::Yaml,
        DocumentFormat::Json => Format::Json,
    };
    format.print(value, streams)?;
    Ok(Done::Success)
}
