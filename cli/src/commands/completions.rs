//! `berth completions SHELL`.

use anyhow::Result;
use clap::Command;

use crate::output::{Outcome, Streams};

pub(crate) fn run(shell: clap_complete::Shell, streams: &mut Streams) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut shown(), "berth", &mut script);
    streams.data(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Outcome::Clean)
}

/// The command line without what is hidden.
fn shown() -> Command {
    let whole = crate::command();
    let commands = whole
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    Command::new("berth")
        .args(whole.get_arguments().cloned())
        .subcommands(commands.cloned())
}
