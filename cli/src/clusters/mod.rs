//! Clusters of k3s in Docker: the command tree that is shared with k3d.
//!
//! ```text
//! words --dialect, arguments--> Tree --commands--> provisioner
//!   |                                                 | events
//!   +--> plugins (first word unknown)                 +--> progress --> log
//! ```

pub(crate) mod arguments;
mod commands;
mod completion;
mod dialect;
mod log;
mod manner;
mod narration;
mod plugins;
mod progress;
mod settings;
pub(crate) mod table;
mod tags;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args as _, Command, FromArgMatches as _, Subcommand as _};

use arguments::{Globals, Tree};
use log::Log;
pub(crate) use manner::Manner;
use settings::LogSettings;

use crate::output::Streams;

/// What exists beyond k3d's tree: unknown when called as k3d.
const BEYOND_COMMANDS: &[&[&str]] = &[&["cluster", "apply"]];

/// Flags beyond k3d's, with their commands: unknown, too.
const BEYOND_FLAGS: &[([&str; 2], &str)] = &[
    (["cluster", "create"], "berth"),
    (["registry", "create"], "from-docker"),
];

/// The command line of k3d's manner.
pub(crate) fn k3d_command() -> Command {
    let root = Command::new("k3d").max_term_width(110).arg(
        clap::Arg::new("version")
            .long("version")
            .help("Print the versions, as the command version does.")
            .action(clap::ArgAction::SetTrue),
    );
    let root = Tree::augment_subcommands(Globals::augment_args(root))
        .about("Make and run clusters of k3s in Docker.");
    let root = root.mut_subcommand("cluster", |cluster| {
        cluster
            .mut_subcommand("apply", |apply| apply.hide(true))
            .mut_subcommand("create", |create| {
                create.mut_arg("berth", |berth| berth.hide(true))
            })
    });
    let root = root.mut_subcommand("registry", |registry| {
        registry.mut_subcommand("create", |create| {
            create.mut_arg("from_docker", |from_docker| from_docker.hide(true))
        })
    });
    dialect::speak(root)
}

/// Gives the commands of the tree their manners where they stand among others.
pub(crate) fn among_others(root: Command) -> Command {
    root.mut_subcommands(|command| {
        if Tree::has_subcommand(command.get_name()) {
            let about = command.get_about().cloned().unwrap_or_default();
            dialect::speak(Globals::augment_args(command).about(about))
        } else {
            command
        }
    })
}

/// Runs the command line of a program that is called k3d.
pub(crate) fn run_as_k3d(words: &[OsString]) -> ExitCode {
    let root = k3d_command();
    let arguments = words.get(1..).unwrap_or_default();
    if let Some(code) = run_plugin(&root, arguments, Manner::K3d) {
        return code;
    }
    let matches = match root.clone().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => return refuse(&root, arguments, &error),
    };
    if let Some(path) = beyond(&matches) {
        return refuse_beyond(&root, path);
    }
    if let Some((command, flag)) = beyond_flag(&matches) {
        let (path, _) = dialect::resolve(&root, &command.map(str::to_owned));
        return explain_refusal(&root, &path, &format!("unknown flag: --{flag}"));
    }
    let globals = Globals::from_arg_matches(&matches).unwrap_or_default();
    if matches.get_flag("version") {
        return carry_out(commands::plain_version(), globals, Manner::K3d, &root);
    }
    match Tree::from_arg_matches(&matches) {
        Ok(tree) => carry_out(tree, globals, Manner::K3d, &root),
        // Nothing but flags: help, as for every group.
        Err(_) => print_help(&root, &[]),
    }
}

/// Runs a command of the tree that stands among others.
pub(crate) fn run_among_others(tree: Tree, matches: &ArgMatches, root: &Command) -> ExitCode {
    let globals = matches
        .subcommand()
        .and_then(|(_, matches)| Globals::from_arg_matches(matches).ok())
        .unwrap_or_default();
    carry_out(tree, globals, Manner::Berth, root)
}

