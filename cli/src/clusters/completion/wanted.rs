//! What an unfinished command line asks for.

use clap::{Arg, Command};

use super::super::dialect::{resolve, title};

/// What may stand in place of the last word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// One of these.
    Fixed(Vec<Candidate>),
    /// The name of something that exists and that is not among `given`.
    Name {
        names: Names,
        prefix: String,
        given: Vec<String>,
    },
    /// The path of a file.
    File,
    /// Anything, or nothing.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub value: String,
    /// One line, or empty.
    pub description: String,
}

/// Things that have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Clusters,
    Nodes,
    LoadBalancers,
    Registries,
}

/// What the last of these words may become.
pub(crate) fn wanted(root: &Command, words: &[String]) -> Wanted {
    let (last, before) = match words.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", words),
    };
    let (path, used) = resolve(root, before);
    let command = path[path.len() - 1];
    let title = title(&path[1..]);
    let given = Given::read(command, &before[used..]);
    if let Some(flag) = given.unfinished {
        return of_argument(&title, flag, last, Vec::new());
    }
    if let Some((name, value)) = last.split_once('=').filter(|_| last.starts_with('-')) {
        return match find_flag(command, name) {
            Some(flag) => of_argument(&title, flag, value, Vec::new()),
            None => Wanted::Nothing,
        };
    }
    if last.starts_with('-') && !given.only_positional {
        return Wanted::Fixed(flags(command, last));
    }
    if command.has_subcommands() && given.positional.is_empty() {
        return Wanted::Fixed(subcommands(command, last));
    }
    let mut positionals = command.get_positionals();
    let index = given.positional.len();
    let count = command.get_positionals().count();
    match positionals.nth(index.min(count.saturating_sub(1))) {
        Some(argument) if index < count || takes_many(argument) => {
            of_argument(&title, argument, last, given.positional)
        }
        _ => Wanted::Nothing,
    }
}

/// What stands before the last word.
#[derive(Default)]
struct Given<'a> {
    /// A flag that still lacks its value.
    unfinished: Option<&'a Arg>,
    positional: Vec<String>,
    /// `--` was there.
    only_positional: bool,
}

impl<'a> Given<'a> {
    fn read(command: &'a Command, words: &[String]) -> Self {
        let mut given = Self::default();
        for word in words {
            if given.unfinished.take().is_some() {
                continue;
            }
            if given.only_positional || !word.starts_with('-') || word == "-" {
                given.positional.push(word.clone());
            } else if word == "--" {
                given.only_positional = true;
            } else if !word.contains('=') {
                given.unfinished = find_flag(command, word).filter(|flag| needs_word(flag));
            }
        }
        given
    }
}

fn find_flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| {
        match (word.strip_prefix("--"), word.strip_prefix('-')) {
            (Some(long), _) => argument.get_long() == Some(long),
            // Of several short flags in one word only the last can take the next word.
            (None, Some(shorts)) => argument.get_short() == shorts.chars().last(),
            (None, None) => false,
        }
    })
}

/// Whether the value of a flag is the next word.
fn needs_word(flag: &Arg) -> bool {
    flag.get_action().takes_values() && !flag.is_require_equals_set()
}

fn takes_many(argument: &Arg) -> bool {
    matches!(argument.get_action(), clap::ArgAction::Append)
}

fn flags(command: &Command, prefix: &str) -> Vec<Candidate> {
    let mut found = Vec::new();
    for argument in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        let description = argument.get_help().map(ToString::to_string);
        let long = argument.get_long().map(|long| format!("--{long}"));
        let short = argument.get_short().map(|short| format!("-{short}"));
        for value in [long, short].into_iter().flatten() {
            found.push(candidate(&value, description.as_deref()));
        }
    }
    starting_with(found, prefix)
}

fn subcommands(command: &Command, prefix: &str) -> Vec<Candidate> {
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    let found = shown.map(|sub| {
        let about = sub.get_about().map(ToString::to_string);
        candidate(sub.get_name(), about.as_deref())
    });
    starting_with(found.collect(), prefix)
}

fn of_argument(title: &str, argument: &Arg, prefix: &str, given: Vec<String>) -> Wanted {
    if let Some(names) = names_of(title, argument.get_id().as_str()) {
        return Wanted::Name {
            names,
            prefix: prefix.to_owned(),
            given,
        };
    }
    let mut values: Vec<Candidate> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| {
            candidate(
                value.get_name(),
                value.get_help().map(ToString::to_string).as_deref(),
            )
        })
        .collect();
    values.extend(
        words_of(title, argument.get_id().as_str())
            .iter()
            .map(|word| candidate(word, None)),
    );
    if !values.is_empty() {
        return Wanted::Fixed(starting_with(values, prefix));
    }
    if takes_file(title, argument.get_id().as_str()) {
        return Wanted::File;
    }
    Wanted::Nothing
}

/// Which things an argument names.
fn names_of(title: &str, argument: &str) -> Option<Names> {
    let names = match title {
        "cluster start" | "cluster stop" | "cluster restart" | "cluster delete"
        | "cluster list" | "kubeconfig get" | "kubeconfig merge" => ("names", Names::Clusters),
        "cluster edit" => ("name", Names::Clusters),
        "debug loadbalancer get-config" | "node create" | "image import" | "registry create" => {
            ("cluster", Names::Clusters)
        }
        "node start" | "node stop" => ("nodes", Names::Nodes),
        "node delete" | "node list" => ("names", Names::Nodes),
        "node edit" => ("name", Names::LoadBalancers),
        "registry delete" | "registry list" | "registry start" | "registry stop" => {
            ("names", Names::Registries)
        }
        "cluster create" => ("registry_use", Names::Registries),
        _ => return None,
    };
    (names.0 == argument).then_some(names.1)
}

/// Words that an argument takes although it is declared as any text.
fn words_of(title: &str, argument: &str) -> &'static [&'static str] {
    match (title, argument) {
        ("node create", "role") => &["agent", "server"],
        ("cluster list" | "node list" | "registry list", "output") => &["json", "yaml"],
        ("version", "output") => &["json"],
        _ => &[],
    }
}

fn takes_file(title: &str, argument: &str) -> bool {
    matches!(
        (title, argument),
        (
            _,
            "config" | "registry_config" | "volume" | "file" | "files" | "old" | "new"
        ) | ("config migrate", _)
            | ("image import", "images")
            | ("kubeconfig merge" | "config init", "output")
    )
}

fn candidate(value: &str, description: Option<&str>) -> Candidate {
    let line = description.and_then(|text| text.lines().next());
    Candidate {
        value: value.to_owned(),
        description: line.unwrap_or_default().to_owned(),
    }
}

fn starting_with(candidates: Vec<Candidate>, prefix: &str) -> Vec<Candidate> {
    let mut found = candidates;
    found.retain(|candidate| candidate.value.starts_with(prefix));
    found
}
