//! `berth pulls`: the image pulls of a cluster in a terminal.

pub(crate) mod arguments;
mod filter;
#[cfg(test)]
mod fixtures;
mod server;
mod wait;
mod watch;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use tokio::time::Instant;
use tracer_model::{PullList, PullStatus};

use self::arguments::{Command, Filter, Format, Pulls, Wait};
use self::filter::PodName;
use self::server::Connection;
use self::wait::Verdict;
use crate::output::Streams;

/// The time is up.
const TIMED_OUT: u8 = 3;
/// Between two looks at a pod that waits.
const LOOK: Duration = Duration::from_millis(500);

/// Carries the command out.
pub(crate) fn run(pulls: Pulls, streams: &mut Streams) -> ExitCode {
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the run time")
        .and_then(|runtime| runtime.block_on(carry_out(pulls, streams)));
    done.unwrap_or_else(|error| {
        streams.error(&error);
        ExitCode::FAILURE
    })
}

async fn carry_out(pulls: Pulls, streams: &mut Streams) -> Result<ExitCode> {
    if let Some(Command::Wait(wait)) = pulls.command {
        return wait_for(&wait, streams).await;
    }
    let connection = Connection::open(&pulls.server).await?;
    if pulls.watch {
        tokio::select! {
            ended = watch::follow(&connection, &pulls.filter, pulls.output, streams) => ended?,
            stopped = tokio::signal::ctrl_c() => stopped?,
        }
    } else {
        let list = connection.pulls().await?;
        print(list, &pulls.filter, pulls.output, streams)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(mut list: PullList, filter: &Filter, format: Format, streams: &mut Streams) -> Result<()> {
    list.pulls.retain(|pull| filter::passes(filter, pull));
    list.pulls.sort_by(|a, b| order(a).cmp(&order(b)));
    list.total = Some(list.pulls.len() as u64);
    match format {
        Format::Json => streams.json(&list)?,
        Format::Yaml => streams.data(serde_yaml::to_string(&list)?.trim_end())?,
        Format::Table | Format::Wide => table(&list.pulls, format == Format::Wide, streams)?,
    }
    Ok(())
}

/// What goes on stands first, then the newest.
fn order(pull: &PullStatus) -> impl Ord {
    let ended = pull.completed_at.is_some();
    (ended, std::cmp::Reverse(pull.started_at), pull.id.clone())
}

fn table(pulls: &[PullStatus], wide: bool, streams: &mut Streams) -> Result<()> {
    if pulls.is_empty() {
        streams.talk("no pulls")?;
        return Ok(());
    }
    let now = Timestamp::now();
    let mut header = words::HEADER.to_vec();
    if wide {
        header.extend(words::WIDE);
    }
    let rows: Vec<Vec<String>> = pulls
        .iter()
        .map(|pull| {
            let mut row = words::row(pull, now);
            if wide {
                row.extend(words::wide(pull));
            }
            row.iter().map(|cell| words::plain(cell)).collect()
        })
        .collect();
    for line in crate::clusters::table::lines(Some(&header), &rows) {
        streams.data(line)?;
    }
    Ok(())
}

async fn wait_for(wait: &Wait, streams: &mut Streams) -> Result<ExitCode> {
    let pod = PodName::new(&wait.pod, wait.namespace.as_deref());
    let deadline = Instant::now() + wait.timeout;
    let connection = tokio::time::timeout_at(deadline, Connection::open(&wait.server))
        .await
        .context("the time is up before the cluster answered")??;
    let mut told = String::new();
    loop {
        let look = tokio::time::timeout_at(deadline, look(&connection, &pod)).await;
        let waiting = match look {
            Ok(verdict) => match verdict? {
                Verdict::Pulled => {
                    streams.talk(format!("pod {} has its images", wait.pod))?;
                    return Ok(ExitCode::SUCCESS);
                }
                Verdict::Failed(why) => {
                    let why = words::plain(&why);
                    streams.talk(format!("pod {} does not get its images: {why}", wait.pod))?;
                    return Ok(ExitCode::FAILURE);
                }
                Verdict::Waiting(what) => words::plain(&what),
            },
            Err(_) => told.clone(),
        };
        if waiting != told {
            streams.talk(format!("waiting for {waiting}"))?;
            told = waiting;
        }
        if Instant::now() + LOOK >= deadline {
            streams.talk(format!(
                "pod {} still waits for {told} after {:?}",
                wait.pod, wait.timeout
            ))?;
            return Ok(ExitCode::from(TIMED_OUT));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(connection: &Connection, pod: &PodName) -> Result<Verdict> {
    match connection.pod(pod).await? {
        Some(pod) => Ok(wait::of_pod(&pod)),
        None => Ok(wait::of_pulls(pod, &connection.pulls().await?.pulls)),
    }
}
