//! An Engine to work with, and plans that are shown or carried out.

use std::sync::Arc;

use anyhow::{Result, bail};
use provisioner::ops::{Plan, Provisioner, Unfinished};
use provisioner::run::Reporter;
use provisioner::step::Step;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::clusters::arguments::{Changes, PlanFormat};
use crate::clusters::log::Log;
use crate::clusters::progress::Progress;
use crate::clusters::settings::variable;
use crate::output::Streams;

/// Reaches the Engine that the environment names. From here on Ctrl-C ends what is under way in good order.
pub(crate) async fn connect(context: &Context<'_>) -> Result<Provisioner> {
    let cancel = CancellationToken::new();
    let reporter = self::reporter(context);
    let provisioner = Provisioner::connect(variable, reporter, cancel.clone()).await?;
    listen(cancel, context.log.clone())?;
    Ok(provisioner)
}

/// Tells what is done, on a terminal with bars.
pub(crate) fn reporter(context: &Context<'_>) -> Arc<dyn Reporter> {
    Arc::new(Progress::new(context.log.clone()))
}

/// Ends work at the first signal.
fn listen(cancel: CancellationToken, log: Log) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        log.warn("Stopping: what is under way is brought to an end");
        cancel.cancel();
    });
    Ok(())
}

/// Shows the plan when the user wants it shown, carries it out otherwise. Says whether it was carried out.
pub(crate) async fn carry_out(
    provisioner: &Provisioner,
    plan: &Plan,
    changes: Changes,
    streams: &mut Streams,
) -> Result<bool> {
    if changes.dry_run {
        show(plan, changes, streams)?;
        return Ok(false);
    }
    match provisioner.run(plan).await {
        Ok(()) => Ok(true),
        Err(Unfinished {
            failure,
            rolled_back: true,
        }) => bail!("{failure}; what was done has been undone"),
        Err(Unfinished { failure, .. }) => Err(failure.into()),
    }
}

/// Prints a plan.
pub(crate) fn show(plan: &Plan, changes: Changes, streams: &mut Streams) -> Result<()> {
    match changes.output {
        PlanFormat::Json => streams.json(&json!({"steps": steps(&plan.steps)}))?,
        PlanFormat::Text if plan.is_empty() => streams.data("nothing to do")?,
        PlanFormat::Text => streams.data(plan.listing().trim_end())?,
    }
    Ok(())
}

fn steps(steps: &[Step]) -> Vec<Value> {
    let value = |step: &Step| match step {
        Step::Together(some) => json!({"together": self::steps(some)}),
        step => json!(step.describe()),
    };
    steps.iter().map(value).collect()
}
