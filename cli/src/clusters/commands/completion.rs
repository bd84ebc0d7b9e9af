//! `completion SHELL` and the hidden commands that its scripts call.

use anyhow::Result;

use super::{Context, Done};
use crate::clusters::arguments::CompletionShell;
use crate::clusters::completion::{Candidate, Names, Wanted, answer as lines, script, wanted};
use crate::output::Streams;

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

/// Names that begin so; none when there is no Engine to ask.
fn existing(names: Names, prefix: &str, given: &[String]) -> Vec<Candidate> {
    let _ = (names, prefix, given);
    Vec::new()
}
