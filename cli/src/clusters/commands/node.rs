//! `node ...`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use provisioner::channel;
use provisioner::cluster::{Role, Ulimit};
use provisioner::config::{memory, ulimit};
use provisioner::plan::Addition;

use super::session::{self, carry_out};
use super::{Context, Done, listing, ports, refused};
use crate::clusters::arguments::values::Csv;
use crate::clusters::arguments::{
    CreateNode, DeleteNode, EditNode, ListNodes, NodeCommand, StartNode, StopNode,
};
use crate::output::Streams;

pub(crate) async fn run(
    command: NodeCommand,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    match command {
        NodeCommand::Create(arguments) => Box::pin(create(&arguments, context, streams)).await,
        NodeCommand::Start(arguments) => Box::pin(start(&arguments, context, streams)).await,
        NodeCommand::Stop(arguments) => Box::pin(stop(&arguments, context, streams)).await,
        NodeCommand::Delete(arguments) => Box::pin(delete(&arguments, context, streams)).await,
        NodeCommand::List(arguments) => Box::pin(list(&arguments, context, streams)).await,
        NodeCommand::Edit(arguments) => Box::pin(edit(&arguments, context, streams)).await,
    }
}

async fn create(
    arguments: &CreateNode,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let addition = addition(arguments)?;
    let cluster = &arguments.cluster;
    let provisioner = session::connect(context).await?;
    let mut plan = if cluster.starts_with("https://") || cluster.starts_with("http://") {
        if addition.token.is_none() {
            bail!("a cluster elsewhere is joined with its token; give it with --token");
        }
        let image = addition
            .image
            .clone()
            .unwrap_or_else(channel::default_image);
        provisioner.plan_join(cluster, &addition, &image).await?
    } else {
        provisioner.plan_add_nodes(cluster, &addition).await?
    };
    plan.timeout = Some(arguments.timeout).filter(|timeout| *timeout > Duration::ZERO);
    if !arguments.changes.dry_run {
        let (count, name) = (addition.replicas, cluster);
        context
            .log
            .info(format!("Adding {count} node(s) to the cluster {name}..."));
    }
    if carry_out(&provisioner, &plan, arguments.changes, streams).await? {
        let count = addition.replicas;
        context
            .log
            .info(format!("Successfully created {count} node(s)!"));
    }
    Ok(Done::Success)
}

/// What is added, checked.
fn addition(arguments: &CreateNode) -> Result<Addition> {
    let role = match arguments.role.as_str() {
        "agent" => Role::Agent,
        "server" => Role::Server,
        other => bail!("failed to read --role '{other}': write agent or server"),
    };
    let Some(replicas) = usize::try_from(arguments.replicas)
        .ok()
        .filter(|&replicas| replicas > 0)
    else {
        bail!("failed to read --replicas: write a number of at least 1");
    };
    let memory = match arguments.memory.as_str() {
        "" => None,
        text => Some(memory::parse(text).map_err(|wrong| refused("--memory", text, &wrong))?),
    };
    let mut labels = BTreeMap::new();
    for text in Csv::join(&arguments.runtime_label) {
        let (key, value) = pair(&text, "--runtime-label")?;
        labels.insert(key, value);
    }
    let mut node_labels = Vec::new();
    for text in Csv::join(&arguments.k3s_node_label) {
        pair(&text, "--k3s-node-label")?;
        node_labels.push(text);
    }
    let mut ulimits: Vec<Ulimit> = Vec::new();
    for text in Csv::join(&arguments.runtime_ulimit) {
        let limit = ulimit::parse(&text).and_then(ulimit::check);
        ulimits.push(limit.map_err(|wrong| refused("--runtime-ulimit", &text, &wrong))?);
    }
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    Ok(Addition {
        name: arguments.name.clone(),
        replicas,
        role,
        image: given(&arguments.image),
        memory,
        labels,
        ulimits,
        node_labels,
        networks: Csv::join(&arguments.network),
        token: Some(arguments.token.clone()).filter(|token| !token.is_empty()),
        args: arguments.k3s_arg.clone(),
        wait: arguments.wait.into(),
    })
}

/// `KEY=VALUE` with exactly one `=`.
fn pair(text: &str, flag: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.contains('=') => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => bail!("failed to read {flag} '{text}': write KEY=VALUE"),
    }
}

async fn start(
    arguments: &StartNode,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let provisioner = session::connect(context).await?;
    for name in &arguments.nodes {
        let plan = provisioner.plan_start_node(name).await?;
        carry_out(&provisioner, &plan, arguments.changes, streams).await?;
    }
    Ok(Done::Success)
}

async fn stop(arguments: &StopNode, context: &Context<'_>, streams: &mut Streams) -> Result<Done> {
    let provisioner = session::connect(context).await?;
    for name in &arguments.nodes {
        let plan = provisioner.plan_stop_node(name).await?;
        carry_out(&provisioner, &plan, arguments.changes, streams).await?;
    }
    Ok(Done::Success)
}

async fn delete(
    arguments: &DeleteNode,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let provisioner = session::connect(context).await?;
    let plan = if arguments.all {
        let registries = arguments.registries;
        provisioner.plan_delete_all_nodes(registries).await?
    } else if arguments.names.is_empty() {
        bail!("nothing to delete: name nodes or use --all");
    } else {
        provisioner.plan_delete_nodes(&arguments.names).await?
    };
    if plan.is_empty() && !arguments.changes.dry_run {
        context.log.info("No nodes found");
        return Ok(Done::Success);
    }
    if carry_out(&provisioner, &plan, arguments.changes, streams).await? {
        context.log.info("Successfully deleted node(s)!");
    }
    Ok(Done::Success)
}

async fn list(arguments: &ListNodes, context: &Context<'_>, streams: &mut Streams) -> Result<Done> {
    let provisioner = session::connect(context).await?;
    let nodes = if arguments.names.is_empty() {
        provisioner.containers().await?
    } else {
        let mut nodes = Vec::new();
        for name in &arguments.names {
            nodes.push(provisioner.node(name).await?);
        }
        nodes
    };
    listing::nodes(
        nodes,
        &arguments.listing,
        listing::NoCluster::Empty,
        streams,
    )?;
    Ok(Done::Success)
}

async fn edit(arguments: &EditNode, context: &Context<'_>, streams: &mut Streams) -> Result<Done> {
    let changes = ports::of_node(&arguments.port_add, &arguments.port_delete)?;
    let provisioner = session::connect(context).await?;
    let node = provisioner.node(&arguments.name).await?;
    if node.role != Role::LoadBalancer {
        bail!(
            "node '{}' is no load balancer, so its ports cannot be changed; name k3d-CLUSTER-serverlb",
            node.name
        );
    }
    let plan = provisioner.plan_ports(&node.cluster, &changes).await?;
    if carry_out(&provisioner, &plan, arguments.changes, streams).await? {
        context
            .log
            .info(format!("Successfully updated {}", node.name));
    }
    Ok(Done::Success)
}
