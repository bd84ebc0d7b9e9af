//! What the commands of the tree do, a module per group.

mod completion;
mod version;

use anyhow::Result;
use clap::Command;

use super::arguments::{DebugCommand, RegistryCommand, Tree, Version};
use super::log::Log;
use crate::output::Streams;

/// What commands are carried out with.
pub(crate) struct Context<'a> {
    pub log: Log,
    /// The whole command line, for help and completion.
    pub root: &'a Command,
}

/// How a command ended that did not fail as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Success,
    /// Part of the work failed; what failed was said.
    Failure,
    /// A group without a command: its help is the answer.
    Help(Vec<String>),
}

/// `version` without flags.
pub(crate) fn plain_version() -> Tree {
    Tree::Version(Version {
        output: String::new(),
        command: None,
    })
}

/// Carries out one command.
pub(crate) fn run(tree: Tree, context: &Context<'_>, streams: &mut Streams) -> Result<Done> {
    match tree {
        Tree::Version(arguments) => version::run(&arguments, context, streams),
        Tree::Completion { shell } => completion::print_script(shell, context, streams),
        Tree::Complete(words) => completion::answer(&words.words, true, context, streams),
        Tree::CompleteNoDescriptions(words) => {
            completion::answer(&words.words, false, context, streams)
        }
        Tree::Cluster { command: None } => Ok(help(&["cluster"])),
        Tree::Node { command: None } => Ok(help(&["node"])),
        Tree::Registry { command: None } => Ok(help(&["registry"])),
        Tree::Image { command: None } => Ok(help(&["image"])),
        Tree::Kubeconfig { command: None } => Ok(help(&["kubeconfig"])),
        Tree::Config { command: None } => Ok(help(&["config"])),
        Tree::Debug { command: None } => Ok(help(&["debug"])),
        Tree::Debug {
            command: Some(DebugCommand::Loadbalancer { command: None }),
        } => Ok(help(&["debug", "loadbalancer"])),
        Tree::Registry {
            command: Some(RegistryCommand::Start(selected) | RegistryCommand::Stop(selected)),
        } if selected.names.is_empty() => Ok(help(&["registry"])),
        _ => anyhow::bail!("this command is not built yet"),
    }
}

fn help(path: &[&str]) -> Done {
    Done::Help(path.iter().map(ToString::to_string).collect())
}

/// Runs what waits for others; made only for the commands that need it.
pub(crate) fn wait_for<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
