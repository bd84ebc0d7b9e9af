//! docs/reference/cli.md, from the command line itself.

use std::fmt::Write as _;

use anyhow::Result;
use clap::{Arg, Command};

use super::File;

pub(crate) fn files() -> Result<Vec<File>> {
    let mut command = berth_cli::command();
    command.build();
    let mut content = format!("# berth\n\n{}\n", about(&command));
    sections(&command, "berth", &mut content)?;
    Ok(vec![File {
        path: "docs/reference/cli.md".to_owned(),
        content,
    }])
}

/// Every command below this one that is shown, groups before what they hold.
fn sections(command: &Command, path: &str, content: &mut String) -> Result<()> {
    let shown = |sub: &&Command| sub.get_name() != "help" && !sub.is_hide_set();
    for sub in command.get_subcommands().filter(shown) {
        let path = format!("{path} {}", sub.get_name());
        section(sub, &path, content)?;
        sections(sub, &path, content)?;
    }
    Ok(())
}

fn section(command: &Command, path: &str, content: &mut String) -> Result<()> {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    write!(
        content,
        "\n## {path}\n\n{}\n\n```\n{usage}\n```\n",
        about(command)
    )?;
    let aliases: Vec<_> = command.get_visible_aliases().map(code).collect();
    if !aliases.is_empty() {
        writeln!(content, "\nAlso: {}.", aliases.join(", "))?;
    }
    let in_group = path.split(' ').count() > 2;
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"))
        // What holds for a whole group stands there.
        .filter(|argument| !(argument.is_hide_set() || in_group && argument.is_global_set()))
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
            code(&default.join(" ").replace('|', "\\|"))
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
        Some(names) => names.join(" ").replace('|', "\\|"),
        None => String::new(),
    };
    let (separator, value) = if argument.is_require_equals_set() && !value.is_empty() {
        ("", format!("[={value}]"))
    } else {
        (" ", value)
    };
    match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}{separator}{value}"),
        (None, Some(long)) => format!("--{long}{separator}{value}"),
        (Some(short), None) => format!("-{short}{separator}{value}"),
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
