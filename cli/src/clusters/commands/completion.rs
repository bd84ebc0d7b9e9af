//! `completion SHELL` and the hidden commands that its scripts call.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use provisioner::cluster::Role;
use provisioner::observed::Container;
use provisioner::ops::Provisioner;
use provisioner::run::{Event, Reporter};
use tokio_util::sync::CancellationToken;

use super::{Context, Done, wait_for};
use crate::clusters::arguments::CompletionShell;
use crate::clusters::completion::{Candidate, Names, Wanted, answer as lines, script, wanted};
use crate::clusters::settings::variable;
use crate::output::Streams;

/// A shell waits for the answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn print_script(
    shell: CompletionShell,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let program = context.log.manner().program();
    streams.data(script(shell, program).trim_end())?;
    Ok(Done::Success)
}

/// Answers a script: candidates, and whether files may stand there.
pub(crate) fn answer(
    words: &[String],
    descriptions: bool,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let mut root = context.root.clone();
    root.build();
    let (candidates, files) = match wanted(&root, words) {
        Wanted::Fixed(candidates) => (candidates, false),
        Wanted::Name {
            names,
            prefix,
            given,
        } => (existing(names, &prefix, &given), false),
        Wanted::File => (Vec::new(), true),
        Wanted::Nothing => (Vec::new(), false),
    };
    for line in lines(&candidates, files, descriptions) {
        streams.data(line)?;
    }
    Ok(Done::Success)
}

/// Names that begin so; none when there is no Engine that answers soon.
fn existing(names: Names, prefix: &str, given: &[String]) -> Vec<Candidate> {
    let asked = wait_for(async { tokio::time::timeout(PATIENCE, ask(names)).await? });
    let mut found = asked.unwrap_or_default();
    found.sort();
    found.dedup();
    found.retain(|name| name.starts_with(prefix) && !given.contains(name));
    let candidate = |value| Candidate {
        value,
        description: String::new(),
    };
    found.into_iter().map(candidate).collect()
}

async fn ask(names: Names) -> Result<Vec<String>> {
    let quiet: Arc<dyn Reporter> = Arc::new(Quiet);
    let provisioner = Provisioner::connect(variable, quiet, CancellationToken::new()).await?;
    let containers = provisioner.containers().await?;
    let wanted = |container: &Container| match names {
        Names::Clusters => container.role.runs_k3s(),
        Names::Nodes => container.role != Role::None,
        Names::LoadBalancers => container.role == Role::LoadBalancer,
        Names::Registries => container.role == Role::Registry,
    };
    let name = |container: Container| match names {
        Names::Clusters => container.cluster,
        _ => container.name,
    };
    Ok(containers.into_iter().filter(wanted).map(name).collect())
}

/// A shell that completes is no place to talk.
struct Quiet;

impl Reporter for Quiet {
    fn report(&self, _: Event) {}
}
