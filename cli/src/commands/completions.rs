//! `berth completions SHELL`.

use anyhow::Result;

use crate::output::{Outcome, Streams};

pub(crate) fn run(shell: clap_complete::Shell, streams: &mut Streams) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::command(), "berth", &mut script);
    streams.data(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Outcome::Clean)
}