/// Becomes the plugin that a command line means; `None` when it means none.
pub(crate) fn run_plugin(root: &Command, words: &[OsString], manner: Manner) -> Option<ExitCode> {
    let search_path = settings::search_path();
    let plugin = plugins::find(
        root,
        words,
        search_path.as_deref().unwrap_or(OsStr::new("")),
    )?;
    let error = plugins::become_plugin(&plugin);
    let log = Log::new(manner, log_settings(Globals::default()));
    log.fatal(format!(
        "failed to run the plugin {}: {error}",
        plugin.program.display()
    ));
    Some(ExitCode::FAILURE)
}

fn carry_out(tree: Tree, globals: Globals, manner: Manner, root: &Command) -> ExitCode {
    let context = commands::Context {
        log: Log::new(manner, log_settings(globals)),
        root,
    };
    let mut streams = Streams::standard();
    match commands::run(tree, &context, &mut streams) {
        Ok(commands::Done::Success) => ExitCode::SUCCESS,
        Ok(commands::Done::Failure) => ExitCode::FAILURE,
        Ok(commands::Done::Help(path)) => print_help(root, &path),
        Err(error) => {
            context.log.fatal(format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn log_settings(globals: Globals) -> LogSettings {
    LogSettings::new(globals, settings::variable)
}

/// The path of a command that was used and that k3d does not have.
fn beyond(matches: &ArgMatches) -> Option<&'static [&'static str]> {
    BEYOND_COMMANDS.iter().copied().find(|path| {
        let mut here = Some(matches);
        for name in *path {
            here = here
                .and_then(ArgMatches::subcommand)
                .filter(|(used, _)| used == name)
                .map(|(_, matches)| matches);
        }
        here.is_some()
    })
}

/// A flag that was used and that k3d does not have.
fn beyond_flag(matches: &ArgMatches) -> Option<([&'static str; 2], &'static str)> {
    BEYOND_FLAGS
        .iter()
        .copied()
        .find(|([group, command], flag)| {
            let used = matches
                .subcommand_matches(group)
                .and_then(|group| group.subcommand_matches(command));
            used.is_some_and(|command| command.get_flag(flag.replace('-', "_").as_str()))
        })
}

/// Prints help, or says what is wrong with a command line.
fn refuse(root: &Command, words: &[OsString], error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // A failure to print help to a closed pipe changes nothing for the caller.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let words = texts(words);
    let (path, _) = dialect::resolve(root, &words);
    let reason = dialect::refusal(error, &dialect::title(&path));
    explain_refusal(root, &path, &reason)
}

/// A command that exists and that k3d does not have.
fn refuse_beyond(root: &Command, path: &[&str]) -> ExitCode {
    let words: Vec<String> = path.iter().map(ToString::to_string).collect();
    let (parents, _) = dialect::resolve(root, &words[..words.len() - 1]);
    let title = dialect::title(&parents);
    let reason = format!(
        "unknown command \"{}\" for \"{title}\"",
        words[words.len() - 1]
    );
    explain_refusal(root, &parents, &reason)
}

fn explain_refusal(root: &Command, path: &[&Command], reason: &str) -> ExitCode {
    let names: Vec<String> = path[1..]
        .iter()
        .map(|command| command.get_name().to_owned())
        .collect();
    let help = help_of(root, &names).unwrap_or_default();
    let usage = help.find("Usage:").map_or("", |start| &help[start..]);
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "Error: {reason}\n{usage}");
    ExitCode::from(Manner::K3d.usage_exit_code())
}

fn texts(words: &[OsString]) -> Vec<String> {
    words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

/// Prints the help of a group; success, as k3d has it.
fn print_help(root: &Command, path: &[String]) -> ExitCode {
    let help = help_of(root, path).unwrap_or_default();
    // A closed pipe changes nothing for the caller.
    let _ = write!(io::stdout(), "{help}");
    ExitCode::SUCCESS
}

fn help_of(root: &Command, path: &[String]) -> Option<String> {
    let mut root = root.clone();
    root.build();
    let mut command = &mut root;
    for name in path {
        command = command.find_subcommand_mut(name)?;
    }
    Some(command.render_help().to_string())
}
