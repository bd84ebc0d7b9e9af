//! Programs beside ours: `k3d foo bar` runs `k3d-foo-bar` or `k3d-foo` when `foo` is none of our commands.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Command;

/// A program and what it is called with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plugin {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
}

/// The plugin that a command line means, the longest name first; none when its first word is a command of ours.
pub(crate) fn find(root: &Command, words: &[OsString], search_path: &OsStr) -> Option<Plugin> {
    let names: Vec<(usize, &str)> = words
        .iter()
        .enumerate()
        .filter_map(|(index, word)| Some((index, word.to_str()?)))
        .filter(|(_, word)| !word.starts_with('-'))
        .collect();
    let (_, first) = names.first()?;
    // A word with a slash would leave the folders of the search path.
    if *first == "help" || root.find_subcommand(first).is_some() || first.contains('/') {
        return None;
    }
    (1..=names.len()).rev().find_map(|count| {
        let used = &names[..count];
        let program = executable(&file_name(used), search_path)?;
        let arguments = words.iter().enumerate();
        let arguments = arguments.filter(|(index, _)| used.iter().all(|(place, _)| place != index));
        Some(Plugin {
            program,
            arguments: arguments.map(|(_, word)| word.clone()).collect(),
        })
    })
}

fn file_name(words: &[(usize, &str)]) -> String {
    let words = words.iter().map(|(_, word)| word.replace('-', "_"));
    format!("k3d-{}", words.collect::<Vec<_>>().join("-"))
}

fn executable(name: &str, search_path: &OsStr) -> Option<PathBuf> {
    if name.contains('/') {
        return None;
    }
    std::env::split_paths(search_path)
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Becomes the plugin: its streams, its signals and its exit code are ours. Returns only when that failed.
pub(crate) fn become_plugin(plugin: &Plugin) -> std::io::Error {
    use std::os::unix::process::CommandExt as _;
    std::process::Command::new(&plugin.program)
        .args(&plugin.arguments)
        .exec()
}
