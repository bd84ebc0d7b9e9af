//! `image import`.

use std::path::Path;

use anyhow::{Result, bail};
use provisioner::import::{self, Progress, Report, Source, Sources};
use provisioner::observed::Container;
use provisioner::ops::Provisioner;
use provisioner::run::{Event, Reporter};
use serde_json::json;

use super::session;
use super::{Context, Done};
use crate::clusters::arguments::{ImageCommand, Import, PlanFormat};
use crate::output::Streams;

pub(crate) async fn run(
    command: ImageCommand,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let ImageCommand::Import(arguments) = command;
    let provisioner = session::connect(context).await?;
    let mut clusters = arguments.cluster.clone();
    clusters.sort();
    clusters.dedup();
    let mut nodes = Vec::new();
    for name in &clusters {
        nodes.extend(running_nodes(&provisioner, name, context).await?);
    }
    let sources = sources(&provisioner, &arguments, context).await?;
    if arguments.changes.dry_run {
        show(&sources, &nodes, &arguments, streams)?;
        return Ok(Done::Success);
    }
    for name in &clusters {
        context
            .log
            .info(format!("Importing image(s) into cluster '{name}'"));
    }
    let reporter = &*provisioner.reporter;
    let listener = |progress: Progress<'_>| tell(reporter, &progress);
    let work = import::import(&provisioner.engine, &nodes, &sources, &listener);
    let report = tokio::select! {
        report = work => report,
        () = provisioner.cancel.cancelled() => bail!("stopped by the user; images may be on some nodes"),
    };
    for source in sources.batches() {
        let task = task(&source);
        provisioner.reporter.report(Event::Ended { task });
    }
    Ok(conclude(&report, clusters.len(), context))
}

/// The images of Berth's operator, as far as the Engine has them; nodes pull the others.
pub(crate) async fn import_operator(
    provisioner: &Provisioner,
    cluster: &str,
    context: &Context<'_>,
) -> Result<()> {
    let nodes = running_nodes(provisioner, cluster, context).await?;
    let present = import::present(&provisioner.engine).await?;
    let wanted = provisioner::operator::images();
    let sources = Sources::resolve(&wanted, &present, |_| false);
    for name in &sources.unknown {
        context.log.warn(format!(
            "the Docker Engine has no image '{name}': build it, or the nodes must be able to pull it"
        ));
    }
    if sources.is_empty() {
        return Ok(());
    }
    let reporter = &*provisioner.reporter;
    let listener = |progress: Progress<'_>| tell(reporter, &progress);
    let report = import::import(&provisioner.engine, &nodes, &sources, &listener).await;
    for source in sources.batches() {
        let task = task(&source);
        provisioner.reporter.report(Event::Ended { task });
    }
    conclude(&report, 1, context);
    Ok(())
}

/// The nodes that images go to.
async fn running_nodes(
    provisioner: &Provisioner,
    name: &str,
    context: &Context<'_>,
) -> Result<Vec<String>> {
    let cluster = provisioner.cluster(name).await?;
    let nodes = cluster.nodes.iter().filter(|node| node.role.runs_k3s());
    let (running, stopped): (Vec<&Container>, Vec<_>) = nodes.partition(|node| node.is_running());
    for node in stopped {
        let text = format!("node {} does not run and gets no images", node.name);
        context.log.warn(text);
    }
    if running.is_empty() {
        bail!("no node of cluster '{name}' runs; start it with: cluster start {name}");
    }
    Ok(running.into_iter().map(|node| node.name.clone()).collect())
}

async fn sources(
    provisioner: &Provisioner,
    arguments: &Import,
    context: &Context<'_>,
) -> Result<Sources> {
    let is_file = |path: &Path| path.is_file();
    let present = if Sources::needs_names(&arguments.images, is_file) {
        import::present(&provisioner.engine).await?
    } else {
        Vec::new()
    };
    let sources = Sources::resolve(&arguments.images, &present, is_file);
    for name in &sources.unknown {
        context.log.warn(format!(
            "image '{name}' is neither a file nor an image of the Docker Engine; pull or build it first"
        ));
    }
    if sources.is_empty() {
        bail!("no valid images specified");
    }
    Ok(sources)
}

fn show(
    sources: &Sources,
    nodes: &[String],
    arguments: &Import,
    streams: &mut Streams,
) -> Result<()> {
    let texts: Vec<String> = sources.batches().iter().map(Source::text).collect();
    if arguments.changes.output == PlanFormat::Json {
        streams.json(&json!({"import": texts, "nodes": nodes}))?;
        return Ok(());
    }
    for text in &texts {
        streams.data(format!("import {text} into {}", nodes.join(", ")))?;
    }
    Ok(())
}

fn task(source: &Source) -> String {
    format!("Importing {}", source.text())
}

fn tell(reporter: &dyn Reporter, progress: &Progress<'_>) {
    match progress {
        Progress::Read {
            source,
            done,
            total,
        } => reporter.report(Event::Progress {
            task: task(source),
            done: *done,
            total: *total,
        }),
        Progress::Failed { node, error } => {
            reporter.warn(format!("{node} is left out: {error}"));
        }
        Progress::Imported { node, source } => {
            reporter.debug(format!("{node} has {}", source.text()));
        }
    }
}

/// Says what came of it; part of it is not enough.
fn conclude(report: &Report, clusters: usize, context: &Context<'_>) -> Done {
    for error in &report.unread {
        context.log.error(described(error));
    }
    for (node, error) in &report.failed {
        let text = format!("failed to import into {node}: {}", described(error));
        context.log.error(text);
    }
    if !report.is_success() {
        context
            .log
            .fatal("Image import FAILED for some images or nodes");
        return Done::Failure;
    }
    let count = report.images.len();
    context.log.info(format!(
        "Successfully imported {count} image(s) into {clusters} cluster(s)"
    ));
    Done::Success
}

/// An error with its causes.
fn described(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
