//! `berth`: registries.yaml offline, and clusters of k3s in Docker; called as `k3d` it is that program.

mod arguments;
mod clusters;
mod commands;
mod documents;
mod output;
mod pulls;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use clusters::Manner;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    // The first one wins; nothing else of this process installs one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let words: Vec<OsString> = std::env::args_os().collect();
    match Manner::of_program(words.first().map(OsString::as_os_str)) {
        Manner::K3d => clusters::run_as_k3d(&words),
        Manner::Berth => run_as_berth(&words),
    }
}

fn run_as_berth(words: &[OsString]) -> ExitCode {
    let root = command();
    let own_words = words.get(1..).unwrap_or_default();
    if let Some(code) = clusters::run_plugin(&root, own_words, Manner::Berth) {
        return code;
    }
    let parsed = root
        .clone()
        .try_get_matches_from(words)
        .and_then(|matches| {
            let arguments = arguments::Arguments::from_arg_matches(&matches)?;
            Ok((matches, arguments))
        });
    let (matches, arguments) = match parsed {
        Ok(parsed) => parsed,
        Err(refusal) => {
            // A failure to print help to a closed pipe changes nothing for the caller.
            let _ = refusal.print();
            return ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2));
        }
    };
    let offline = match arguments.command {
        arguments::Command::Clusters(tree) => {
            return clusters::run_among_others(tree, &matches, &root);
        }
        arguments::Command::Balancer { config } => return serve(&config),
        arguments::Command::Pulls(pulls) => {
            return pulls::run(*pulls, &mut output::Streams::standard());
        }
        arguments::Command::Offline(offline) => offline,
    };
    let mut streams = output::Streams::standard();
    match commands::run(offline, &mut streams) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            streams.error(&error);
            ExitCode::from(2)
        }
    }
}

fn serve(config: &Path) -> ExitCode {
    match provisioner::balancer::serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::Streams::standard().error(&error.into());
            ExitCode::FAILURE
        }
    }
}

/// The command line as data, for the reference.
pub fn command() -> clap::Command {
    clusters::among_others(arguments::Arguments::command())
}

/// The command line of the program when it is called `k3d`.
pub fn command_as_k3d() -> clap::Command {
    clusters::k3d_command()
}
