//! What the commands of the tree do, a module per group.

mod cluster;
mod completion;
mod config;
mod create;
mod debug;
mod image;
mod kubeconfig;
mod listing;
mod node;
mod ports;
mod registry;
mod session;
mod shapes;
mod version;

use anyhow::Result;
use clap::Command;
use provisioner::config::Wrong;

use super::arguments::{DebugCommand, LoadBalancerCommand, Tree, Version};
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
        Tree::Config { command } => match command {
            None => Ok(help(&["config"])),
            Some(command) => config::run(command, context, streams),
        },
        tree => wait_for(run_with_engine(tree, context, streams)),
    }
}

/// Carries out a command that talks to a Docker Engine.
async fn run_with_engine(tree: Tree, context: &Context<'_>, streams: &mut Streams) -> Result<Done> {
    match tree {
        Tree::Cluster {
            command: Some(command),
        } => cluster::run(command, context, streams).await,
        Tree::Node {
            command: Some(command),
        } => node::run(command, context, streams).await,
        Tree::Registry {
            command: Some(command),
        } => registry::run(command, context, streams).await,
        Tree::Image {
            command: Some(command),
        } => image::run(command, context, streams).await,
        Tree::Kubeconfig {
            command: Some(command),
        } => kubeconfig::run(command, context, streams).await,
        Tree::RuntimeInfo { document } => debug::runtime_info(document, context, streams).await,
        Tree::Debug {
            command: Some(DebugCommand::Loadbalancer { command }),
        } => match command {
            None => Ok(help(&["debug", "loadbalancer"])),
            Some(LoadBalancerCommand::GetConfig { cluster, document }) => {
                debug::balancer_config(&cluster, document, context, streams).await
            }
        },
        group => Ok(group_help(&group)),
    }
}

/// A group alone answers with its help.
fn group_help(group: &Tree) -> Done {
    match group {
        Tree::Cluster { .. } => help(&["cluster"]),
        Tree::Node { .. } => help(&["node"]),
        Tree::Registry { .. } => help(&["registry"]),
        Tree::Image { .. } => help(&["image"]),
        Tree::Kubeconfig { .. } => help(&["kubeconfig"]),
        Tree::Debug { .. } => help(&["debug"]),
        _ => help(&[]),
    }
}

fn help(path: &[&str]) -> Done {
    Done::Help(path.iter().map(ToString::to_string).collect())
}

/// What is wrong with a value, and what would mend it.
fn refused(flag: &str, text: &str, wrong: &Wrong) -> anyhow::Error {
    match &wrong.mend {
        Some(mend) => anyhow::anyhow!("failed to read {flag} '{text}': {}; {mend}", wrong.what),
        None => anyhow::anyhow!("failed to read {flag} '{text}': {}", wrong.what),
    }
}

/// Runs what waits for others; made only for the commands that need it. What is spawned goes on while the command itself
/// computes, so that Ctrl-C is heard.
pub(crate) fn wait_for<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(work)
}
