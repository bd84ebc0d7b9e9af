//! `cluster start|stop|restart|delete|list|edit`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use provisioner::cluster::Wait;
use provisioner::names::DEFAULT_CLUSTER;
use provisioner::observed::Cluster;
use provisioner::ops::Provisioner;

use super::session::{self, carry_out};
use super::{Context, Done, create, listing, ports};
use crate::clusters::arguments::values::Waiting;
use crate::clusters::arguments::{
    ClusterCommand, Delete, Edit, List, Patience, Restart, Selection, Start, Stop,
};
use crate::clusters::narration::Narrator;
use crate::output::Streams;

pub(crate) async fn run(
    command: ClusterCommand,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    match command {
        ClusterCommand::Create(arguments) => {
            Box::pin(create::run(&arguments, context, streams)).await
        }
        ClusterCommand::Apply(arguments) => {
            Box::pin(create::apply(&arguments, context, streams)).await
        }
        ClusterCommand::Start(arguments) => Box::pin(start(&arguments, context, streams)).await,
        ClusterCommand::Stop(arguments) => Box::pin(stop(&arguments, context, streams)).await,
        ClusterCommand::Restart(arguments) => Box::pin(restart(&arguments, context, streams)).await,
        ClusterCommand::Delete(arguments) => Box::pin(delete(&arguments, context, streams)).await,
        ClusterCommand::List(arguments) => Box::pin(list(&arguments, context, streams)).await,
        ClusterCommand::Edit(arguments) => Box::pin(edit(&arguments, context, streams)).await,
    }
}

impl From<Waiting> for Wait {
    fn from(waiting: Waiting) -> Self {
        match waiting {
            Waiting::No => Self::No,
            Waiting::Nodes => Self::Nodes,
            Waiting::Pods => Self::Pods,
        }
    }
}

impl Patience {
    fn limit(&self) -> Option<Duration> {
        Some(self.timeout).filter(|timeout| !timeout.is_zero())
    }
}

/// The clusters that are meant; every name is known.
async fn selected(
    provisioner: &Provisioner,
    selection: &Selection,
    context: &Context<'_>,
) -> Result<Vec<Cluster>> {
    if selection.all {
        let clusters = provisioner.clusters().await?;
        if clusters.is_empty() {
            context.log.info("No clusters found");
        }
        return Ok(clusters);
    }
    let default = [DEFAULT_CLUSTER.to_owned()];
    let names = match selection.names.as_slice() {
        [] => default.as_slice(),
        names => names,
    };
    let mut clusters = Vec::new();
    for name in names {
        clusters.push(provisioner.cluster(name).await?);
    }
    Ok(clusters)
}

async fn start(arguments: &Start, context: &Context<'_>, streams: &mut Streams) -> Result<Done> {
    let mut provisioner = session::connect(context).await?;
    let patience = &arguments.patience;
    for cluster in selected(&provisioner, &arguments.selection, context).await? {
        let name = &cluster.name;
        let plan = provisioner
            .plan_start(name, patience.wait.into(), patience.limit())
            .await?;
        if !arguments.changes.dry_run {
            context.log.info(format!("Starting cluster '{name}'"));
        }
        let inner = session::reporter(context);
        provisioner.reporter = Arc::new(Narrator::new(inner, None));
        if carry_out(&provisioner, &plan, arguments.changes, streams).await? {
            context.log.info(if plan.is_empty() {
                format!("Cluster '{name}' is already running")
            } else {
                format!("Started cluster '{name}'")
            });
        }
    }
    Ok(Done::Success)
}

async fn stop(arguments: &Stop, context: &Context<'_>, streams: &mut Streams) -> Result<Done> {
    let provisioner = session::connect(context).await?;
    for cluster in selected(&provisioner, &arguments.selection, context).await? {
        let name = &cluster.name;
        let plan = provisioner.plan_stop(name).await?;
        if !arguments.changes.dry_run {
            context.log.info(format!("Stopping cluster '{name}'"));
        }
        if carry_out(&provisioner, &plan, arguments.changes, streams).await? {
            context.log.info(format!("Stopped cluster '{name}'"));
        }
    }
    Ok(Done::Success)
}

