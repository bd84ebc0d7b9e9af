//! `berth`: registries.yaml offline.

mod arguments;
mod commands;
mod documents;
mod output;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
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
