//! How k3d's command line is written, where it differs from what clap does by itself.
//!
//! Switches take `--x=false`, the last use of a flag counts, values may begin with a dash, and refusals read as k3d's do.

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use super::arguments::values::go_bool;

/// Gives a command and everything below it these manners.
pub(crate) fn speak(command: Command) -> Command {
    command
        .args_override_self(true)
        .mut_args(manners)
        .mut_subcommands(speak)
}

fn manners(argument: Arg) -> Arg {
    if argument.is_positional() {
        return argument;
    }
    match argument.get_action() {
        ArgAction::SetTrue => {
            let default = match argument.get_default_values() {
                [default, ..] => default.to_owned(),
                [] => "false".into(),
            };
            switch(argument).default_value(default)
        }
        ArgAction::Set if is_bool(&argument) => switch(argument),
        ArgAction::Set | ArgAction::Append => {
            let equals_only = argument.is_require_equals_set();
            argument.allow_hyphen_values(!equals_only)
        }
        _ => argument,
    }
}

fn is_bool(argument: &Arg) -> bool {
    argument.get_value_parser().type_id() == ValueParser::bool().type_id()
}

fn switch(argument: Arg) -> Arg {
    argument
        .action(ArgAction::Set)
        .value_name("BOOL")
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .value_parser(go_bool)
        .hide_possible_values(true)
}

/// What k3d would say about a command line that it refuses.
pub(crate) fn refusal(error: &clap::Error, path: &str) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = text(ContextKind::InvalidArg);
    let value = text(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument => unknown(&argument, path),
        ErrorKind::InvalidSubcommand => {
            let command = text(ContextKind::InvalidSubcommand);
            format!("unknown command \"{command}\" for \"{path}\"")
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("flag needs an argument: {}", flag(&argument))
        }
        ErrorKind::InvalidValue => {
            let valid = text(ContextKind::ValidValue);
            format!(
                "invalid argument \"{value}\" for {}: one of {valid}",
                named(&argument)
            )
        }
        ErrorKind::ValueValidation => {
            let reason = std::error::Error::source(error)
                .map(ToString::to_string)
                .unwrap_or_default();
            format!(
                "invalid argument \"{value}\" for {}: {reason}",
                named(&argument)
            )
        }
        ErrorKind::MissingRequiredArgument => format!("missing {argument}"),
        ErrorKind::ArgumentConflict => {
            let other = text(ContextKind::PriorArg);
            format!(
                "{} and {} cannot be used together",
                flag(&argument),
                flag(&other)
            )
        }
        ErrorKind::TooManyValues => format!("too many values for {}", named(&argument)),
        _ => first_line(error),
    }
}

fn unknown(argument: &str, path: &str) -> String {
    if argument.starts_with("--") {
        let name = argument.split('=').next().unwrap_or_default();
        format!("unknown flag: {name}")
    } else if let Some(short) = argument.strip_prefix('-') {
        let letter = short.chars().next().unwrap_or_default();
        format!("unknown shorthand flag: '{letter}' in {argument}")
    } else {
        format!("unknown argument \"{argument}\" for \"{path}\"")
    }
}

/// `--name <VALUE>` without its value.
fn flag(argument: &str) -> &str {
    let end = argument.find(['=', ' ', '[']).unwrap_or(argument.len());
    if argument.starts_with('-') {
        &argument[..end]
    } else {
        argument
    }
}

fn named(argument: &str) -> String {
    if argument.starts_with('-') {
        format!("\"{}\" flag", flag(argument))
    } else {
        argument.to_owned()
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// The command that words lead to, and how many of them name it. Flags between the names are passed over.
pub(crate) fn resolve<'a>(root: &'a Command, words: &[String]) -> (Vec<&'a Command>, usize) {
    let mut path = vec![root];
    let mut used = 0;
    for (index, word) in words.iter().enumerate() {
        let current = path[path.len() - 1];
        if word == "--" || current.get_subcommands().next().is_none() {
            break;
        }
        if word.starts_with('-') {
            continue;
        }
        match current.find_subcommand(word) {
            Some(next) => path.push(next),
            None => break,
        }
        used = index + 1;
    }
    (path, used)
}

/// `k3d cluster create`.
pub(crate) fn title(path: &[&Command]) -> String {
    let names: Vec<_> = path.iter().map(|command| command.get_name()).collect();
    names.join(" ")
}
