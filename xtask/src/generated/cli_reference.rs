//! docs/reference/cli.md, from the command line itself.

use std::fmt::Write as _;

use anyhow::Result;
use clap::{Arg, Command};

use super::File;

pub(crate) fn files() -> Result<Vec<File>> {
    let mut command = berth_cli::command();
    command.build();
    let mut content = format!("# berth\n\n{}\n", about(&command));
    for sub in command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
    {
        section(sub, &mut content)?;
    }
    Ok(vec![File {
        path: "docs/reference/cli.md".to_owned(),
        content,
    }])
}

fn section(command: &Command, content: &mut String) -> Result<()> {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    write!(
        content,
        "\n## berth {}\n\n{}\n\n```\n{usage}\n```\n",
        command.get_name(),
        about(command)
    )?;
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"))
        .collect();
    if !arguments.is_empty() {
        content.push_str("\n| argument | meaning | default |\n|---|---|---|\n");
    }
    for argument in arguments {
        let default: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        let help = argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        writeln!(
            content,
            "| `{}` | {} | {} |",
            name(argument),
            help.replace('|', "\\|"),
            code(&default.join(" "))
        )?;
    }
    Ok(())
}

fn about(command: &Command) -> String {
    let text = command.get_long_about().or_else(|| command.get_about());
    text.map(ToString::to_string).unwrap_or_default()
}

fn name(argument: &Arg) -> String {
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    let value = match argument.get_value_names() {
        _ if !argument.get_action().takes_values() => String::new(),
        _ if !values.is_empty() => values.join("\\|"),
        Some(names) => names.join(" "),
        None => String::new(),
    };
    match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long} {value}"),
        (None, Some(long)) => format!("--{long} {value}"),
        (Some(short), None) => format!("-{short} {value}"),
        (None, None) => value,
    }
    .trim()
    .to_owned()
}

fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{text}`")
    }
}