async fn restart(
    arguments: &Restart,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let provisioner = session::connect(context).await?;
    let (changes, patience) = (arguments.changes, &arguments.patience);
    for cluster in selected(&provisioner, &arguments.selection, context).await? {
        let name = &cluster.name;
        let stop = provisioner.plan_stop(name).await?;
        if changes.dry_run {
            let mut plan = stop;
            let stopped = stopped(cluster.clone());
            plan.steps
                .extend(provisioner::plan::start(&stopped, patience.wait.into()));
            session::show(&plan, changes, streams)?;
            continue;
        }
        context.log.info(format!("Restarting cluster '{name}'"));
        carry_out(&provisioner, &stop, changes, streams).await?;
        let start = provisioner
            .plan_start(name, patience.wait.into(), patience.limit())
            .await?;
        carry_out(&provisioner, &start, changes, streams).await?;
        context.log.info(format!("Restarted cluster '{name}'"));
    }
    Ok(Done::Success)
}

/// The cluster as it will be when it has been stopped.
fn stopped(mut cluster: Cluster) -> Cluster {
    for node in &mut cluster.nodes {
        if let Some(state) = node.inspected.0.state.as_mut() {
            state.running = Some(false);
        }
    }
    cluster
}

async fn delete(arguments: &Delete, context: &Context<'_>, streams: &mut Streams) -> Result<Done> {
    let from_file = match (&arguments.config, arguments.selection.names.is_empty()) {
        (Some(file), true) if !arguments.selection.all => create::name_in_file(file)?,
        _ => None,
    };
    let provisioner = session::connect(context).await?;
    let names = if arguments.selection.all {
        let clusters = provisioner.clusters().await?;
        if clusters.is_empty() {
            context.log.info("No clusters found");
        }
        clusters.into_iter().map(|cluster| cluster.name).collect()
    } else if arguments.selection.names.is_empty() {
        vec![from_file.unwrap_or_else(|| DEFAULT_CLUSTER.to_owned())]
    } else {
        arguments.selection.names.clone()
    };
    for name in names {
        let Some(plan) = provisioner.plan_delete(&name).await? else {
            context.log.info(format!(
                "No nodes found for cluster '{name}', nothing to delete."
            ));
            continue;
        };
        if !arguments.changes.dry_run {
            context.log.info(format!("Deleting cluster '{name}'"));
        }
        if carry_out(&provisioner, &plan, arguments.changes, streams)
            .await
            .with_context(|| format!("failed to delete cluster '{name}'"))?
        {
            context
                .log
                .info(format!("Successfully deleted cluster {name}!"));
        }
    }
    Ok(Done::Success)
}

async fn list(arguments: &List, context: &Context<'_>, streams: &mut Streams) -> Result<Done> {
    let provisioner = session::connect(context).await?;
    let mut clusters = provisioner.clusters().await?;
    if !arguments.names.is_empty() {
        for name in &arguments.names {
            provisioner.cluster(name).await?;
        }
        clusters.retain(|cluster| arguments.names.contains(&cluster.name));
    }
    listing::clusters(&clusters, arguments, streams)?;
    Ok(Done::Success)
}

async fn edit(arguments: &Edit, context: &Context<'_>, streams: &mut Streams) -> Result<Done> {
    let provisioner = session::connect(context).await?;
    let cluster = provisioner.cluster(&arguments.name).await?;
    let changes = ports::of_cluster(&cluster, &arguments.port_add, &arguments.port_delete)?;
    let plan = provisioner.plan_ports(&cluster.name, &changes).await?;
    if carry_out(&provisioner, &plan, arguments.changes, streams).await? {
        let name = &cluster.name;
        context.log.info(format!("Successfully updated {name}"));
    }
    Ok(Done::Success)
}
