//! `berth`: registries.yaml offline.

mod arguments;
mod commands;
mod documents;
mod output;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let arguments = match arguments::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refusal) => {
            // A failure to print help to a closed pipe changes nothing for the caller.
            let _ = refusal.print();
            return ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2));
        }
    };
    let mut streams = output::Streams::standard();
    match commands::run(arguments.command, &mut streams) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            streams.error(&error);
            ExitCode::from(2)
        }
    }
}

/// The command line as data, for the reference.
pub fn command() -> clap::Command {
    arguments::Arguments::command()
}
